//! Tells the operator how log and store are. A short outage or an election changes nothing: only a log that is away
//! for half a minute makes a node not ready, and a store that is away never does (sends and live events go on).

use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_bus::{Log, Status};
use chat_service::health::Check;
use chat_service::{Health, Shutdown};
use chat_store::Store;
use serde_json::json;

use crate::engines::Engines;

const LOG_LOOK_EVERY: Duration = Duration::from_secs(1);
const LOG_AWAY_MAX: Duration = Duration::from_secs(30);
const STORE_LOOK_EVERY: Duration = Duration::from_secs(10);
const STORE_LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// Watches both until the drain ends.
pub(crate) fn start(engines: &Engines, health: &Health, shutdown: &Shutdown) {
    let Engines { log, store } = engines.clone();
    let Status { durability, .. } = log.status();
    tracing::info!(profile = durability.profile, replicas = durability.replicas, sync = %durability.sync, "durability");
    health.fact(
        "durability",
        json!({ "profile": durability.profile, "replicas": durability.replicas, "sync": durability.sync }),
    );
    let check = health.check("log");
    check.ok();
    let (health, stop) = (health.clone(), shutdown.clone());
    shutdown.spawn(async move {
        tokio::select! {
            () = stop.draining() => {}
            () = watch_log(log, check, health.clone()) => {}
            () = watch_store(store, health) => {}
        }
    });
}

async fn watch_log(log: Arc<dyn Log>, check: Check, health: Health) {
    let mut away_since = None;
    let mut look = tokio::time::interval(LOG_LOOK_EVERY);
    loop {
        let now = look.tick().await.into_std();
        let status = log.status();
        check.set(judge(&status, &mut away_since, now));
        health.fact("log", if status.connected { "reached" } else { "away" });
    }
}

/// Ready unless the log is away for too long.
fn judge(status: &Status, away_since: &mut Option<Instant>, now: Instant) -> Result<(), String> {
    if status.connected {
        *away_since = None;
        return Ok(());
    }
    let away = now.duration_since(*away_since.get_or_insert(now));
    if away < LOG_AWAY_MAX { Ok(()) } else { Err(format!("away for more than {} s", LOG_AWAY_MAX.as_secs())) }
}

async fn watch_store(store: Arc<dyn Store>, health: Health) {
    let mut look = tokio::time::interval(STORE_LOOK_EVERY);
    loop {
        look.tick().await;
        let answer = tokio::time::timeout(STORE_LOOK_TIMEOUT, store.check()).await;
        health.fact("store", if matches!(answer, Ok(Ok(()))) { "reached" } else { "away" });
    }
}

#[cfg(test)]
mod tests {
    use chat_bus::Durability;

    use super::*;

    fn status(connected: bool) -> Status {
        let durability = Durability { profile: "fast", replicas: 3, sync: String::new() };
        Status { connected, durability, went_back: Vec::new() }
    }

    #[test]
    fn only_a_long_absence_of_the_log_counts_and_its_return_at_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut since = None;
        let mut look = |connected, seconds| judge(&status(connected), &mut since, at(seconds)).is_ok();

        assert!(look(true, 0));
        assert!(look(false, 1), "an election");
        assert!(look(false, 30));
        assert!(!look(false, 31));
        assert!(look(true, 32));
        assert!(look(false, 40), "counted anew");
        assert!(look(false, 69));
        assert!(!look(false, 70));
    }
}
