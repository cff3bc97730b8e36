//! Servers, logs, and what is said.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chat_bus::{Appended, BusError, Live, LiveStream, Log, Logged, Nats, NatsOptions, Nonce, Replay};
use chat_protocol::{ConversationId, Seq, time::SystemClock};
use chat_testkit::servers;
use futures_util::StreamExt;
use tokio::time::{Instant, sleep, timeout};

/// Nothing here takes longer, on any machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server that syncs before it acknowledges.
pub async fn server() -> servers::Nats {
    let options = servers::NatsOptions { fsync: servers::Fsync::Always, ..Default::default() };
    servers::Nats::start(options).await.expect("a server")
}

/// Options for two small shards there.
pub fn options(url: &str) -> NatsOptions {
    NatsOptions { shards: 2, max_bytes: 256 << 20, ..NatsOptions::new([url]) }
}

pub async fn connect(options: NatsOptions) -> Arc<Nats> {
    Arc::new(Nats::connect(options, Arc::new(SystemClock)).await.expect("a log"))
}

pub fn conversation(number: u64) -> ConversationId {
    ConversationId::from_u128(u128::from(number) << 64 | 0x5eed)
}

/// Appends `text`; its nonce is the conversation and the text.
pub async fn say(log: &dyn Log, to: ConversationId, text: &str) -> Result<Appended, BusError> {
    let nonce = Nonce::hash(&[&to.as_u128().to_be_bytes(), text.as_bytes()]);
    log.append(to, nonce, Bytes::from(text.to_owned()), None).await
}

/// The same, again and again while the log is away, as a client does: the nonce makes it safe.
pub async fn insist(log: &dyn Log, to: ConversationId, text: &str) -> Appended {
    let end = Instant::now() + PATIENCE;
    loop {
        match say(log, to, text).await {
            Ok(appended) => return appended,
            Err(BusError::Unavailable | BusError::Unknown | BusError::Full(_)) if Instant::now() < end => {
                sleep(Duration::from_millis(20)).await;
            }
            Err(err) => panic!("{text}: {err}"),
        }
    }
}

/// Waits until `holds`.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what}: never");
        sleep(Duration::from_millis(10)).await;
    }
}

/// The whole conversation, once the log can be read.
pub async fn read(log: &dyn Log, of: ConversationId) -> Vec<Logged> {
    let end = Instant::now() + PATIENCE;
    let mut all: Vec<Logged> = Vec::new();
    loop {
        let after = all.last().map_or(Seq::ZERO, |last| last.seq);
        match log.replay(of, after, 500).await {
            Ok(Replay::More(events)) => all.extend(events),
            Ok(Replay::Recovered(events)) => {
                all.extend(events);
                return all;
            }
            // The connection for reading comes back in its own time.
            Err(BusError::Unavailable) if Instant::now() < end => sleep(Duration::from_millis(20)).await,
            other => panic!("{other:?}"),
        }
    }
}

/// The next thing heard.
pub async fn hear(live: &mut LiveStream) -> Live {
    timeout(PATIENCE, live.next()).await.expect("heard in time").expect("the stream goes on")
}

/// Passes over events until a doubt is heard.
pub async fn hear_doubt(live: &mut LiveStream) -> chat_bus::Doubt {
    loop {
        if let Live::Doubtful(doubt) = hear(live).await {
            return doubt;
        }
    }
}

/// Passes over everything until this event is heard.
pub async fn hear_event(live: &mut LiveStream, seq: Seq) {
    loop {
        match hear(live).await {
            Live::Event(logged) if logged.seq == seq => return,
            Live::Event(_) | Live::Doubtful(_) => {}
        }
    }
}
