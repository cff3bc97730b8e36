//! The log of one process, in a key-value database on its disk. Same promises as the cluster's, same bytes.

mod book; // what the writer knows, and decides by it
mod consume; // the shared work as a stream
mod fan; // one to many, bounded
mod open; // the one database that log and store share
mod recent; // nonces and heads in memory
mod retention; // what leaves the log
mod shared; // what writer and readers share
mod tables; // keys, values and reads
mod traced; // traces of what nobody has worked on yet
mod work; // who works on what, pure
mod writer; // the one thread that writes

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use chat_protocol::{Clock, ConversationId, Seq, Shard, limits, time::SystemClock};
use fjall::Database;
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::{sync::oneshot, time::timeout};

pub use open::{OpenError, open_database};
use shared::Shared;
use tables::{Tables, before};
use writer::{Append, Command, Writer};

use crate::{
    Appended, BusError, Durability, Full, LiveStream, Log, Logged, Newest, Nonce, Replay, ShardState, SignalStream,
    Status, Topic, WorkStream, metrics, trace::carried,
};

/// The log of one process.
///
/// Appends go through one writer thread that puts many on disk with one sync; nothing is acknowledged, seen or
/// delivered before. After a failed write the engine takes no more ([`Full::Storage`]) while reads go on; whoever opened
/// the database can open it again and hand it over: [`Embedded::failed`], [`Embedded::detach`], [`Embedded::attach`].
/// Dropping the log lets go of the database.
pub struct Embedded {
    shared: Arc<Shared>,
    commands: SyncSender<Command>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// How an embedded log behaves.
#[derive(Clone)]
pub struct Options {
    /// Fixed when the log is created. One is enough for one process: there is one writer whatever the number.
    pub shards: u16,
    /// Events that are settled and older than this are dropped.
    pub retention: Duration,
    /// The log's size, before compression. From 85 % on events that are settled and older than the dedupe window are
    /// dropped early, at 100 % appends are refused.
    pub bytes_max: u64,
    /// What the disk must have free, else appends are refused: a disk that is really full stops the engine until it is
    /// opened again. Looked at every second.
    pub free_bytes_min: u64,
    /// How long a nonce is remembered.
    pub dedupe_window: Duration,
    /// Nonces remembered at once, about 100 bytes each; beyond it appends are refused.
    pub dedupe_max: usize,
    /// Appends in flight; beyond it they are refused.
    pub append_window: usize,
    /// Until an append that was not answered is [`BusError::Unknown`].
    pub append_deadline: Duration,
    /// One event.
    pub event_bytes_max: usize,
    /// Events a live reader may be behind before it misses some.
    pub live_behind: usize,
    /// Until a delivery that was not settled comes again.
    pub ack_wait: Duration,
    /// Deliveries of one shard that are not settled.
    pub in_flight_max: usize,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            shards: 1,
            retention: limits::LOG_RETENTION,
            bytes_max: 8 << 30,
            free_bytes_min: 256 << 20,
            dedupe_window: limits::DEDUPE_WINDOW,
            dedupe_max: 4_000_000,
            append_window: 4_096,
            append_deadline: Duration::from_secs(5),
            event_bytes_max: 1 << 20,
            live_behind: 1_024,
            ack_wait: Duration::from_secs(15),
            in_flight_max: 2_048,
            clock: Arc::new(SystemClock),
        }
    }
}

impl Options {
    fn shard_bytes_max(&self) -> u64 {
        self.bytes_max / u64::from(self.shards)
    }
}

impl Embedded {
    /// Opens or creates the log in this database. Blocks: it reads the events of the dedupe window.
    pub fn open(database: Database, options: Options) -> Result<Self, OpenError> {
        let shards = options.shards.clamp(1, Shard::COUNT_MAX);
        let shared = Arc::new(Shared::new(Options { shards, ..options }));
        let (commands, inbox) = sync_channel(shared.options.append_window.max(1));
        let mut writer = Writer::new(shared.clone(), inbox);
        writer.attach(database)?;
        let writer = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|err| OpenError::Engine(err.into()))?;
        Ok(Self { shared, commands, writer: Mutex::new(Some(writer)) })
    }

    /// Waits until the engine refuses writes: after a failed write or sync, or when the disk is full.
    pub async fn failed(&self) {
        self.shared.until_failed().await;
    }

    /// Lets go of the database: when this returns, nothing here holds it. Until [`Embedded::attach`] everything
    /// answers [`BusError::Unavailable`].
    pub async fn detach(&self) {
        let (reply, answer) = oneshot::channel();
        if self.tell(Command::Detach { reply }).await {
            drop(answer.await);
        }
    }

    /// Goes on with this database. Live readers are told to compare heads; consumers begin at the settled floor.
    pub async fn attach(&self, database: Database) -> Result<(), OpenError> {
        let (reply, answer) = oneshot::channel();
        if !self.tell(Command::Attach { database, reply }).await {
            return Err(OpenError::Closed);
        }
        answer.await.unwrap_or(Err(OpenError::Closed))
    }

    /// Queues a rare command, waiting for its turn. `false`: the writer has ended.
    async fn tell(&self, command: Command) -> bool {
        let commands = self.commands.clone();
        tokio::task::spawn_blocking(move || commands.send(command).is_ok()).await.unwrap_or(false)
    }

    async fn queue(
        &self,
        append: Append,
        answer: oneshot::Receiver<Result<Appended, BusError>>,
    ) -> Result<Appended, BusError> {
        if append.event.len() > self.shared.options.event_bytes_max {
            return Err(BusError::TooLarge);
        }
        if self.shared.is_failed() {
            return Err(BusError::Full(Full::Storage));
        }
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        if let Err(refused) = self.commands.try_send(Command::Append(append)) {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(match refused {
                TrySendError::Full(_) => BusError::Full(Full::Window),
                TrySendError::Disconnected(_) => BusError::Unavailable,
            });
        }
        match timeout(self.shared.options.append_deadline, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(BusError::Unknown),
        }
    }
}

