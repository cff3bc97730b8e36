//! The one thread that writes: it gives out positions and puts many appends on disk with one sync.
//!
//! In this order: decide, write and sync, let readers see it, say it live, acknowledge. While one group is synced the
//! next one gathers, so groups grow with the load and nothing waits without need.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use bytes::Bytes;
use chat_protocol::{ConversationId, Seq, Shard};
use fjall::Database;
use tokio::{sync::oneshot, time::Instant};

use super::{
    Shared,
    open::OpenError,
    recent::{Heads, Nonces},
    tables::{Extent, Record, Tables, before},
};
use crate::{Appended, BusError, Doubt, Full, Live, Logged, Prev, metrics};

/// Appends in one group: some milliseconds of encoding at most.
const GROUP_EVENTS: usize = 1_024;
/// Bytes in one group: what a slow disk syncs in a moment.
const GROUP_BYTES: usize = 4 * 1024 * 1024;
/// Between two rounds of upkeep.
const UPKEEP: Duration = Duration::from_secs(1);
/// Between two rounds while there is more to drop.
const UPKEEP_BUSY: Duration = Duration::from_millis(10);
/// Events dropped in one round: appends wait meanwhile.
const DROP_EVENTS: usize = 1_000;
/// Nonces remembered at the start at least, however the clock was set meanwhile.
const NONCES_AT_START: usize = 10_000;
/// Heads kept in memory; others are read.
const HEADS: usize = 65_536;

/// What the writer is asked for.
pub(super) enum Command {
    Append(Append),
    Rebase { shard: Shard, reply: oneshot::Sender<Result<Seq, BusError>> },
    Attach { database: Database, reply: oneshot::Sender<Result<(), OpenError>> },
    Detach { reply: oneshot::Sender<()> },
    Close,
}

/// One append on its way.
pub(super) struct Append {
    pub(super) shard: Shard,
    pub(super) to: ConversationId,
    pub(super) nonce: u128,
    pub(super) event: Bytes,
    pub(super) expect: Option<Seq>,
    pub(super) reply: oneshot::Sender<Result<Appended, BusError>>,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    commands: Receiver<Command>,
    /// `None` while there is no database.
    book: Option<Book>,
}

/// What the writer knows about the log without reading it.
struct Book {
    tables: Tables,
    extents: Vec<Extent>,
    nonces: Nonces,
    heads: Heads,
}

