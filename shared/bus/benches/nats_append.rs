//! What the log on NATS costs above the client it is built on: acknowledged appends per second with 1,000 in flight,
//! beside async-nats' own publishes to the same stream, in turns, on the same server.
//!
//! `cargo bench -p chat-bus --bench nats_append`

use std::{sync::Arc, time::Duration};

use async_nats::{HeaderMap, header, jetstream};
use bytes::Bytes;
use chat_bus::{Log, Nats, NatsOptions, Nonce, subject};
use chat_protocol::{ConversationId, time::SystemClock};
use chat_testkit::servers;
use futures_util::{StreamExt, stream};
use tokio::time::Instant;

const EVENTS: u64 = 100_000;
const IN_FLIGHT: usize = 1_000;
const CONVERSATIONS: u64 = 100;
const BYTES: usize = 200;
const ROUNDS: u64 = 5;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let server = servers::Nats::start(servers::NatsOptions::default()).await?;
    let options =
        NatsOptions { shards: 1, max_bytes: 8 << 30, append_window: IN_FLIGHT, ..NatsOptions::new([server.url()]) };
    let log = Nats::connect(options, Arc::new(SystemClock)).await?;
    let raw = jetstream::new(async_nats::connect(server.url()).await?);
    let body = Bytes::from(vec![b'x'; BYTES]);

    println!("{:>5} {:>12} {:>12} {:>6}", "round", "raw/s", "log/s", "ratio");
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let raw_rate = rate(publish_raw(&raw, &body, round)).await;
        let log_rate = rate(append(&log, &body, round)).await;
        ratios.push(log_rate / raw_rate);
        println!("{round:>5} {raw_rate:>12.0} {log_rate:>12.0} {:>6.2}", log_rate / raw_rate);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.2}, {} ", ratios[ratios.len() / 2], log.status().durability.sync);
    Ok(())
}

async fn rate(work: impl Future<Output = ()>) -> f64 {
    let begun = Instant::now();
    work.await;
    EVENTS as f64 / begun.elapsed().max(Duration::from_micros(1)).as_secs_f64()
}

fn conversation(number: u64) -> ConversationId {
    ConversationId::from_u128(u128::from(number % CONVERSATIONS + 1) << 64)
}

async fn append(log: &Nats, body: &Bytes, round: u64) {
    let appends = stream::iter(0..EVENTS).map(|n| async move {
        let nonce = Nonce::hash(&[b"log", &round.to_be_bytes(), &n.to_be_bytes()]);
        log.append(conversation(n), nonce, body.clone(), None).await.expect("acknowledged")
    });
    appends.buffer_unordered(IN_FLIGHT).for_each(|_| std::future::ready(())).await;
}

async fn publish_raw(raw: &jetstream::Context, body: &Bytes, round: u64) {
    let publishes = stream::iter(0..EVENTS).map(|n| async move {
        let nonce = Nonce::hash(&[b"raw", &round.to_be_bytes(), &n.to_be_bytes()]);
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_MESSAGE_ID, format!("{:032x}", nonce.as_u128()));
        let conversation = conversation(n);
        let to = subject::log(subject::shard_of(conversation, 1), conversation);
        let acknowledged = raw.publish_with_headers(to, headers, body.clone()).await.expect("sent");
        acknowledged.await.expect("acknowledged")
    });
    publishes.buffer_unordered(IN_FLIGHT).for_each(|_| std::future::ready(())).await;
}
