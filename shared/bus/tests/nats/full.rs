//! A stream at its size refuses, and goes on when there is room.

use std::time::Duration;

use bytes::Bytes;
use chat_bus::{BusError, Full, Log, NatsOptions, Nonce};
use futures_util::StreamExt;
use tokio::time::{Instant, sleep, timeout};

use super::words::{PATIENCE, connect, conversation, options, server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_shard_refuses_and_what_was_settled_makes_room() {
    let server = server().await;
    let log = connect(NatsOptions { shards: 1, max_bytes: 1 << 20, ..options(&server.url()) }).await;
    let room = conversation(1);
    let shard = log.shard_of(room);
    let body = Bytes::from(vec![b'x'; 50_000]);
    let append = async |n: u32| log.append(room, Nonce::hash(&[&n.to_be_bytes()]), body.clone(), None).await;
    let mut stored = 0;
    let full = loop {
        match append(stored).await {
            Ok(_) => stored += 1,
            Err(err) => break err,
        }
    };
    assert!(matches!(full, BusError::Full(Full::Storage)), "{full}");
    assert!((15..21).contains(&stored), "{stored} events of 50 kB fit a megabyte");
    assert!(append(0).await.unwrap().duplicate, "a retry needs no room");

    let mut work = log.consume(shard).await.unwrap();
    for _ in 0..stored {
        let delivery = timeout(PATIENCE, work.next()).await.expect("delivered").expect("the stream goes on");
        delivery.settle.ack().await.unwrap();
    }
    let end = Instant::now() + PATIENCE;
    while let Err(err) = append(1_000).await {
        assert!(matches!(err, BusError::Full(Full::Storage)), "{err}");
        assert!(Instant::now() < end, "no room was made");
        sleep(Duration::from_millis(100)).await;
    }
    let state = log.shard_state(shard).await.unwrap();
    assert!(state.settled >= state.first && state.bytes < 1 << 20, "{state:?}");
}
