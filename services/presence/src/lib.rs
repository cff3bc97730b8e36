//! The presence worker: hears which devices are there, decides how users are seen, tells gateways what changed. Keeps
//! nothing of record, and nothing waits for it.
//!
//! In reading order:

#![warn(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod tracker; // who is there (pure)

mod share; // which worker answers for whom (pure)

mod worker; // hears, decides, tells

mod out; // changes on their way, within the budget (pure)

mod stored; // statuses read and last-seen times written, in turns

mod metrics; // names

use std::{sync::Arc, time::Duration};

use chat_bus::Log;
use chat_protocol::Clock;
use chat_service::{Health, Shutdown, config::units};
use chat_store::Store;
use clap::Args;

pub use metrics::describe as describe_metrics;

/// Settings of presence: those of the leases count for gateways and workers alike.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "presence")]
#[group(skip)]
pub struct Config {
    /// How long a gateway's word that a device is there counts.
    #[arg(long = "presence-lease", default_value = "30s", value_parser = units::duration)]
    pub lease: Duration,
    /// Between two times that a gateway says so of all its devices; a third of the lease or less.
    #[arg(long = "presence-beat", default_value = "10s", value_parser = units::duration)]
    pub beat: Duration,
    /// How long a user without a device is still shown as there.
    #[arg(long = "presence-grace", default_value = "15s", value_parser = units::duration)]
    pub grace: Duration,
    /// Who did nothing on any device for so long is away.
    #[arg(long = "presence-away", default_value = "5m", value_parser = units::duration)]
    pub away: Duration,
    /// Between two changes of one user that are told.
    #[arg(long = "presence-pause", default_value = "5s", value_parser = units::duration)]
    pub pause: Duration,
    /// Between two writes of when a user was last seen.
    #[arg(long = "presence-seen-interval", default_value = "60s", value_parser = units::duration)]
    pub seen_interval: Duration,
    /// Between two signs of life of a worker; one that gives none for three of them is replaced.
    #[arg(long = "presence-sign-interval", default_value = "2s", value_parser = units::duration)]
    pub sign_interval: Duration,
    /// Changes that a worker tells per second; more of them wait, the newest of each user.
    #[arg(long = "presence-changes-per-s", default_value_t = 5_000)]
    pub changes_per_s: u32,
    /// Questions that a worker answers per second; more of them are dropped.
    #[arg(long = "presence-asks-per-s", default_value_t = 500)]
    pub asks_per_s: u32,
}

/// What a presence worker needs from the outside.
pub struct Deps {
    /// The log, for its signals.
    pub log: Arc<dyn Log>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What the operator is told.
    pub health: Health,
    /// Whether no gateway but this process's own can exist: then nobody is there yet, and there is nothing to wait for.
    pub alone: bool,
}

/// Works until the drain begins; its parts are taken over at once then.
pub async fn run(config: Config, deps: Deps, shutdown: Shutdown) -> anyhow::Result<()> {
    let check = deps.health.check("presence");
    let worker = worker::Worker::new(config, deps);
    worker.run(check, &shutdown).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        config: Config,
    }

    /// What `docs/presence.md` says of the default times, and the tracker's tests count with.
    #[test]
    fn the_default_times_keep_what_is_promised() {
        let config = Line::parse_from(["presence"]).config;
        let Config { lease, beat, grace, sign_interval, .. } = config;
        assert!(lease + grace <= Duration::from_secs(45), "a ghost of a killed gateway is gone by then");
        assert!(beat * 3 <= lease, "two beats may be lost");
        assert!(sign_interval * worker::SIGNS_MISSED <= Duration::from_secs(10), "a lost worker's part is taken over");
        assert_eq!(worker::rules(&config), tracker::tests::RULES);
    }
}
