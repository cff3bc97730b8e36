//! A server that is killed or hangs: nothing acknowledged is lost, nothing waits, everything goes on.

use std::{sync::Arc, time::Duration};

use chat_bus::{BusError, Doubt, Full, Log, NatsOptions};
use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use super::words::{
    PATIENCE, connect, conversation, hear_doubt, hear_event, insist, options, read, say, server, until,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_kill_is_there_after_it() {
    let mut server = server().await;
    let log = connect(options(&server.url())).await;
    let room = conversation(1);
    let mut live = log.live(room).await.unwrap();

    for round in 0..4 {
        let talkers: Vec<_> = (0..8)
            .map(|talker| {
                let log = log.clone();
                tokio::spawn(async move {
                    let mut acknowledged = Vec::new();
                    for n in 0.. {
                        let text = format!("{round}/{talker}/{n}");
                        match say(&*log, room, &text).await {
                            Ok(appended) => acknowledged.push((appended.seq, text)),
                            Err(BusError::Unknown | BusError::Unavailable) => return (acknowledged, text),
                            Err(err) => panic!("{err}"),
                        }
                    }
                    unreachable!("only the kill ends it")
                })
            })
            .collect();
        let head = log.heads(&[room], false).await.unwrap();
        while log.heads(&[room], false).await.unwrap() <= head {}
        let killed = Instant::now();
        server.kill9();
        let talked = timeout(PATIENCE, join_all(talkers)).await.expect("nobody waits");
        assert!(killed.elapsed() < Duration::from_secs(2), "they fail fast: {:?}", killed.elapsed());
        assert!(!log.status().connected);
        assert!(matches!(say(&*log, room, "refused").await, Err(BusError::Unavailable)));
        assert!(matches!(log.live(conversation(2)).await, Err(BusError::Unavailable)));

        server.restart().await.unwrap();
        let mut newest = None;
        for talked in talked {
            let (acknowledged, undecided) = talked.unwrap();
            let again = insist(&*log, room, &undecided).await;
            newest = newest.max(Some(again.seq));
            let stored = read(&*log, room).await;
            for (seq, text) in acknowledged {
                let event = stored.iter().find(|event| event.seq == seq).expect("acknowledged and lost");
                assert_eq!(event.event, text.as_bytes());
            }
            let copies = stored.iter().filter(|event| event.event == undecided.as_bytes()).count();
            assert_eq!(copies, 1, "a retry is the same message");
        }
        assert_eq!(hear_doubt(&mut live).await, Doubt::Disconnect);
        let seq = insist(&*log, room, &format!("{round} is over")).await.seq;
        assert!(newest < Some(seq));
        hear_event(&mut live, seq).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_after_a_restart() {
    let mut server = server().await;
    let options = NatsOptions { ack_wait: Duration::from_secs(2), ..options(&server.url()) };
    let log = connect(options).await;
    let room = conversation(1);
    let shard = log.shard_of(room);
    let mut work = log.consume(shard).await.unwrap();
    let mut last = insist(&*log, room, "0").await.seq;
    for round in 1..3 {
        loop {
            let delivery = timeout(PATIENCE, futures_util::StreamExt::next(&mut work)).await.unwrap().unwrap();
            let seq = delivery.logged.seq;
            delivery.settle.ack().await.unwrap();
            if seq == last {
                break;
            }
        }
        server.kill9();
        server.restart().await.unwrap();
        last = insist(&*log, room, &round.to_string()).await.seq;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_unknown_and_a_full_window_refuses_at_once() {
    let mut server = server().await;
    let options = NatsOptions { append_timeout: Duration::from_secs(1), append_window: 10, ..options(&server.url()) };
    let log = connect(options).await;
    let room = conversation(1);
    say(&*log, room, "before").await.unwrap();
    server.pause().unwrap();
    let waiting: Vec<_> = (0..10)
        .map(|n| {
            let log: Arc<_> = log.clone();
            tokio::spawn(async move {
                loop {
                    match say(&*log, room, &n.to_string()).await {
                        // The probe below had the last place for a moment.
                        Err(BusError::Full(Full::Window)) => tokio::task::yield_now().await,
                        outcome => return outcome,
                    }
                }
            })
        })
        .collect();
    until("the window is full", || {
        let one_more = futures_util::FutureExt::now_or_never(say(&*log, room, "one more"));
        matches!(one_more, Some(Err(BusError::Full(Full::Window))))
    })
    .await;
    for outcome in timeout(PATIENCE, join_all(waiting)).await.expect("a deadline") {
        assert!(matches!(outcome.unwrap(), Err(BusError::Unknown)), "it was sent, and nobody answered");
    }
    server.resume().unwrap();
    for n in 0..10 {
        insist(&*log, room, &n.to_string()).await;
    }
    let said = read(&*log, room).await;
    let mut texts: Vec<_> = said.iter().map(|event| String::from_utf8_lossy(&event.event).into_owned()).collect();
    texts.retain(|text| text != "one more");
    texts.sort();
    assert_eq!(texts, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "before"]);
}
