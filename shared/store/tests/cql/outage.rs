use std::time::Duration;

use chat_protocol::ConversationId;
use chat_store::{Cursor, EventRow, Marks, Messages, Scylla, ScyllaOptions, StoreError};
use chat_testkit::servers::Cql;
use tokio::time::Instant;

use crate::support::{SHARD, connect, eventually, message, migrated, seq, somewhere, stored};

/// What a deadline may be missed by on a machine that also compiles.
const SLACK: Duration = Duration::from_millis(1_500);
const READ: Duration = Duration::from_millis(1_500);
const WRITE: Duration = Duration::from_secs(5);

fn burst(of: ConversationId, from: u64) -> Vec<EventRow> {
    (from..from + 100).map(|at| message(of, at, &"x".repeat(500))).collect()
}

/// One server for both: starting one is what takes long.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_or_dies_is_unavailable_in_time_and_leaves_no_holes() {
    let mut cql = Cql::start().await.unwrap();
    let (_keyspace, options) = migrated(&cql).await;
    let store = connect(&options).await;
    hangs(&mut cql, &store).await;
    dies(&mut cql, &store).await;
}

async fn hangs(cql: &mut Cql, store: &Scylla) {
    let of = somewhere();
    store.apply(&burst(of, 1)).await.unwrap();

    cql.pause().unwrap();
    let started = Instant::now();
    // More of them than may be in flight at once.
    let reads = (0..500).map(|_| store.messages(of, Cursor::Newest, 50));
    for read in futures_util::future::join_all(reads).await {
        assert!(matches!(read, Err(StoreError::Unavailable)));
    }
    assert!(started.elapsed() < READ + SLACK, "{:?}", started.elapsed());
    let started = Instant::now();
    let batch = burst(of, 101);
    let (apply, raise) = tokio::join!(store.apply(&batch), store.raise_mark(SHARD, seq(200)));
    assert!(matches!((apply, raise), (Err(StoreError::Unavailable), Err(StoreError::Unavailable))));
    assert!(started.elapsed() < WRITE + SLACK, "{:?}", started.elapsed());

    cql.resume().unwrap();
    eventually(async || store.apply(&burst(of, 101)).await).await;
    assert_eq!(stored(store, of).await, (1..=200).collect::<Vec<u64>>());
    eventually(async || store.raise_mark(SHARD, seq(150)).await).await;
    assert!(store.mark(SHARD).await.unwrap() >= Some(seq(150)));
}

async fn dies(cql: &mut Cql, store: &Scylla) {
    let of = somewhere();
    store.apply(&burst(of, 1)).await.unwrap();

    // It dies somewhere in the middle of a stream of batches.
    let stream = async {
        let mut at = 101;
        while store.apply(&burst(of, at)).await.is_ok() {
            at += 100;
        }
        at
    };
    let death = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        cql.kill9();
    };
    let (failed, ()) = tokio::join!(stream, death);

    let started = Instant::now();
    assert!(matches!(store.apply(&burst(of, failed)).await, Err(StoreError::Unavailable)));
    assert!(started.elapsed() < WRITE + SLACK, "{:?}", started.elapsed());
    let started = Instant::now();
    assert!(matches!(store.messages(of, Cursor::Newest, 50).await, Err(StoreError::Unavailable)));
    assert!(started.elapsed() < READ + SLACK, "{:?}", started.elapsed());
    assert!(matches!(store.check().await, Err(StoreError::Unavailable)));

    cql.restart().await.unwrap();
    eventually(async || store.check().await).await;
    let seqs = stored(store, of).await;
    let unbroken: Vec<u64> = (1..=seqs.len() as u64).collect();
    assert_eq!(seqs, unbroken, "what is stored is a beginning of what was said");
    assert!(seqs.len() as u64 >= failed - 1, "what was applied is there");

    eventually(async || store.apply(&burst(of, failed)).await).await;
    assert_eq!(stored(store, of).await, (1..failed + 100).collect::<Vec<u64>>());
}

#[tokio::test]
async fn connecting_to_nobody_ends_in_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("scylla://{}/chat", silent.local_addr().unwrap());
    let started = Instant::now();
    let options = ScyllaOptions::from_url(&url).unwrap();
    let clock = std::sync::Arc::new(chat_protocol::time::SystemClock);
    assert!(matches!(Scylla::connect(&options, clock).await, Err(StoreError::Unavailable)));
    assert!(started.elapsed() < Duration::from_secs(10) + SLACK);
}
