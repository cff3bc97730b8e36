use std::{sync::Arc, time::Duration};

use chat_protocol::{
    Clock, ConversationId, MessageId, Seq, Shard, Timestamp, UserId,
    event::{Body, Event, MessageCreated, MessageDeleted, MessageUpdated},
    id::ClientId,
    model::{Content, MessageKind},
    time::SystemClock,
};
use chat_store::{
    EventRow, Messages, Scylla, ScyllaOptions, StoreError,
    migrate::{Replication, migrate},
    window::Sizing,
};
use chat_testkit::servers::{Cql, Keyspace};
use tokio::{
    sync::OnceCell,
    time::{Instant, sleep},
};

pub(crate) const SHARD: Shard = Shard::new(3).unwrap();

/// A migrated keyspace that tests share: making its tables takes seconds. It ends with the server.
pub(crate) async fn shared() -> &'static (Keyspace, ScyllaOptions) {
    static SHARED: OnceCell<(Keyspace, ScyllaOptions)> = OnceCell::const_new();
    SHARED.get_or_init(async || migrated(Cql::shared().await.unwrap()).await).await
}

/// A migrated keyspace of one's own.
pub(crate) async fn migrated(cql: &Cql) -> (Keyspace, ScyllaOptions) {
    let keyspace = cql.keyspace().await.unwrap();
    let options = ScyllaOptions::from_url(keyspace.url()).unwrap();
    migrate(&options, &Replication::Simple(1)).await.unwrap();
    (keyspace, options)
}

pub(crate) async fn connect(options: &ScyllaOptions) -> Scylla {
    Scylla::connect(options, Arc::new(SystemClock)).await.unwrap()
}

/// Windows of some 50 rows.
pub(crate) async fn connect_with_small_windows(options: &ScyllaOptions) -> Scylla {
    let sizing = Sizing { rows: 50, initial_span: 100, max_span: 10_000 };
    Scylla::connect_with(options, Arc::new(SystemClock), sizing).await.unwrap()
}

pub(crate) fn somewhere() -> ConversationId {
    ConversationId::from_u128(rand::random())
}

pub(crate) fn seq(seq: u64) -> Seq {
    Seq::new(seq).unwrap()
}

pub(crate) fn id(of: u64) -> MessageId {
    MessageId::new(SHARD, seq(of))
}

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

fn says(text: &str) -> Content {
    Content { text: Some(text.into()), ..Content::default() }
}

fn event(of: ConversationId, at: u64, body: Body) -> EventRow {
    let event = Event { at: now(), by: UserId::from_u128(1), body };
    EventRow { conversation: of, shard: SHARD, seq: seq(at), event: event.encode() }
}

pub(crate) fn message(of: ConversationId, at: u64, text: &str) -> EventRow {
    let client_id = ClientId::ulid(now().as_ms().cast_unsigned(), at.into());
    let created = MessageCreated {
        client_id,
        kind: MessageKind::Text,
        content: says(text),
        mentions: Vec::new(),
        deleted: false,
    };
    event(of, at, Body::MessageCreated(Box::new(created)))
}

pub(crate) fn edit(of: ConversationId, at: u64, message: u64, text: &str) -> EventRow {
    let updated = MessageUpdated { message: id(message), content: says(text), mentions: Vec::new() };
    event(of, at, Body::MessageUpdated(Box::new(updated)))
}

pub(crate) fn deletion(of: ConversationId, at: u64, message: u64) -> EventRow {
    event(of, at, Body::MessageDeleted(MessageDeleted { messages: vec![id(message)], reason: "author".into() }))
}

/// Every position stored of a conversation, each one chained to the one before.
pub(crate) async fn stored(store: &Scylla, of: ConversationId) -> Vec<u64> {
    let (mut seqs, mut after) = (Vec::new(), Seq::ZERO);
    loop {
        let page = eventually(async || store.events(of, after, 100).await).await;
        if let Some(last) = page.events.last() {
            assert_eq!(page.prev, after);
            after = last.seq;
        }
        seqs.extend(page.events.iter().map(|row| row.seq.get()));
        if !page.more {
            return seqs;
        }
    }
}

/// Tries again until the store is back.
pub(crate) async fn eventually<T>(mut work: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let until = Instant::now() + Duration::from_secs(90);
    loop {
        match work().await {
            Ok(done) => return done,
            Err(error) if Instant::now() > until => panic!("{error}"),
            Err(StoreError::Unavailable) => sleep(Duration::from_millis(200)).await,
            Err(error) => panic!("{error}"),
        }
    }
}
