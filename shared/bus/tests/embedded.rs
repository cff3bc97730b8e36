//! What only the embedded log promises: retention by its clock, one process a directory, life after a failed write.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chat_bus::{
    BusError, Doubt, Full, Live, Log, Nonce, Replay,
    embedded::{Embedded, OpenError, Options, open_database},
};
use chat_protocol::{Clock, ConversationId, Seq, Shard, Timestamp, time::SystemClock};
use futures_util::StreamExt;
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(30);
const ROOM: ConversationId = ConversationId::from_u128(7);

/// A clock that tests set.
struct HandClock(AtomicI64);

impl HandClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(SystemClock.now().as_ms())))
    }

    fn step(&self, by: i64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::Relaxed))
    }
}

const HOUR_MS: i64 = 3_600_000;

fn open(dir: &Path, options: Options) -> Embedded {
    let end = Instant::now() + PATIENCE;
    let database = loop {
        match open_database(dir) {
            Ok(database) => break database,
            Err(OpenError::Locked(_)) if Instant::now() < end => std::thread::yield_now(),
            Err(err) => panic!("{err}"),
        }
    };
    Embedded::open(database, options).unwrap()
}

async fn say(log: &Embedded, text: &str) -> Result<Seq, BusError> {
    let appended = log.append(ROOM, Nonce::hash(&[text.as_bytes()]), Bytes::from(text.to_owned()), None).await?;
    Ok(appended.seq)
}

async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn settle(log: &Embedded, shard: Shard, count: usize) {
    let mut work = log.consume(shard).await.unwrap();
    for _ in 0..count {
        let delivery = timeout(PATIENCE, work.next()).await.expect("delivered").expect("goes on");
        delivery.settle.ack().await.unwrap();
    }
}

#[tokio::test]
async fn retention_drops_from_the_front_what_is_settled_and_old() {
    let (dir, clock) = (TempDir::new().unwrap(), HandClock::new());
    let options = Options { retention: Duration::from_secs(3_600), clock: clock.clone(), ..Options::default() };
    let log = open(dir.path(), options.clone());
    let shard = log.shard_of(ROOM);
    let mut said = Vec::new();
    for n in 0..10 {
        said.push(say(&log, &format!("old {n}")).await.unwrap());
    }
    settle(&log, shard, 6).await;
    clock.step(2 * HOUR_MS);
    let new = say(&log, "new").await.unwrap();

    eventually("what is settled is dropped", async || log.shard_state(shard).await.unwrap().first == said[6]).await;
    let held: Vec<_> = log.tail(ROOM, Seq::ZERO, 99).await.unwrap().iter().map(|event| event.seq).collect();
    assert_eq!(held, [&said[6..], &[new]].concat(), "what is not settled stays, however old");
    assert_eq!(log.replay(ROOM, said[5], 99).await.unwrap().events(), 5, "nothing after the cursor was dropped");
    let too_old = Replay::TooOld { first: said[6], head: new };
    assert_eq!(log.replay(ROOM, said[4], 99).await.unwrap(), too_old);
    assert_eq!(log.replay(ROOM, Seq::ZERO, 99).await.unwrap(), too_old);

    // All of it, over a restart: the place where it goes on is kept.
    settle(&log, shard, 5).await;
    clock.step(2 * HOUR_MS);
    eventually("all is dropped", async || log.heads(&[ROOM], true).await.unwrap() == [None]).await;
    let state = log.shard_state(shard).await.unwrap();
    assert_eq!((state.first, state.last, state.settled, state.bytes), (new.next(), new, new, 0));
    drop(log);
    let log = open(dir.path(), options);
    assert_eq!(log.shard_state(shard).await.unwrap(), state);
    assert_eq!(say(&log, "later").await.unwrap(), new.next());
}

trait Count {
    fn events(&self) -> usize;
}

