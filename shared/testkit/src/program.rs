//! Programs that are not ours, as their users run them: a proxy, a server with a configuration under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::leash::Slot;

pub use crate::env::{tool, tools};
pub use crate::wire::{free_port, http_get, loopback, nats_try};

const READY_WITHIN: Duration = Duration::from_secs(30);

/// One program, with a folder of its own. Killed when dropped, and then its folder goes too.
#[derive(Debug)]
pub struct Program {
    slot: Slot,
    dir: TempDir,
}

impl Program {
    /// Nothing runs before [`Program::launch`].
    ///
    /// # Errors
    /// If it cannot have a folder.
    pub fn prepare(name: &str) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("chat-program.").tempdir()?;
        Ok(Self { slot: Slot::new(name), dir })
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// All it has printed.
    pub fn log(&self) -> PathBuf {
        self.dir.path().join("program.log")
    }

    /// Starts it in its folder and waits until `probe`, which may block for a moment, succeeds.
    ///
    /// # Errors
    /// If it runs already, ends, or is not ready in time, with the end of its log.
    pub async fn launch(
        &mut self,
        command: &mut Command,
        probe: impl Fn() -> anyhow::Result<()> + Send + Sync + 'static,
    ) -> anyhow::Result<()> {
        command.current_dir(self.dir.path());
        let log = self.log();
        self.slot.fill(command, &log, self.dir.path())?;
        self.slot.get()?.until(READY_WITHIN, probe).await
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// If it is not running, or had to be killed because it had not ended after `within`.
    pub async fn terminate(&mut self, within: Duration) -> anyhow::Result<std::process::ExitStatus> {
        self.slot.terminate(within).await
    }
}
