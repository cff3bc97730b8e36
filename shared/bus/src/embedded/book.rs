//! What the writer knows, and what it decides and writes by it.

use chat_protocol::{ConversationId, Seq, Shard};
use fjall::{Database, OwnedWriteBatch};
use tokio::time::Instant;

use super::{
    Shared,
    open::OpenError,
    recent::{Heads, Nonces},
    tables::{Extent, Record, Tables, before},
    writer::Append,
};
use crate::{Appended, BusError, Full, Live, Logged, Prev};

/// Nonces remembered at the start at least, however the clock was set meanwhile.
const NONCES_AT_START: usize = 10_000;
/// Heads kept in memory; others are read.
const HEADS: usize = 65_536;

/// What the writer knows about the log without reading it.
///
/// It runs ahead of the disk by the group in hand. If that group cannot be written the engine takes nothing more, and
/// the book is made anew from what is on disk when the database is opened again.
pub(super) struct Book {
    pub(super) tables: Tables,
    pub(super) extents: Vec<Extent>,
    nonces: Nonces,
    pub(super) heads: Heads,
    /// The group in hand.
    group: Vec<(Shard, Record)>,
}

impl Book {
    /// Reads what must be known, and creates the shards that are not there yet.
    pub(super) fn open(database: Database, shared: &Shared) -> Result<Self, OpenError> {
        let options = &shared.options;
        let tables = Tables::open(database, options.shards)?;
        let created = present(shared);
        let mut nonces = Nonces::new(options.dedupe_window, options.dedupe_max);
        let mut extents = Vec::new();
        let mut batch = tables.synced_batch();
        for shard in shared.shard_numbers() {
            let extent = match tables.extent(shard)? {
                Some(extent) => Extent { settled: extent.settled.min(extent.last), ..extent },
                None => {
                    let last = before(created);
                    let extent = Extent { created, first: created, last, settled: last, bytes: 0 };
                    tables.put_extent(&mut batch, shard, &extent);
                    extent
                }
            };
            remember_newest(&tables, shard, extent, &mut nonces, shared)?;
            extents.push(extent);
        }
        batch.commit()?;
        Ok(Self { tables, extents, nonces, heads: Heads::new(HEADS), group: Vec::new() })
    }

    pub(super) fn tables(&self) -> Tables {
        self.tables.clone()
    }

    pub(super) fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Forgets nonces that left the window.
    pub(super) fn expire(&mut self, now: Instant) {
        self.nonces.expire(now);
    }

    /// What becomes of one append, if its group is written.
    pub(super) fn judge(&mut self, append: &Append, shared: &Shared) -> Result<Appended, BusError> {
        let options = &shared.options;
        if shared.shard(append.shard)?.went_back() {
            return Err(BusError::WentBack { shard: append.shard });
        }
        if let Some(seq) = self.nonces.get(append.nonce) {
            return Ok(Appended { seq, duplicate: true });
        }
        let head = self.head(append.to)?;
        if let Some(expect) = append.expect
            && expect != head.unwrap_or(Seq::ZERO)
        {
            return Err(BusError::WrongHead(Some(head.unwrap_or(Seq::ZERO))));
        }
        let Some(extent) = self.extents.get_mut(usize::from(append.shard.get())) else {
            return Err(BusError::Other(format!("there is no shard {}", append.shard)));
        };
        if shared.is_low_on_disk() || extent.bytes >= options.shard_bytes_max() || extent.last >= Seq::MAX {
            return Err(BusError::Full(Full::Storage));
        }
        if !self.nonces.has_room_for(1) {
            return Err(BusError::Full(Full::Window));
        }

        let seq = extent.last.next();
        let prev = head.map_or(Prev::AskTheLog, Prev::Known);
        let logged =
            Logged { seq, prev, at: options.clock.now(), event: append.event.clone(), trace: append.trace.clone() };
        let record = Record { conversation: append.to, nonce: append.nonce, logged };
        extent.last = seq;
        extent.bytes += record.bytes();
        self.heads.set(append.to, Some(seq));
        self.nonces.remember(append.nonce, seq, Instant::now());
        self.group.push((append.shard, record));
        Ok(Appended { seq, duplicate: false })
    }

    fn head(&mut self, of: ConversationId) -> Result<Option<Seq>, BusError> {
        if let Some(head) = self.heads.get(of) {
            return Ok(head);
        }
        let head = self.tables.head(of).map_err(|err| BusError::Other(err.to_string()))?;
        self.heads.set(of, head);
        Ok(head)
    }

    /// The group on disk, then seen, then live.
    pub(super) fn commit(&mut self, shared: &Shared) -> fjall::Result<()> {
        if self.group.is_empty() {
            return Ok(());
        }
        let mut batch = self.tables.synced_batch();
        for (shard, record) in &self.group {
            self.tables.put(&mut batch, *shard, record);
        }
        for (shard, extent) in shared.shard_numbers().zip(&mut self.extents) {
            if extent.last != shared.shard_at(shard).extent().last {
                extent.settled = shared.settled(shard);
                self.tables.put_extent(&mut batch, shard, extent);
            }
        }
        write(batch, shared)?;
        // Before anybody can work on them.
        for (shard, record) in &self.group {
            record.logged.trace.iter().for_each(|trace| shared.traced.keep(*shard, record.logged.seq, trace));
        }
        for (of, extent) in shared.shards.iter().zip(&self.extents) {
            of.show(*extent);
        }
        for (_, record) in self.group.drain(..) {
            shared.live.publish(&record.conversation, &Live::Event(record.logged));
        }
        Ok(())
    }
}

/// Commits; from the first failure on the log takes no more.
pub(super) fn write(batch: OwnedWriteBatch, shared: &Shared) -> fjall::Result<()> {
    batch.commit().inspect_err(|err| shared.on_engine_error("a write failed", err))
}

/// The position of the present microsecond.
pub(super) fn present(shared: &Shared) -> Seq {
    let now_ms = u64::try_from(shared.options.clock.now().as_ms()).unwrap_or_default();
    Seq::new(now_ms.saturating_mul(1_000)).unwrap_or(Seq::MAX)
}

/// Fills the dedupe window from the newest events. They get a whole new window: too long is safe, too short is not.
fn remember_newest(
    tables: &Tables,
    shard: Shard,
    extent: Extent,
    nonces: &mut Nonces,
    shared: &Shared,
) -> Result<(), OpenError> {
    let window_ms = i64::try_from(shared.options.dedupe_window.as_millis()).unwrap_or(i64::MAX);
    let now = Instant::now();
    let mut oldest = shared.options.clock.now().plus_ms(-window_ms);
    for (count, record) in tables.range(shard, extent.first, extent.last).rev().enumerate() {
        let record = record?;
        if count == 0 {
            oldest = oldest.min(record.logged.at.plus_ms(-window_ms));
        }
        if (count >= NONCES_AT_START && record.logged.at < oldest) || !nonces.has_room_for(1) {
            break;
        }
        if nonces.get(record.nonce).is_none() {
            nonces.remember(record.nonce, record.logged.seq, now);
        }
    }
    Ok(())
}
