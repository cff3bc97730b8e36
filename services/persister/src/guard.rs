//! The log's extent against what the store has seen: how far persisting lags, and whether the log went back.

use std::{sync::Arc, time::Duration};

use chat_bus::BusError;
use chat_protocol::Shard;
use tokio::time::{MissedTickBehavior, interval};

use crate::{Deps, metrics};

/// Looks at every shard again and again; ends never.
pub(crate) async fn run(shards: Vec<Shard>, every: Duration, deps: Arc<Deps>) {
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        for shard in &shards {
            if let Err(err) = look(*shard, &deps).await {
                tracing::debug!(%shard, error = %err, "shard not looked at");
            }
        }
    }
}

async fn look(shard: Shard, deps: &Deps) -> anyhow::Result<()> {
    let state = deps.log.shard_state(shard).await?;
    metrics::pending(shard, state.pending);
    if state.pending == 0 {
        metrics::lag(shard, 0);
    }
    let Some(mark) = deps.store.mark(shard).await? else { return Ok(()) };
    match deps.log.guard(shard, mark).await {
        Err(BusError::WentBack { .. }) if state.pending == 0 => {
            // All it still holds is in the store, so nothing is lost by moving it ahead.
            let floor = deps.log.rebase(shard).await?;
            tracing::error!(%shard, %mark, %floor, "the log went back and was moved ahead");
        }
        Err(BusError::WentBack { .. }) => {
            tracing::error!(%shard, %mark, pending = state.pending, "the log went back; what it holds is written first");
        }
        Err(err) => return Err(err.into()),
        Ok(()) => {}
    }
    Ok(())
}
