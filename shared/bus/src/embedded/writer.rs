//! The one thread that writes: it gives out positions and puts many appends on disk with one sync.
//!
//! In this order: decide, write and sync, let readers see it, say it live, acknowledge. While one group is synced the
//! next one gathers, so groups grow with the load and nothing waits without need.

use std::{
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use bytes::Bytes;
use chat_protocol::{ConversationId, Seq, Shard, trace::TraceParent};
use fjall::Database;
use tokio::{sync::oneshot, time::Instant};

use super::{Shared, book::Book, open::OpenError};
use crate::{Appended, BusError, Doubt, Full, Live};

/// Appends in one group: some milliseconds of encoding at most.
const GROUP_EVENTS: usize = 1_024;
/// Bytes in one group: what a slow disk syncs in a moment.
const GROUP_BYTES: usize = 4 * 1024 * 1024;
/// Of the time a sync takes, what the next group may wait for those who were just answered: they come again at once.
const GATHER_OF_SYNC: u32 = 8;
/// The longest such wait.
const GATHER_MAX: Duration = Duration::from_micros(500);
/// Between the beginnings of two syncs, while more come than one waits for: a sync and the wake-ups around it cost as
/// much CPU as everything else about a message, and cost it once for all of a group (ADR 0008).
const PACE: Duration = Duration::from_millis(1);
/// Between two rounds of upkeep.
const UPKEEP: Duration = Duration::from_secs(1);
/// Between two rounds while there is more to drop.
const UPKEEP_BUSY: Duration = Duration::from_millis(10);

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
    pub(super) trace: Option<Arc<TraceParent>>,
    pub(super) reply: oneshot::Sender<Result<Appended, BusError>>,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    commands: Receiver<Command>,
    /// `None` while there is no database.
    book: Option<Book>,
    /// Who waited when the last group was on disk, and how long its sync took.
    crowd: usize,
    sync_took: Duration,
    /// When the last group began to be written.
    begun: Option<Instant>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, commands: Receiver<Command>) -> Self {
        Self { shared, commands, book: None, crowd: 0, sync_took: Duration::ZERO, begun: None }
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
    }

    /// Takes this database: reads what it must know, then serves it. Live readers are told to compare heads.
    pub(super) fn attach(&mut self, database: Database) -> Result<(), OpenError> {
        let book = Book::open(database, &self.shared)?;
        for (of, extent) in self.shared.shards.iter().zip(book.extents()) {
            of.restart(*extent);
        }
        self.shared.on_disk_free(book.tables().disk_free());
        self.shared.serve(book.tables());
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
    ///
    /// Callers who were just answered append again within moments: waiting for them a little spares every second sync.
    /// If they do not, others send at their own pace, and the syncs keep one of their own. Who appends alone, one after
    /// the other, waits for neither.
    fn gather(&self, first: Append) -> (Vec<Append>, Option<Command>) {
        let mut group = vec![first];
        let mut other = self.drain(&mut group);
        for wait in [Self::until_the_answered_come_back, Self::until_next_sync] {
            if other.is_some() || group.len() >= self.crowd {
                break;
            }
            std::thread::sleep(wait(self));
            other = self.drain(&mut group);
        }
        (group, other)
    }

    fn until_the_answered_come_back(&self) -> Duration {
        (self.sync_took / GATHER_OF_SYNC).min(GATHER_MAX)
    }

    fn until_next_sync(&self) -> Duration {
        self.begun.map_or(Duration::ZERO, |begun| PACE.saturating_sub(begun.elapsed()))
    }

    /// Takes appends until there are no more, the group is full, or another command comes.
    fn drain(&self, group: &mut Vec<Append>) -> Option<Command> {
        let mut bytes: usize = group.iter().map(|append| append.event.len()).sum();
        while group.len() < GROUP_EVENTS && bytes < GROUP_BYTES {
            match self.commands.try_recv() {
                Ok(Command::Append(append)) => {
                    bytes += append.event.len();
                    group.push(append);
                }
                Ok(other) => return Some(other),
                Err(_) => break,
            }
        }
        None
    }

    fn write(&mut self, group: Vec<Append>) {
        let shared = &self.shared;
        let Some(book) = self.book.as_mut().filter(|_| !shared.is_failed()) else {
            let refusal = || if shared.is_failed() { BusError::Full(Full::Storage) } else { BusError::Unavailable };
            return group.into_iter().for_each(|append| append.answer(shared, Err(refusal())));
        };
        let started = Instant::now();
        self.begun = Some(started);
        book.expire(started);
        let verdicts: Vec<_> = group.iter().map(|append| book.judge(append, shared)).collect();
        let written = book.commit(shared);
        self.sync_took = started.elapsed();
        self.crowd = shared.waiting.load(Ordering::Relaxed);
        for (append, verdict) in group.into_iter().zip(verdicts) {
            let answer = match (&written, verdict) {
                (Ok(()), verdict) => verdict,
                // Refused whatever became of the group, so nothing of it was stored.
                (Err(_), Err(refused @ (BusError::WentBack { .. } | BusError::Full(_)))) => Err(refused),
                // The engine refused before it wrote.
                (Err(fjall::Error::Poisoned), _) => Err(BusError::Full(Full::Storage)),
                // The bytes may be on disk, now or when the engine is opened again.
                (Err(_), _) => Err(BusError::Unknown),
            };
            append.answer(shared, answer);
        }
    }

    /// Forgets old nonces, looks at the disk, writes how far consumers are, drops from the front. `true`: there is more to drop.
    fn upkeep(&mut self) -> bool {
        let Some(book) = &mut self.book else { return false };
        book.expire(Instant::now());
        self.shared.on_disk_free(book.tables().disk_free());
        if self.shared.is_failed() {
            return false;
        }
        book.retain(&self.shared).unwrap_or_else(|err| {
            tracing::warn!(error = %err, "retention is held up");
            false
        })
    }

    fn rebase(&mut self, shard: Shard) -> Result<Seq, BusError> {
        if self.shared.is_failed() {
            return Err(BusError::Full(Full::Storage));
        }
        let book = self.book.as_mut().ok_or(BusError::Unavailable)?;
        book.rebase(shard, &self.shared).map_err(|err| BusError::Other(err.to_string()))
    }

    /// Lets go of the database. What consumers acknowledged is written if it still can be.
    fn detach(&mut self) {
        if let Some(mut book) = self.book.take() {
            if !self.shared.is_failed() {
                // Without it consumers begin a little earlier next time.
                drop(book.write_settled(&self.shared));
            }
            self.shared.stop_serving();
        }
    }
}

impl Drop for Writer {
    /// However it ends, nobody waits for it in vain.
    fn drop(&mut self) {
        self.detach();
        self.shared.close();
    }
}

impl Append {
    fn answer(self, shared: &Shared, answer: Result<Appended, BusError>) {
        shared.waiting.fetch_sub(1, Ordering::Relaxed);
        // The caller may have given up: then it is Unknown to them, and the same nonce finds it.
        drop(self.reply.send(answer));
    }
}
