//! The one database that log and store share: opened once, by the binary, and handed to both.

use std::path::{Path, PathBuf};

use fjall::Database;

/// Why the log cannot be opened. Written for the person who started the program.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// One process per directory.
    #[error("another process holds the data in {}; stop it, or choose another directory", .0.display())]
    Locked(PathBuf),
    /// The directory cannot be made or read.
    #[error("cannot use the directory {}", .0.display())]
    Directory(PathBuf, #[source] std::io::Error),
    /// The number of shards is fixed when a log is created.
    #[error("this log was created with {created} shards; it cannot have {asked}")]
    Shards {
        /// What it has.
        created: u16,
        /// What the configuration asks for.
        asked: u16,
    },
    /// Written by another version.
    #[error("this log has a format that this version cannot read")]
    Format,
    /// The engine's own report.
    #[error("the storage engine cannot open its files")]
    Engine(#[from] fjall::Error),
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

/// Opens or creates the database in `dir`. Blocks: it reads the journal of the last run.
pub fn open_database(dir: &Path) -> Result<Database, OpenError> {
    std::fs::create_dir_all(dir).map_err(|err| OpenError::Directory(dir.to_owned(), err))?;
    Database::builder(dir).open().map_err(|err| match err {
        fjall::Error::Locked => OpenError::Locked(dir.to_owned()),
        fjall::Error::Io(err) => OpenError::Directory(dir.to_owned(), err),
        err => OpenError::Engine(err),
    })
}
