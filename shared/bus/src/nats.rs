//! The log on NATS: JetStream streams for what lasts, core subjects for what may be lost.
//!
//! A node holds two connections. Appends have their own ([`writer`]), so that nothing that was not acknowledged waits
//! in a client's buffer to be stored much later; everything else shares the other one, which comes back by itself.
//!
//! In reading order:

mod options; // what connect needs to know

mod link; // one connection: made, asked, watched

mod replies; // one subscription for every answer a connection waits for

mod api; // the JetStream API's words and what its refusals mean

mod stream; // what a shard's stream looks like; made by any node, verified by all

mod shards; // what this node knows of each shard

mod rollback; // a log that went back: noticed, refused, moved ahead

mod writer; // the connection that appends, replaced whenever it is lost

mod append; // one append, one acknowledgement, or an honest "unknown"

mod direct; // batched direct gets

mod read; // replay, tail, heads

mod live; // one subscription a conversation, shared by its watchers

mod queue; // a bounded queue that never blocks whoever fills it

mod consume; // the shared work of a shard

mod room; // what was settled is purged before a stream is full

mod signals; // what may be lost

use std::{io, sync::Arc, time::Duration};

use async_nats::jetstream;
use async_trait::async_trait;
use bytes::Bytes;
use chat_protocol::{Clock, ConversationId, Seq, Shard};
use futures_util::{StreamExt, TryStreamExt, stream::iter};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::options::{Credentials, NatsOptions, SyncInterval, Tls};
use self::{
    link::{Change, Link, Purpose},
    live::Channels,
    shards::Shards,
    writer::Writer,
};
use crate::{
    Appended, BusError, Doubt, LiveStream, Log, Newest, Nonce, Replay, ShardState, SignalStream, Status, Topic,
    WorkStream, metrics, subject,
};

/// Shards that are looked at together: at start, after a disconnect, for heads.
const SHARDS_AT_ONCE: usize = 16;

/// The log of a cluster. Dropping it ends its tasks and its streams.
pub struct Nats {
    core: Arc<Core>,
    _stop: DropGuard,
}

/// What every part of one node's log shares.
struct Core {
    options: NatsOptions,
    clock: Arc<dyn Clock>,
    reader: Link,
    jetstream: jetstream::Context,
    writer: Writer,
    shards: Shards,
    channels: Arc<Channels>,
    stop: CancellationToken,
}

/// Why a node cannot start. Names no secrets.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The options contradict themselves.
    #[error("{0}")]
    Options(&'static str),
    /// The credentials file cannot be read.
    #[error("read the credentials file: {0}")]
    Credentials(io::ErrorKind),
    /// The servers do not know this node.
    #[error("the log's server refused the credentials")]
    Unauthorised,
    /// No server answers.
    #[error("connect to the log: {0}")]
    Connect(String),
    /// Known faults make this version unsafe.
    #[error("nats-server {found} is too old: 2.12.7 or later in 2.12, or 2.14.0 or later, is needed")]
    Version {
        /// What it says it is.
        found: String,
    },
    /// Streams are made elsewhere, and this one was not.
    #[error("stream {stream} is missing, and this node is not to make it")]
    Missing {
        /// Which.
        stream: String,
    },
    /// A stream reserves its whole size when it is made.
    #[error(
        "the NATS servers have no room for stream {stream}: the log's {shards} shards reserve {mib} MiB each. Give the \
         servers a larger volume (by default JetStream takes three quarters of what is free), or make the log smaller"
    )]
    NoRoom {
        /// Which.
        stream: String,
        /// Of the log.
        shards: u16,
        /// Of each.
        mib: u64,
    },
    /// A stream differs from what this node was told. Nothing is changed: somebody must decide which is right.
    #[error("stream {stream}: {field} is {found}, and this node wants {wanted}")]
    Drift {
        /// Which.
        stream: String,
        /// Of its configuration.
        field: &'static str,
        /// By this node's options.
        wanted: String,
        /// On the server.
        found: String,
    },
    /// The streams could not be reached in time.
    #[error("the log's streams are not ready: {0}")]
    NotReady(BusError),
}

impl Nats {
    /// Connects, makes what is missing (if told so) and verifies what is there.
    pub async fn connect(options: NatsOptions, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        options.validate()?;
        let deadline = Instant::now() + options.start_timeout;
        let reader = first_link(&options, Purpose::Read, deadline).await?;
        let first_writer = first_link(&options, Purpose::Write, deadline).await?;
        stream::supported(&reader.client.server_info().version)?;

        let stop = CancellationToken::new();
        let core = Arc::new(Core {
            jetstream: jetstream::ContextBuilder::new().timeout(options.read_timeout).build(reader.client.clone()),
            shards: Shards::new(options.shards, options.append_window),
            writer: Writer::default(),
            channels: Arc::new(Channels::new(&options, stop.clone())),
            stop: stop.clone(),
            reader,
            clock,
            options,
        });
        core.verify_streams(deadline).await?;
        tokio::spawn(writer::keep(core.clone(), first_writer));
        tokio::spawn(watch_reader(core.clone()));
        tokio::spawn(room::keep(core.clone()));
        core.writer.ready(deadline).await.map_err(StartError::NotReady)?;

        let durability = core.options.durability();
        tracing::info!(
            profile = durability.profile,
            replicas = durability.replicas,
            sync = durability.sync,
            shards = core.options.shards,
            server = core.reader.client.server_info().version,
            "connected to the log"
        );
        Ok(Self { core, _stop: stop.drop_guard() })
    }
}

