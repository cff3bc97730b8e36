//! Room in a stream that fills: what every persister has settled is purged early, oldest first.
//!
//! A stream that discards new events refuses them until old ones age out; having been persisted frees nothing. So a
//! node that does a shard's work looks at its size, and keeps it below the bound as long as the work keeps up.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};

use super::{
    Core,
    shards::{Gate, ShardLog},
};
use crate::{BusError, ShardState};

const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Percent of a shard's bound at which room is made, and what is left then; operators are told at the lower one.
const FULL: u64 = 85;
const ROOMY: u64 = 70;

/// Looks after the shards this node works on.
pub(super) async fn keep(core: Arc<Core>) {
    let mut look = interval(LOOK_INTERVAL);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = core.stop.cancelled() => return,
        }
        for shard in core.shards.all() {
            if shard.worked.load(Ordering::Acquire)
                && shard.gate() == Gate::Open
                && let Err(err) = core.make_room(shard).await
            {
                tracing::debug!(shard = %shard.shard, error = %err, "size not looked at");
            }
        }
    }
}

impl Core {
    async fn make_room(&self, shard: &ShardLog) -> Result<(), BusError> {
        let state = self.shard_state(shard.shard).await?;
        if let Some(first) = first_to_keep(&state, self.options.max_bytes) {
            tracing::warn!(shard = %shard.shard, bytes = state.bytes, first, "purging what was settled, to make room");
            self.purge(shard, first).await?;
        }
        Ok(())
    }
}

/// Below which position to purge, if at all. Events are taken to be of one size.
fn first_to_keep(state: &ShardState, bytes_max: u64) -> Option<u64> {
    let percent = |share: u64| bytes_max / 100 * share;
    if state.bytes <= percent(FULL) {
        return None;
    }
    let (first, last, settled) = (state.first.get(), state.last.get(), state.settled.get());
    let positions = u128::from(last.saturating_sub(first).saturating_add(1));
    let surplus = u128::from(state.bytes.saturating_sub(percent(ROOMY)));
    let share = u64::try_from((positions * surplus).div_ceil(u128::from(state.bytes.max(1)))).unwrap_or(u64::MAX);
    let keep = first.saturating_add(share).min(settled.saturating_add(1));
    (keep > first).then_some(keep)
}

#[cfg(test)]
mod tests {
    use chat_protocol::Seq;

    use super::*;

    fn state(settled: u64, bytes: u64) -> ShardState {
        let seq = |seq| Seq::new(seq).unwrap();
        ShardState { first: seq(1_001), last: seq(2_000), settled: seq(settled), pending: 0, bytes }
    }

    #[test]
    fn only_what_is_settled_goes_and_only_as_much_as_needed() {
        assert_eq!(first_to_keep(&state(2_000, 850), 1_000), None);
        assert_eq!(first_to_keep(&state(2_000, 1_000), 1_000), Some(1_301), "three of ten parts");
        assert_eq!(first_to_keep(&state(1_100, 1_000), 1_000), Some(1_101), "no more than was settled");
        assert_eq!(first_to_keep(&state(1_000, 1_000), 1_000), None, "nothing was");
    }
}
