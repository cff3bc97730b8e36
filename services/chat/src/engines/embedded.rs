//! The engines of one process: one database, so that one sync covers both.

use std::sync::Arc;

use anyhow::Context;
use chat_bus::embedded::{Embedded as Log, Options, open_database};
use chat_protocol::time::SystemClock;
use chat_store::Embedded as Store;

use super::Engines;
use crate::settings::Settings;

pub(super) async fn open(settings: &Settings) -> anyhow::Result<Engines> {
    let (dir, options) = (settings.database_dir(), options(settings));
    // Opening reads the journal of the last run.
    let opened = tokio::task::spawn_blocking(move || -> anyhow::Result<Engines> {
        let database = open_database(&dir)?;
        let store = Store::open(database.clone(), SystemClock).context("open the store")?;
        let log = Log::open(database, options).context("open the log")?;
        Ok(Engines { log: Arc::new(log), store: Arc::new(store) })
    });
    opened.await.context("open the data")?
}

fn options(settings: &Settings) -> Options {
    let told = &settings.log_settings;
    let usual = Options::default();
    Options {
        shards: told.log_shards.unwrap_or(usual.shards),
        retention: told.log_retention,
        bytes_max: told.log_bytes_max.unwrap_or(usual.bytes_max),
        dedupe_window: told.log_dedupe_window,
        ..usual
    }
}
