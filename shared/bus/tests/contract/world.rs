//! What a case needs of an engine, and the words in which cases are written.

use std::{sync::atomic::AtomicU64, sync::atomic::Ordering, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use chat_bus::{Appended, BusError, Delivery, Live, LiveStream, Log, Logged, Nonce, WorkStream};
use chat_protocol::{ConversationId, Seq};
use futures_util::StreamExt;
use tokio::time::timeout;

/// Nothing here takes longer, on any machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How a case wants its log to be.
#[derive(Clone, Copy)]
pub struct Tuning {
    pub shards: u16,
    pub dedupe_window: Duration,
    pub ack_wait: Duration,
    /// Events a live reader may be behind.
    pub live_behind: usize,
    /// Appends in flight.
    pub append_window: usize,
    /// The log's size.
    pub bytes_max: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            shards: 2,
            dedupe_window: Duration::from_secs(120),
            ack_wait: Duration::from_secs(2),
            live_behind: 64,
            append_window: 1_024,
            bytes_max: 1 << 30,
        }
    }
}

/// One log of its own, kept by an engine under test.
#[async_trait]
pub trait World: Sized + Send + Sync {
    /// An empty log.
    async fn start(tuning: Tuning) -> Self;

    /// A node's handle on it. Only one is open at a time; a case that opens another has dropped the first.
    async fn open(&self) -> Box<dyn Log>;
}

/// A new log and a handle on it.
pub async fn fresh<W: World>() -> (W, Box<dyn Log>) {
    let world = W::start(Tuning::default()).await;
    let log = world.open().await;
    (world, log)
}

/// A conversation nobody used yet.
pub fn conversation() -> ConversationId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    ConversationId::from_u128(u128::from(NEXT.fetch_add(1, Ordering::Relaxed)) << 64 | 0x5eed)
}

/// Nonces by name.
pub fn nonce(name: impl AsRef<[u8]>) -> Nonce {
    Nonce::hash(&[name.as_ref()])
}

/// Appends `text`; its nonce is the conversation and the text.
pub async fn say(log: &dyn Log, to: ConversationId, text: &str) -> Seq {
    append(log, to, text, None).await.expect("appended").seq
}

/// The same with every outcome.
pub async fn append(log: &dyn Log, to: ConversationId, text: &str, expect: Option<Seq>) -> Result<Appended, BusError> {
    let nonce = Nonce::hash(&[&to.as_u128().to_be_bytes(), text.as_bytes()]);
    log.append(to, nonce, Bytes::from(text.to_owned()), expect).await
}

/// What was said, as text.
pub fn text(logged: &Logged) -> &str {
    std::str::from_utf8(&logged.event).expect("cases say text")
}

pub fn texts(events: &[Logged]) -> Vec<&str> {
    events.iter().map(text).collect()
}

/// The next thing heard.
pub async fn hear(live: &mut LiveStream) -> Live {
    timeout(PATIENCE, live.next()).await.expect("heard in time").expect("the stream goes on")
}

/// The next event heard.
pub async fn hear_event(live: &mut LiveStream) -> Logged {
    match hear(live).await {
        Live::Event(logged) => logged,
        Live::Doubtful(doubt) => panic!("an event was expected, not {doubt:?}"),
    }
}

/// The next delivery.
pub async fn work(stream: &mut WorkStream) -> Delivery {
    timeout(PATIENCE, stream.next()).await.expect("delivered in time").expect("the stream goes on")
}