/// A group before it is written.
struct Draft {
    extents: Vec<Extent>,
    records: Vec<(Shard, Record)>,
    heads: HashMap<ConversationId, Seq>,
    nonces: HashMap<u128, Seq>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, commands: Receiver<Command>) -> Self {
        Self { shared, commands, book: None }
    }

    /// Until closed.
    pub(super) fn run(mut self) {
        let mut upkeep_at = Instant::now() + UPKEEP;
        loop {
            match self.commands.recv_timeout(upkeep_at.saturating_duration_since(Instant::now())) {
                Ok(command) => {
                    if !self.obey(command) {
                        break;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if Instant::now() >= upkeep_at {
                let more = self.upkeep();
                upkeep_at = Instant::now() + if more { UPKEEP_BUSY } else { UPKEEP };
            }
        }
        self.detach();
        self.shared.close();
    }

    /// Takes this database: reads what it must know, then serves it. Live readers are told to compare heads.
    pub(super) fn attach(&mut self, database: Database) -> Result<(), OpenError> {
        let book = Book::open(database, &self.shared)?;
        for (of, extent) in self.shared.shards.iter().zip(&book.extents) {
            of.restart(*extent);
        }
        self.shared.serve(book.tables.clone());
        self.book = Some(book);
        self.shared.live.publish_to_all(&Live::Doubtful(Doubt::Disconnect));
        Ok(())
    }

    /// `false` when told to end.
    fn obey(&mut self, command: Command) -> bool {
        match command {
            Command::Append(first) => {
                let (group, other) = self.gather(first);
                self.write(group);
                return other.is_none_or(|command| self.obey(command));
            }
            Command::Rebase { shard, reply } => drop(reply.send(self.rebase(shard))),
            Command::Attach { database, reply } => drop(reply.send(self.attach(database))),
            Command::Detach { reply } => {
                self.detach();
                let _ = reply.send(());
            }
            Command::Close => return false,
        }
        true
    }

    /// What has come meanwhile, up to the bounds of a group or another command.
    fn gather(&self, first: Append) -> (Vec<Append>, Option<Command>) {
        let mut bytes = first.event.len();
        let mut group = vec![first];
        while group.len() < GROUP_EVENTS && bytes < GROUP_BYTES {
            match self.commands.try_recv() {
                Ok(Command::Append(append)) => {
                    bytes += append.event.len();
                    group.push(append);
                }
                Ok(other) => return (group, Some(other)),
                Err(_) => break,
            }
        }
        (group, None)
    }

    fn write(&mut self, group: Vec<Append>) {
        let Some(book) = &mut self.book else {
            return group.into_iter().for_each(|append| append.answer(Err(BusError::Unavailable)));
        };
        book.nonces.expire(Instant::now());
        let mut draft = Draft::over(book);
        let verdicts: Vec<_> = group.iter().map(|append| book.judge(append, &mut draft, &self.shared)).collect();
        let written = book.commit(draft, &self.shared);
        for (append, verdict) in group.into_iter().zip(verdicts) {
            append.answer(match (&written, verdict) {
                (Ok(()), verdict) => verdict,
                // Refused whatever became of the group, so nothing of it was stored.
                (Err(_), Err(refused @ (BusError::WentBack { .. } | BusError::Full(_)))) => Err(refused),
                // The engine refused before it wrote.
                (Err(fjall::Error::Poisoned), _) => Err(BusError::Full(Full::Storage)),
                // The bytes may be on disk, now or when the engine is opened again.
                (Err(_), _) => Err(BusError::Unknown),
            });
        }
    }

    /// Forgets old nonces, writes how far consumers are, drops from the front. `true`: there is more to drop.
    fn upkeep(&mut self) -> bool {
        let Some(book) = &mut self.book else { return false };
        book.nonces.expire(Instant::now());
        if self.shared.is_failed() {
            return false;
        }
        match book.retain(&self.shared) {
            Ok(more) => more,
            Err(err) => {
                self.shared.on_engine_error("retention stopped", &err);
                false
            }
        }
    }

    fn rebase(&mut self, shard: Shard) -> Result<Seq, BusError> {
        let book = self.book.as_mut().ok_or(BusError::Unavailable)?;
        book.rebase(shard, &self.shared).map_err(|err| {
            self.shared.on_engine_error("the log could not be moved ahead", &err);
            BusError::Full(Full::Storage)
        })
    }

    /// Lets go of the database. What consumers acknowledged is written if it still can be.
    fn detach(&mut self) {
        if let Some(mut book) = self.book.take() {
            if !self.shared.is_failed()
                && let Err(err) = book.write_settled(&self.shared)
            {
                self.shared.on_engine_error("the consumers' place was not written", &err);
            }
            self.shared.stop_serving();
        }
    }
}

impl Append {
    fn answer(self, answer: Result<Appended, BusError>) {
        // The caller may have given up: then it is Unknown to them, and the same nonce finds it.
        drop(self.reply.send(answer));
    }
}

impl Draft {
    fn over(book: &Book) -> Self {
        Self { extents: book.extents.clone(), records: Vec::new(), heads: HashMap::new(), nonces: HashMap::new() }
    }
}

impl Book {
    fn open(database: Database, shared: &Shared) -> Result<Self, OpenError> {
        let options = &shared.options;
        let tables = Tables::open(database, options.shards)?;
        let now = options.clock.now();
        let created =
            Seq::new(u64::try_from(now.as_ms()).unwrap_or_default().saturating_mul(1_000)).unwrap_or(Seq::MAX);
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
        Ok(Self { tables, extents, nonces, heads: Heads::new(HEADS) })
    }

    /// What becomes of one append, if its group is written.
    fn judge(&mut self, append: &Append, draft: &mut Draft, shared: &Shared) -> Result<Appended, BusError> {
        let options = &shared.options;
        let Some(extent) = draft.extents.get_mut(usize::from(append.shard.get())) else {
            return Err(BusError::Other("no such shard".to_owned()));
        };
        if shared.shard(append.shard)?.went_back() {
            return Err(BusError::WentBack { shard: append.shard });
        }
        if let Some(seq) = draft.nonces.get(&append.nonce).copied().or_else(|| self.nonces.get(append.nonce)) {
            return Ok(Appended { seq, duplicate: true });
        }
        if extent.bytes >= options.shard_bytes_max() || extent.last >= Seq::MAX {
            return Err(BusError::Full(Full::Storage));
        }
        if !self.nonces.has_room_for(draft.records.len() + 1) {
            return Err(BusError::Full(Full::Window));
        }
        let head = match draft.heads.get(&append.to) {
            Some(head) => Some(*head),
            None => self.head(append.to)?,
        };
        if let Some(expect) = append.expect
            && expect != head.unwrap_or(Seq::ZERO)
        {
            return Err(BusError::WrongHead(Some(head.unwrap_or(Seq::ZERO))));
        }

        let seq = extent.last.next();
        let prev = head.map_or(Prev::AskTheLog, Prev::Known);
        let logged = Logged { seq, prev, at: options.clock.now(), event: append.event.clone() };
        let record = Record { conversation: append.to, nonce: append.nonce, logged };
        extent.last = seq;
        extent.bytes += record.bytes();
        draft.heads.insert(append.to, seq);
        draft.nonces.insert(append.nonce, seq);
        draft.records.push((append.shard, record));
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

    /// On disk, then seen, then live.
    fn commit(&mut self, mut draft: Draft, shared: &Shared) -> fjall::Result<()> {
        if draft.records.is_empty() {
            return Ok(());
        }
        if shared.is_failed() {
            return Err(fjall::Error::Poisoned);
        }
        let mut batch = self.tables.synced_batch();
        for (shard, record) in &draft.records {
            self.tables.put(&mut batch, *shard, record);
        }
        for (shard, (extent, old)) in shared.shard_numbers().zip(draft.extents.iter_mut().zip(&self.extents)) {
            if extent.last != old.last {
                extent.settled = shared.settled(shard);
                self.tables.put_extent(&mut batch, shard, extent);
            }
        }
        batch.commit().inspect_err(|err| shared.on_engine_error("a write failed", err))?;

        let now = Instant::now();
        self.extents = draft.extents;
        draft.heads.into_iter().for_each(|(of, head)| self.heads.set(of, Some(head)));
        draft.nonces.into_iter().for_each(|(nonce, seq)| self.nonces.remember(nonce, seq, now));
        self.show(shared);
        for (_, record) in draft.records {
            shared.live.publish(&record.conversation, &Live::Event(record.logged));
        }
        Ok(())
    }

    /// Writes how far consumers are, and drops a bounded number of events that are done and too old or too many.
    fn retain(&mut self, shared: &Shared) -> fjall::Result<bool> {
        self.write_settled(shared)?;
        let options = &shared.options;
        let keep_ms = i64::try_from(options.retention.as_millis()).unwrap_or(i64::MAX);
        let oldest = options.clock.now().plus_ms(-keep_ms);
        let bytes_high = options.shard_bytes_max() / 100 * 85;
        let mut more = false;
        for shard in shared.shard_numbers() {
            let Some(extent) = self.extents.get_mut(usize::from(shard.get())) else { continue };
            let mut next = *extent;
            let mut batch = self.tables.lazy_batch();
            for record in self.tables.range(shard, extent.first, extent.settled, DROP_EVENTS)? {
                if record.logged.at >= oldest && next.bytes <= bytes_high {
                    break;
                }
                self.tables.remove(&mut batch, shard, &record);
                next.first = record.logged.seq.next();
                next.bytes = next.bytes.saturating_sub(record.bytes());
            }
            if next == *extent {
                continue;
            }
            more |= batch.len() >= 2 * DROP_EVENTS;
            self.tables.put_extent(&mut batch, shard, &next);
            // Readers learn of it before it is gone: they look at `first` after they have read.
            *extent = next;
            shared.shard_at(shard).show(next);
            batch.commit()?;
            self.heads.clear();
        }
        Ok(more)
    }

    fn write_settled(&mut self, shared: &Shared) -> fjall::Result<()> {
        let mut batch = self.tables.lazy_batch();
        for (shard, extent) in shared.shard_numbers().zip(&mut self.extents) {
            let settled = shared.settled(shard);
            if settled > extent.settled {
                extent.settled = settled;
                self.tables.put_extent(&mut batch, shard, extent);
            }
        }
        batch.commit()
    }

    /// Drops everything of a shard and goes on above every position that was ever given out.
    fn rebase(&mut self, shard: Shard, shared: &Shared) -> Result<Seq, fjall::Error> {
        let of = shared.shard_at(shard);
        let Some(extent) = self.extents.get_mut(usize::from(shard.get())) else {
            return Err(fjall::Error::Poisoned);
        };
        loop {
            let records = self.tables.range(shard, extent.first, extent.last, DROP_EVENTS)?;
            let Some(newest) = records.last().map(|record| record.logged.seq) else { break };
            let mut batch = self.tables.lazy_batch();
            for record in &records {
                self.tables.remove(&mut batch, shard, record);
            }
            extent.first = newest.next();
            self.tables.put_extent(&mut batch, shard, extent);
            of.show(*extent);
            batch.commit()?;
        }
        let now_us = u64::try_from(shared.options.clock.now().as_ms()).unwrap_or_default().saturating_mul(1_000);
        let floor = Seq::new(now_us).unwrap_or(Seq::MAX).max(extent.last.next()).max(of.mark().next());
        let last = before(floor);
        *extent = Extent { first: floor, last, settled: last, bytes: 0, ..*extent };
        let mut batch = self.tables.synced_batch();
        self.tables.put_extent(&mut batch, shard, extent);
        batch.commit()?;
        self.heads.clear();
        of.restart(*extent);
        ::metrics::counter!(metrics::REBASED).increment(1);
        Ok(floor)
    }

    fn show(&self, shared: &Shared) {
        for (of, extent) in shared.shards.iter().zip(&self.extents) {
            of.show(*extent);
        }
    }
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
    for (count, record) in tables.newest(shard, extent.first).enumerate() {
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
