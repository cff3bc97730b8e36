//! Events per second through `apply`, against single prepared inserts into the same table in the same run.
//!
//! `cargo run --release -p chat-store --example apply_rate -- scylla://127.0.0.1:9042/some_keyspace`
//!
//! Both sides take turns, so that what else the machine does concerns both. `apply` also writes a dedupe row for each
//! event; the raw side writes the one row.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chat_protocol::{
    Clock, ConversationId, Seq, Shard, UserId,
    event::{Body, Event, MessageCreated},
    id::ClientId,
    model::{Content, MessageKind},
    time::SystemClock,
};
use chat_store::{
    EventRow, Messages, Scylla, ScyllaOptions,
    migrate::{Replication, migrate},
};
use futures_util::stream::{self, StreamExt};
use scylla::{client::session_builder::SessionBuilder, value::CqlTimestamp};
use tokio::time::Instant;

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(3);
const CONVERSATIONS: u64 = 50;
const RAW_IN_FLIGHT: usize = 256;
/// Persister workers, each with one batch at a time.
const WORKERS: u64 = 4;

/// Positions rise through the whole run, as a shard's do.
static NEXT: AtomicU64 = AtomicU64::new(1);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let url = std::env::args().nth(1).expect("the first argument is a store's URL");
    let options = ScyllaOptions::from_url(&url).expect("the first argument is a store's URL");
    migrate(&options, &Replication::Simple(1)).await.expect("the keyspace can be migrated");
    let store = Scylla::connect(&options, Arc::new(SystemClock)).await.expect("the store can be reached");
    let raw = Raw::connect(&url, options.keyspace()).await;

    for events in [250, 500] {
        let (mut singles, mut applied) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            singles.push(raw.rate().await);
            applied.push(apply_rate(&store, events).await);
        }
        let (singles, applied) = (median(singles), median(applied));
        println!(
            "{events} events a batch: raw {singles:.0} rows/s, apply {applied:.0} events/s, ratio {:.2}",
            applied / singles
        );
    }
}

async fn apply_rate(store: &Scylla, events: u64) -> f64 {
    let started = Instant::now();
    let workers = (0..WORKERS).map(|_| async {
        let mut done = 0;
        while started.elapsed() < ROUND {
            let batch: Vec<_> = (0..events).map(|event| row(u128::from(event % CONVERSATIONS) + 1)).collect();
            store.apply(&batch).await.expect("the store stays");
            done += events;
        }
        done
    });
    let done: u64 = futures_util::future::join_all(workers).await.into_iter().sum();
    done as f64 / started.elapsed().as_secs_f64()
}

/// A message of some 200 bytes.
fn row(conversation: u128) -> EventRow {
    let at = SystemClock.now();
    let seq = NEXT.fetch_add(1, Ordering::Relaxed);
    let created = MessageCreated {
        client_id: ClientId::ulid(at.as_ms().cast_unsigned(), rand::random()),
        kind: MessageKind::Text,
        content: Content { text: Some("0123456789 ".repeat(6)), ..Content::default() },
        mentions: Vec::new(),
        deleted: false,
    };
    let event = Event { at, by: UserId::from_u128(1), body: Body::MessageCreated(Box::new(created)) };
    EventRow {
        conversation: ConversationId::from_u128(conversation),
        shard: Shard::new(1).expect("small"),
        seq: Seq::new(seq).expect("small"),
        event: event.encode(),
    }
}

/// The driver alone.
struct Raw {
    session: scylla::client::session::Session,
    insert: scylla::statement::prepared::PreparedStatement,
}

impl Raw {
    async fn connect(url: &str, keyspace: &str) -> Self {
        let host = url.trim_start_matches("scylla://").split('/').next().expect("a host");
        let session = SessionBuilder::new().known_node(host).build().await.expect("the store can be reached");
        let cql = format!(
            "INSERT INTO {keyspace}.messages (conversation, win, seq, shard, event, created, by_user, at, client_id) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
        );
        let insert = session.prepare(cql).await.expect("the statement is right");
        Self { session, insert }
    }

    async fn rate(&self) -> f64 {
        let started = Instant::now();
        let ticks = stream::iter(0_u128..).take_while(|_| std::future::ready(started.elapsed() < ROUND));
        let inserts = ticks.map(|tick| async move {
            let row = row(1_000 + tick % u128::from(CONVERSATIONS));
            let (seq, key) = (row.seq.get().cast_signed(), row.conversation.as_u128().to_be_bytes());
            let values = (key, 0_i64, seq, 1_i16, row.event, "text", [1_u8; 16], CqlTimestamp(seq), [2_u8; 16], seq);
            self.session.execute_unpaged(&self.insert, values).await.expect("the store stays");
        });
        let done = inserts.buffer_unordered(RAW_IN_FLIGHT).count().await;
        done as f64 / started.elapsed().as_secs_f64()
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