impl Count for Replay {
    fn events(&self) -> usize {
        match self {
            Self::Recovered(events) => events.len(),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_full_log_takes_more_once_its_events_are_settled() {
    let dir = TempDir::new().unwrap();
    let window = Duration::from_millis(100);
    let log = open(dir.path(), Options { bytes_max: 64 * 1024, dedupe_window: window, ..Options::default() });
    let mut count = 0;
    while say(&log, &format!("{count} {}", "x".repeat(1_000))).await.is_ok() {
        count += 1;
    }
    assert!(matches!(say(&log, "refused").await, Err(BusError::Full(Full::Storage))));
    settle(&log, log.shard_of(ROOM), count).await;
    eventually("there is room again", async || say(&log, "taken").await.is_ok()).await;
}

#[tokio::test]
async fn before_the_disk_is_full_it_refuses_and_reads() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path(), Options::default());
    let held = say(&log, "held").await.unwrap();
    drop(log);
    let log = open(dir.path(), Options { free_bytes_min: u64::MAX, ..Options::default() });
    assert!(matches!(say(&log, "refused").await, Err(BusError::Full(Full::Storage))));
    assert_eq!(log.heads(&[ROOM], true).await.unwrap(), [Some(held)]);
    assert_eq!(say(&log, "held").await.unwrap(), held, "what it has it still acknowledges");
}

#[tokio::test]
async fn a_step_of_the_clock_neither_ends_the_dedupe_window_nor_changes_the_order() {
    let (dir, clock) = (TempDir::new().unwrap(), HandClock::new());
    let options = Options { clock: clock.clone(), ..Options::default() };
    let log = open(dir.path(), options.clone());
    let first = say(&log, "first").await.unwrap();
    clock.step(HOUR_MS);
    let second = say(&log, "second").await.unwrap();
    clock.step(-2 * HOUR_MS);
    let third = say(&log, "third").await.unwrap();
    assert!(first < second && second < third);
    let again = async |log: &Embedded| [say(log, "first").await, say(log, "second").await, say(log, "third").await];
    assert_eq!(again(&log).await.map(Result::unwrap), [first, second, third]);
    drop(log);
    clock.step(3 * HOUR_MS);
    let log = open(dir.path(), options);
    assert_eq!(again(&log).await.map(Result::unwrap), [first, second, third], "also when it was stopped meanwhile");
    assert_eq!(say(&log, "fourth").await.unwrap(), third.next());
}

#[tokio::test]
async fn a_second_opener_is_told_who_holds_the_data() {
    let dir = TempDir::new().unwrap();
    let _log = open(dir.path(), Options::default());
    let refused = open_database(dir.path()).map(drop).unwrap_err();
    assert!(refused.to_string().contains("another process holds the data in"), "{refused}");
    assert!(refused.to_string().contains(&dir.path().display().to_string()), "{refused}");
}

#[tokio::test]
async fn another_number_of_shards_is_refused() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path(), Options { shards: 2, ..Options::default() }));
    let database = open_database(dir.path()).unwrap();
    let refused = Embedded::open(database, Options { shards: 3, ..Options::default() }).map(drop).unwrap_err();
    assert!(matches!(refused, OpenError::Shards { created: 2, asked: 3 }));
}

/// The engine takes nothing more after a failed write: here its background flush finds its folder gone.
#[tokio::test]
async fn after_a_failed_write_it_refuses_and_reads_until_the_database_is_opened_again() {
    let dir = TempDir::new().unwrap();
    let database = open_database(dir.path()).unwrap();
    let log = Embedded::open(database.clone(), Options::default()).unwrap();
    let held = say(&log, "held").await.unwrap();
    let mut live = log.live(ROOM).await.unwrap();

    let (folder, away) = (dir.path().join("keyspaces"), dir.path().join("away"));
    std::fs::rename(&folder, &away).unwrap();
    let events = database.keyspace("log_events", fjall::KeyspaceCreateOptions::default).unwrap();
    assert!(events.rotate_memtable().unwrap());
    drop(events);
    let mut acknowledged = vec![held];
    let mut n = 0;
    let refused = loop {
        match say(&log, &format!("while it fails {n}")).await {
            Ok(seq) => acknowledged.push(seq),
            Err(err) => break err,
        }
        n += 1;
    };
    assert!(matches!(refused, BusError::Full(Full::Storage)), "{refused:?}");
    timeout(PATIENCE, log.failed()).await.expect("it says so");
    assert!(!log.status().connected);
    assert!(matches!(say(&log, "refused").await, Err(BusError::Full(Full::Storage))));
    let read = |events: Vec<chat_bus::Logged>| events.iter().map(|event| event.seq).collect::<Vec<_>>();
    assert_eq!(read(log.tail(ROOM, Seq::ZERO, 10_000).await.unwrap()), acknowledged);

    std::fs::rename(&away, &folder).unwrap();
    log.detach().await;
    assert!(matches!(log.tail(ROOM, Seq::ZERO, 9).await, Err(BusError::Unavailable)));
    drop(database);
    log.attach(open_database(dir.path()).unwrap()).await.unwrap();
    assert!(log.status().connected);
    assert_eq!(read(log.tail(ROOM, Seq::ZERO, 10_000).await.unwrap()), acknowledged, "nothing acknowledged is lost");
    let again = say(&log, "held").await.unwrap();
    assert_eq!(again, held, "and its nonces are known");
    let new = say(&log, "new").await.unwrap();
    assert!(new > *acknowledged.last().unwrap());

    let mut heard = Vec::new();
    loop {
        match timeout(PATIENCE, live.next()).await.expect("heard").expect("goes on") {
            Live::Event(event) if event.seq == new => break,
            other => heard.push(other),
        }
    }
    assert!(heard.contains(&Live::Doubtful(Doubt::Disconnect)), "followers compare heads");
}

#[tokio::test]
async fn when_it_is_dropped_streams_end_and_the_database_is_free() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path(), Options::default());
    let mut live = log.live(ROOM).await.unwrap();
    let mut work = log.consume(log.shard_of(ROOM)).await.unwrap();
    drop(log);
    assert!(timeout(PATIENCE, live.next()).await.unwrap().is_none());
    assert!(timeout(PATIENCE, work.next()).await.unwrap().is_none());
    open_database(dir.path()).unwrap();
}
