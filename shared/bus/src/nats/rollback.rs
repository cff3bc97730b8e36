//! A log that went back: noticed, refused, moved ahead.
//!
//! An older volume put back, or a tail lost with the page cache, and a stream would give positions out a second time.
//! So a shard's last position is compared with everything this node saw and with the store's mark, before the first
//! append over any new connection, after each election, and whenever a mark is brought. What is behind refuses appends
//! until it was moved ahead.

use std::time::Duration;

use chat_protocol::{Seq, Shard};
use tokio::time::{Instant, sleep};

use super::{
    Core, RETRY_DELAY, StartError,
    api::{StreamInfo, code},
    link::Link,
    shards::{Gate, ShardLog, position},
};
use crate::{BusError, metrics};

/// A new leader of several copies may still be applying what it holds.
const CATCH_UP: Duration = Duration::from_secs(3);
/// Longer than a leader that lost its followers keeps answering (10 s): nothing is purged on such a one's word.
const CERTAINTY: Duration = Duration::from_secs(12);
/// How long a shard that another node moved ahead stays shut here. Two nodes that move it at once do so within a
/// moment, and the second purge would take what was appended after the first.
const QUIET: Duration = Duration::from_secs(3);

impl Core {
    /// Compares a shard's log with what it must hold, and opens or shuts its gate.
    pub(super) async fn check(&self, link: &Link, shard: &ShardLog) -> Result<(), BusError> {
        let _turn = shard.turn.lock().await;
        let patience = if self.options.replicas > 1 { CATCH_UP } else { Duration::ZERO };
        // Before the log is asked: what is seen meanwhile may be later than its answer.
        let floor = shard.floor();
        let found = self.extent_at_least(link, shard, floor, patience).await?;
        if found.state.last_seq < floor {
            if shard.gate() != Gate::WentBack {
                tracing::error!(
                    shard = %shard.shard,
                    last = found.state.last_seq,
                    floor,
                    "the log went back; appends are refused until it is moved ahead"
                );
            }
            shard.set_gate(Gate::WentBack);
        } else if shard.gate() != Gate::WentBack || !self.just_moved(&found) {
            shard.set_gate(Gate::Open);
        }
        Ok(())
    }

    /// See [`crate::Log::guard`].
    pub(super) async fn guard(&self, shard: Shard, mark: Seq) -> Result<(), BusError> {
        let shard = self.shards.known(shard)?;
        shard.raise_mark(mark);
        // What this node itself saw was compared already.
        if mark.get() <= shard.seen() {
            return Ok(());
        }
        let checked = self.check(&self.reader, shard).await;
        if checked.is_err() {
            shard.doubt();
            self.writer.look();
        }
        checked
    }

    /// See [`crate::Log::rebase`]. Moves only what is behind; what was moved already, here or by another node, stays.
    pub(super) async fn rebase(&self, shard: Shard) -> Result<Seq, BusError> {
        let shard = self.shards.known(shard)?;
        let turn = shard.turn.lock().await;
        let floor = shard.floor();
        let patience = if self.options.replicas > 1 { CERTAINTY } else { Duration::ZERO };
        let found = self.extent_at_least(&self.reader, shard, floor, patience).await?;
        if found.state.last_seq >= floor {
            // It never was behind, or another node moved it.
            drop(turn);
            self.check(&self.reader, shard).await?;
            return position(found.state.last_seq.saturating_add(1));
        }
        let to = self.now_as_seq().max(floor.saturating_add(1));
        let floor = position(to)?;
        self.purge(shard, to).await?;
        tracing::warn!(shard = %shard.shard, from = found.state.last_seq, to, "moved the log ahead");
        ::metrics::counter!(metrics::REBASED).increment(1);
        shard.set_gate(Gate::Open);
        Ok(floor)
    }

    /// The extent, once it reaches `floor` or patience ends. A stream that is gone is made anew, above every position
    /// ever given out.
    async fn extent_at_least(
        &self,
        link: &Link,
        shard: &ShardLog,
        floor: u64,
        patience: Duration,
    ) -> Result<StreamInfo, BusError> {
        let until = Instant::now() + patience;
        loop {
            let deadline = self.read_deadline();
            match shard.extent(link, deadline).await {
                Ok(found) if found.state.last_seq >= floor || Instant::now() >= until => return Ok(found),
                Ok(_behind) => sleep(RETRY_DELAY).await,
                Err(err) if err.is(code::STREAM_NOT_FOUND) => {
                    tracing::error!(stream = shard.stream, "the stream is gone");
                    self.ensure_stream(link, shard, deadline).await.map_err(away)?;
                }
                Err(err) => return Err(err.into()),
            }
        }
    }

    /// Whether a stream is empty and begins within the last moments: that is what moving it leaves.
    fn just_moved(&self, found: &StreamInfo) -> bool {
        let quiet = u64::try_from(QUIET.as_micros()).unwrap_or(u64::MAX);
        found.state.messages == 0 && self.now_as_seq() < found.state.first_seq.saturating_add(quiet)
    }
}

fn away(err: StartError) -> BusError {
    tracing::error!(error = %err, "the stream is not as it should be");
    BusError::Unavailable
}
