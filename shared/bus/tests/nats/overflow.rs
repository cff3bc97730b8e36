//! More than a watcher can take: it is told, and a replay repairs it (F25).

use chat_bus::{Doubt, Live, Log, NatsOptions, Prev};
use chat_protocol::Seq;
use futures_util::future::join_all;

use super::words::{connect, conversation, hear, options, read, say, server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_beyond_the_capacity_is_noticed_by_every_slow_watcher() {
    const BURST: usize = 10_000;
    let server = chat_testkit::servers::Nats::start(Default::default()).await.unwrap();
    let log = connect(NatsOptions { live_capacity: 64, ..options(&server.url()) }).await;
    let room = conversation(1);
    let mut watchers = Vec::new();
    for _ in 0..20 {
        watchers.push(log.live(room).await.unwrap());
    }
    let texts: Vec<String> = (0..BURST).map(|n| n.to_string()).collect();
    for some in texts.chunks(500) {
        for appended in join_all(some.iter().map(|text| say(&*log, room, text))).await {
            appended.unwrap();
        }
    }
    let stored = read(&*log, room).await;
    assert_eq!(stored.len(), BURST);

    let last = say(&*log, room, "last").await.unwrap().seq;
    for live in &mut watchers {
        // Not one event is missing that neither a doubt nor its successor's `prev` shows.
        let (mut seen, mut doubts, mut gaps) = (Seq::ZERO, 0, 0);
        while seen != last && doubts + gaps == 0 {
            match hear(live).await {
                Live::Doubtful(doubt) => {
                    assert_eq!(doubt, Doubt::Overflow);
                    doubts += 1;
                }
                Live::Event(logged) => {
                    gaps += usize::from(logged.prev != Prev::AskTheLog && logged.prev != Prev::Known(seen));
                    seen = logged.seq;
                }
            }
        }
        assert!(doubts > 0, "told before it reads on");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_who_reads_is_not_disturbed_by_one_who_does_not() {
    let server = server().await;
    let log = connect(NatsOptions { live_capacity: 64, ..options(&server.url()) }).await;
    let room = conversation(1);
    let _asleep = log.live(room).await.unwrap();
    let mut awake = log.live(room).await.unwrap();
    for n in 0..500 {
        let seq = say(&*log, room, &n.to_string()).await.unwrap().seq;
        assert!(matches!(hear(&mut awake).await, Live::Event(logged) if logged.seq == seq));
    }
}
