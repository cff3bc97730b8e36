//! The embedded engine under the contract: a database in a directory of its own.

use async_trait::async_trait;
use chat_bus::{
    Log,
    embedded::{Embedded, OpenError, Options, open_database},
};
use tempfile::TempDir;
use tokio::time::Instant;

use super::world::{PATIENCE, Tuning, World};

pub struct OnDisk {
    dir: TempDir,
    options: Options,
}

#[async_trait]
impl World for OnDisk {
    async fn start(tuning: Tuning) -> Self {
        let options = Options {
            shards: tuning.shards,
            dedupe_window: tuning.dedupe_window,
            ack_wait: tuning.ack_wait,
            live_behind: tuning.live_behind,
            append_window: tuning.append_window,
            bytes_max: tuning.bytes_max,
            ..Options::default()
        };
        Self { dir: TempDir::new().unwrap(), options }
    }

    async fn open(&self) -> Box<dyn Log> {
        let end = Instant::now() + PATIENCE;
        let database = loop {
            match open_database(self.dir.path()) {
                Ok(database) => break database,
                // Whoever held it lets go a moment after its last handle is dropped.
                Err(OpenError::Locked(_)) if Instant::now() < end => tokio::task::yield_now().await,
                Err(err) => panic!("{err}"),
            }
        };
        Box::new(Embedded::open(database, self.options.clone()).unwrap())
    }
}