/// Servers may start at the same time as this node: only refused credentials are not waited for.
async fn first_link(options: &NatsOptions, purpose: Purpose, deadline: Instant) -> Result<Link, StartError> {
    loop {
        match Link::open(options, purpose).await {
            Err(StartError::Connect(_)) if Instant::now() + RETRY_DELAY < deadline => sleep(RETRY_DELAY).await,
            opened => return opened,
        }
    }
}

impl Core {
    async fn verify_streams(&self, deadline: Instant) -> Result<(), StartError> {
        let each: Vec<_> =
            self.shards.all().iter().map(|shard| self.ensure_stream(&self.reader, shard, deadline)).collect();
        iter(each).buffer_unordered(SHARDS_AT_ONCE).try_collect().await
    }

    fn read_deadline(&self) -> Instant {
        Instant::now() + self.options.read_timeout
    }

    /// Now, as the position a stream made now begins at.
    fn now_as_seq(&self) -> u64 {
        u64::try_from(self.clock.now().as_ms()).unwrap_or(0).saturating_mul(1_000)
    }
}

/// Turns what happens to the reading connection into doubts of those who watch.
async fn watch_reader(core: Arc<Core>) {
    let mut watch = Link::watch();
    let new_leaders = tokio::spawn(watch_leaders(core.clone()));
    loop {
        let change = tokio::select! {
            change = core.reader.changed(&mut watch) => change,
            () = core.stop.cancelled() => break,
        };
        match change {
            Change::Lost => tracing::warn!("lost the reading connection to the log"),
            Change::Back => {
                tracing::info!("the reading connection to the log is back");
                ::metrics::counter!(metrics::RECONNECTS).increment(1);
                core.channels.doubt(None, Doubt::Disconnect);
            }
            Change::Overflowed => {
                tracing::warn!("a subscription overflowed before it was read");
                ::metrics::counter!(metrics::SLOW_CONSUMER).increment(1);
                core.channels.doubt(None, Doubt::Overflow);
            }
        }
    }
    new_leaders.abort();
}

/// A leader that dies between storing and republishing leaves a stored event that was never live, and a node that
/// talks to another server sees no disconnect: every election makes its shard doubtful.
async fn watch_leaders(core: Arc<Core>) {
    let elected = core.reader.client.subscribe("$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.*").await;
    let Ok(mut elected) = elected else { return };
    while let Some(advisory) = elected.next().await {
        let Some(shard) = subject::shard_of_advisory(&advisory.subject).and_then(|shard| core.shards.get(shard)) else {
            continue;
        };
        tracing::info!(shard = %shard.shard, "new leader");
        core.channels.doubt(Some(shard.shard), Doubt::NewLeader);
        shard.doubt();
        core.writer.look();
    }
}

#[async_trait]
impl Log for Nats {
    fn shards(&self) -> u16 {
        self.core.options.shards
    }

    async fn append(
        &self,
        to: ConversationId,
        nonce: Nonce,
        event: Bytes,
        expect: Option<Seq>,
    ) -> Result<Appended, BusError> {
        self.core.append(to, nonce, event, expect).await
    }

    async fn live(&self, of: ConversationId) -> Result<LiveStream, BusError> {
        self.core.live(of).await
    }

    async fn replay(&self, of: ConversationId, after: Seq, most: usize) -> Result<Replay, BusError> {
        self.core.replay(of, after, most).await
    }

    async fn tail(&self, of: ConversationId, after: Seq, most: usize) -> Result<Vec<crate::Logged>, BusError> {
        self.core.tail(of, after, most).await
    }

    async fn heads(&self, of: &[ConversationId], fresh: bool) -> Result<Vec<Option<Seq>>, BusError> {
        self.core.heads(of, fresh).await
    }

    async fn newest(&self, of: &[ConversationId]) -> Result<Newest, BusError> {
        self.core.newest(of).await
    }

    async fn shard_state(&self, shard: Shard) -> Result<ShardState, BusError> {
        self.core.shard_state(shard).await
    }

    async fn consume(&self, shard: Shard) -> Result<WorkStream, BusError> {
        consume::open(self.core.clone(), shard).await
    }

    async fn emit(&self, to: &Topic, signal: Bytes) -> Result<(), BusError> {
        self.core.emit(to, signal).await
    }

    async fn listen(&self, to: &Topic) -> Result<SignalStream, BusError> {
        self.core.listen(to).await
    }

    fn status(&self) -> Status {
        Status {
            connected: self.core.reader.connected() && self.core.writer.link().is_ok(),
            durability: self.core.options.durability(),
            went_back: self.core.shards.went_back(),
        }
    }

    async fn guard(&self, shard: Shard, seq: Seq) -> Result<(), BusError> {
        self.core.guard(shard, seq).await
    }

    async fn rebase(&self, shard: Shard) -> Result<Seq, BusError> {
        self.core.rebase(shard).await
    }
}

/// Between two tries of something that waits for the servers.
const RETRY_DELAY: Duration = Duration::from_millis(100);