#[async_trait]
impl Log for Embedded {
    fn shards(&self) -> u16 {
        self.shared.options.shards
    }

    async fn append(
        &self,
        to: ConversationId,
        nonce: Nonce,
        event: Bytes,
        expect: Option<Seq>,
    ) -> Result<Appended, BusError> {
        let (reply, answer) = oneshot::channel();
        let shard = self.shard_of(to);
        let append = Append { shard, to, nonce: nonce.as_u128(), event, expect, trace: carried().map(Arc::new), reply };
        self.queue(append, answer).await.inspect_err(|err| match err {
            BusError::WrongHead(_) => ::metrics::counter!(metrics::CONFLICTS).increment(1),
            err => ::metrics::counter!(metrics::APPEND_ERRORS, "code" => metrics::code(err)).increment(1),
        })
    }

    async fn live(&self, of: ConversationId) -> Result<LiveStream, BusError> {
        if self.shared.closed.is_cancelled() {
            return Err(BusError::Unavailable);
        }
        Ok(self.shared.live.subscribe(of).boxed())
    }

    async fn replay(&self, of: ConversationId, after: Seq, most: usize) -> Result<Replay, BusError> {
        let shard = self.shard_of(of);
        let most = most.max(1);
        let (head, mut found) = self
            .shared
            .read(move |tables| Ok((tables.head(of)?, tables.tail(shard, of, after, most.saturating_add(1))?)))
            .await?;
        let head = head.unwrap_or(Seq::ZERO);
        // Looked at after the read, so that what retention took meanwhile shows.
        let extent = self.shared.shard(shard)?.extent();
        let whole = if after == Seq::ZERO { extent.first == extent.created } else { after >= before(extent.first) };
        Ok(if after > extent.last {
            Replay::Ahead { head }
        } else if !whole {
            Replay::TooOld { first: extent.first, head }
        } else if found.len() > most {
            found.truncate(most);
            Replay::More(found)
        } else {
            Replay::Recovered(found)
        })
    }

    async fn tail(&self, of: ConversationId, after: Seq, most: usize) -> Result<Vec<Logged>, BusError> {
        let shard = self.shard_of(of);
        self.shared.read(move |tables| tables.tail(shard, of, after, most)).await
    }

    async fn heads(&self, of: &[ConversationId], _fresh: bool) -> Result<Vec<Option<Seq>>, BusError> {
        let of = of.to_vec();
        self.shared.read(move |tables| of.iter().map(|of| tables.head(*of)).collect()).await
    }

    async fn newest(&self, of: &[ConversationId]) -> Result<Newest, BusError> {
        let of: Vec<_> = of.iter().map(|of| (self.shard_of(*of), *of)).collect();
        let mut known_to = BTreeMap::new();
        for (shard, _) in &of {
            if !known_to.contains_key(shard) {
                known_to.insert(*shard, self.shared.shard(*shard)?.extent().last);
            }
        }
        // After the ends were looked at: what is stored meanwhile only makes an event newer than it had to be.
        let newest = move |tables: &Tables| of.iter().map(|(shard, of)| tables.newest(*shard, *of)).collect();
        Ok(Newest { events: self.shared.read(newest).await?, known_to })
    }

    async fn shard_state(&self, shard: Shard) -> Result<ShardState, BusError> {
        let of = self.shared.shard(shard)?;
        let extent = of.extent();
        let work = of.work();
        Ok(ShardState {
            first: extent.first,
            last: extent.last,
            settled: work.settled(),
            pending: work.open(extent.last),
            bytes: extent.bytes,
        })
    }

    async fn consume(&self, shard: Shard) -> Result<WorkStream, BusError> {
        self.shared.shard(shard)?;
        Ok(consume::consume(self.shared.clone(), shard))
    }

    async fn emit(&self, to: &Topic, signal: Bytes) -> Result<(), BusError> {
        self.shared.signals.publish(to, &signal);
        Ok(())
    }

    async fn listen(&self, to: &Topic) -> Result<SignalStream, BusError> {
        if self.shared.closed.is_cancelled() {
            return Err(BusError::Unavailable);
        }
        Ok(self.shared.signals.subscribe(to.clone()).boxed())
    }

    fn status(&self) -> Status {
        let shards = self.shared.shard_numbers().zip(&self.shared.shards);
        Status {
            connected: self.shared.is_serving(),
            durability: Durability {
                profile: "embedded",
                replicas: 1,
                sync: "on disk (grouped fdatasync) before it is acknowledged".to_owned(),
            },
            went_back: shards.filter(|(_, of)| of.went_back()).map(|(shard, _)| shard).collect(),
        }
    }

    async fn guard(&self, shard: Shard, seq: Seq) -> Result<(), BusError> {
        self.shared.shard(shard)?.guard(seq);
        Ok(())
    }

    async fn rebase(&self, shard: Shard) -> Result<Seq, BusError> {
        self.shared.shard(shard)?;
        let (reply, answer) = oneshot::channel();
        if !self.tell(Command::Rebase { shard, reply }).await {
            return Err(BusError::Unavailable);
        }
        answer.await.unwrap_or(Err(BusError::Unknown))
    }
}

impl Drop for Embedded {
    /// Waits for the group that is being written, so that the database is free afterwards.
    fn drop(&mut self) {
        if self.commands.send(Command::Close).is_ok()
            && let Some(writer) = self.writer.lock().take()
        {
            drop(writer.join());
        }
    }
}
