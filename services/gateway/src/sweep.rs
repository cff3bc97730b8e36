//! What happens by time, for all sockets at once: no timer per connection.

use std::{sync::Arc, time::Duration};

use chat_bus::BusError;
use chat_protocol::{ErrorCode, Shard, codec::Codec, limits};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{app::App, metrics};

const TICK: Duration = Duration::from_secs(1);
/// Sockets looked at before other tasks get a turn.
const SLICE: usize = 512;
/// How long the log may be away before new clients are better served elsewhere.
const LOG_AWAY: Duration = Duration::from_secs(30);
/// Between two looks for limits of which nothing need be remembered.
const EXPIRE: Duration = Duration::from_secs(30);
/// Between two looks for a log that went back.
const GUARD: Duration = Duration::from_secs(5);

/// Looks at every socket once a second; ends never.
pub async fn run(app: Arc<App>) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let log = app.health.check("log");
    let connections = app.health.check("connections");
    let mut expired = Instant::now();
    let mut log_seen = Instant::now();
    loop {
        tick.tick().await;
        sockets(&app).await;
        app.places.report(&connections);
        if expired.elapsed() >= EXPIRE {
            expired = Instant::now();
            app.rates.expire(app.now());
        }
        let status = app.log.status();
        if status.connected {
            log_seen = Instant::now();
        }
        if log_seen.elapsed() < LOG_AWAY { log.ok() } else { log.fail("the log has been away for 30 s") }
    }
}

/// Compares the log with what the store has seen of it; ends never. Apart from the sweep, because both may be slow.
pub async fn guard(app: Arc<App>) {
    let mut tick = interval(GUARD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        compare(&app, &app.log.status().went_back).await;
    }
}

/// A shard that went back is moved ahead once nothing it holds is missing in the store; this gateway may be the only
/// one that noticed.
async fn compare(app: &App, went_back: &[Shard]) {
    for shard in (0..app.log.shards()).filter_map(Shard::new) {
        if let Ok(Some(mark)) = app.store.mark(shard).await
            && let Err(BusError::WentBack { .. }) = app.log.guard(shard, mark).await
        {
            tracing::error!(%shard, %mark, "the log went back: appends are refused until it is moved ahead");
        }
    }
    for shard in went_back {
        let settled = app.log.shard_state(*shard).await.is_ok_and(|state| state.pending == 0);
        if settled && let Err(err) = app.log.rebase(*shard).await {
            tracing::error!(%shard, error = %err, "not moved ahead");
        }
    }
}

async fn sockets(app: &App) {
    let (now, instant) = (app.now(), Instant::now());
    let (mut json, mut msgpack, mut backlog) = (0, 0, 0);
    for (place, conn) in app.hub.conns().iter().enumerate() {
        match conn.codec {
            Codec::Json => json += 1,
            Codec::MsgPack => msgpack += 1,
        }
        backlog += conn.outbox.backlog();
        conn.beat(now);
        if conn.outbox.stalled_for(instant).is_some_and(|stalled| stalled > limits::WRITE_TIMEOUT) {
            conn.close(ErrorCode::Slow, "no progress");
        }
        if conn.is_due(now) {
            conn.outbox.poke();
        }
        if place % SLICE == SLICE - 1 {
            tokio::task::yield_now().await;
        }
    }
    metrics::sockets(Codec::Json.name(), json);
    metrics::sockets(Codec::MsgPack.name(), msgpack);
    metrics::outbox_bytes(backlog);
}
