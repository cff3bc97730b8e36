//! What leaves the log: from the front, settled and old; or all of a shard that went back.

use std::time::Duration;

use chat_protocol::{Seq, Shard};

use super::{
    Shared,
    book::{Book, present, write},
    tables::{Extent, before},
};
use crate::metrics;

/// Events dropped in one step: appends wait meanwhile.
const STEP: usize = 1_000;
/// From this part of its size on a log drops what is settled, however young.
const FULL_PERCENT: u64 = 85;

impl Book {
    /// Writes how far consumers are, and drops a bounded number of events that are done and too old or too many.
    /// `true`: there is more to drop.
    pub(super) fn retain(&mut self, shared: &Shared) -> fjall::Result<bool> {
        self.write_settled(shared)?;
        let options = &shared.options;
        let ago = |age: Duration| options.clock.now().plus_ms(-i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        // The dedupe window is filled from the events after a restart, so it outlives none of them.
        let oldest = ago(options.retention.max(options.dedupe_window));
        let oldest_when_full = ago(options.dedupe_window);
        let bytes_high = options.shard_bytes_max() / 100 * FULL_PERCENT;
        let mut more = false;
        for (shard, extent) in shared.shard_numbers().zip(&mut self.extents) {
            let mut next = *extent;
            let mut dropped = Vec::new();
            for record in self.tables.range(shard, extent.first, extent.settled).take(STEP) {
                let record = record?;
                let keep = if next.bytes > bytes_high { oldest_when_full } else { oldest };
                if record.logged.at >= keep {
                    break;
                }
                next.first = record.logged.seq.next();
                next.bytes = next.bytes.saturating_sub(record.bytes());
                dropped.push(record);
            }
            more |= dropped.len() == STEP;
            if !dropped.is_empty() {
                let mut batch = self.tables.lazy_batch();
                for record in &dropped {
                    self.tables.remove(&mut batch, shard, record);
                    self.heads.dropped(record.conversation, record.logged.seq);
                }
                self.tables.put_extent(&mut batch, shard, &next);
                // Readers learn of it before it is gone: they look at `first` after they have read.
                *extent = next;
                shared.shard_at(shard).show(next);
                write(batch, shared)?;
            }
            metrics::log_bytes(shard, next.bytes, options.shard_bytes_max());
        }
        Ok(more)
    }

    /// A lower bound of how far consumers are. Not synced: after a crash they begin a little earlier.
    pub(super) fn write_settled(&mut self, shared: &Shared) -> fjall::Result<()> {
        let mut batch = self.tables.lazy_batch();
        for (shard, extent) in shared.shard_numbers().zip(&mut self.extents) {
            let settled = shared.settled(shard);
            if settled > extent.settled {
                extent.settled = settled;
                self.tables.put_extent(&mut batch, shard, extent);
            }
        }
        write(batch, shared)
    }

    /// Drops everything of a shard and goes on above every position that was ever given out. Stopped half-way it is
    /// behind its mark as before.
    pub(super) fn rebase(&mut self, shard: Shard, shared: &Shared) -> fjall::Result<Seq> {
        let of = shared.shard_at(shard);
        let mut extent = of.extent();
        while extent.first <= extent.last {
            let records = self.tables.range(shard, extent.first, extent.last).take(STEP);
            let records = records.collect::<fjall::Result<Vec<_>>>()?;
            let mut batch = self.tables.lazy_batch();
            for record in &records {
                self.tables.remove(&mut batch, shard, record);
                self.heads.dropped(record.conversation, record.logged.seq);
            }
            extent.first = records.last().map_or(extent.last, |record| record.logged.seq).next();
            self.tables.put_extent(&mut batch, shard, &extent);
            of.show(extent);
            write(batch, shared)?;
        }
        let floor = present(shared).max(extent.last.next()).max(of.mark().next());
        let last = before(floor);
        let extent = Extent { first: floor, last, settled: last, bytes: 0, ..extent };
        let mut batch = self.tables.synced_batch();
        self.tables.put_extent(&mut batch, shard, &extent);
        write(batch, shared)?;
        if let Some(kept) = self.extents.get_mut(usize::from(shard.get())) {
            *kept = extent;
        }
        of.restart(extent);
        ::metrics::counter!(metrics::REBASED).increment(1);
        Ok(floor)
    }
}
