//! The persister: reads the log, writes the store, acknowledges the log; and does the long work that requests left. Keeps nothing of
//! its own.
//!
//! In reading order:

#![warn(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod batch; // what is written together (pure)

mod worker; // one shard: take, write, acknowledge

mod news; // whose list of conversations an event changes hears of it

mod guard; // a log that went back is noticed and moved ahead

mod jobs; // long work that requests left

mod metrics; // names

use std::{sync::Arc, time::Duration};

use chat_bus::Log;
use chat_protocol::{Clock, Shard};
use chat_service::{Health, Shutdown, config::units};
use chat_store::Store;
use clap::Args;

pub use metrics::describe as describe_metrics;

/// Settings of the persister.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "persister")]
#[group(skip)]
pub struct Config {
    /// Events taken from the log at once.
    #[arg(long = "persister-batch-rows", default_value_t = 500)]
    pub batch_rows: usize,
    /// How long a batch that is not full waits for more.
    #[arg(long = "persister-batch-linger", default_value = "50ms", value_parser = units::duration)]
    pub batch_linger: Duration,
    /// Conversations written at once, per shard.
    #[arg(long = "persister-writes-at-once", default_value_t = 32)]
    pub writes_at_once: usize,
    /// Between two looks at the log's extent: lag, and whether it went back.
    #[arg(long = "persister-check-interval", default_value = "5s", value_parser = units::duration)]
    pub check_interval: Duration,
    /// Between two looks for jobs: deleted conversations to purge, closed accounts to erase.
    #[arg(long = "persister-jobs-interval", default_value = "5s", value_parser = units::duration)]
    pub jobs_interval: Duration,
}

/// What a persister needs from the outside.
pub struct Deps {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What the operator is told.
    pub health: Health,
}

/// Works on every shard until the drain begins; what is being written then is finished.
pub async fn run(config: Config, deps: Deps, shutdown: Shutdown) -> anyhow::Result<()> {
    let deps = Arc::new(deps);
    let shards: Vec<Shard> = (0..deps.log.shards()).filter_map(Shard::new).collect();
    let workers = shards.iter().map(|shard| {
        let check = deps.health.check("consumers");
        shutdown.spawn(worker::run(*shard, config.clone(), Arc::clone(&deps), check, shutdown.clone()))
    });
    let workers: Vec<_> = workers.collect();
    let guard = tokio::spawn(guard::run(shards, config.check_interval, Arc::clone(&deps)));
    let jobs = shutdown.spawn(jobs::run(config, Arc::clone(&deps), shutdown.clone()));
    for worker in workers {
        worker.await?;
    }
    jobs.await?;
    guard.abort();
    Ok(())
}
