//! Three copies, and the death of a leader (F6, in its short form).

use std::time::Duration;

use chat_bus::{Doubt, Log, NatsOptions, nats::SyncInterval};
use chat_testkit::servers::{Fsync, NatsCluster};
use tokio::time::Instant;

use super::words::{PATIENCE, connect, conversation, hear_doubt, hear_event, insist, options, read};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_death_of_a_leader_loses_nothing_and_is_noticed() {
    let mut cluster =
        NatsCluster::start(chat_testkit::servers::NatsOptions { fsync: Fsync::Always, ..Default::default() })
            .await
            .unwrap();
    let options = NatsOptions { shards: 1, replicas: 3, sync: SyncInterval::Always, ..options(&cluster.url()) };
    let log = connect(options).await;
    assert_eq!(log.status().durability.profile, "durable");
    let room = conversation(1);
    let mut live = log.live(room).await.unwrap();
    let mut said = Vec::new();
    for n in 0..50 {
        said.push(insist(&*log, room, &n.to_string()).await.seq);
    }

    let leader = cluster.leader_of("CHAT_0").await.unwrap();
    cluster[leader].kill9();
    let killed = Instant::now();
    said.push(insist(&*log, room, "through another leader").await.seq);
    assert!(killed.elapsed() < PATIENCE);
    let doubt = hear_doubt(&mut live).await;
    assert!(matches!(doubt, Doubt::NewLeader | Doubt::Disconnect), "{doubt:?}");
    for n in 50..100 {
        said.push(insist(&*log, room, &n.to_string()).await.seq);
    }
    hear_event(&mut live, *said.last().unwrap()).await;

    cluster[leader].restart().await.unwrap();
    cluster.until_ready().await.unwrap();
    for fresh in [false, true] {
        assert_eq!(log.heads(&[room, conversation(2)], fresh).await.unwrap(), [said.last().copied(), None]);
    }
    let read: Vec<_> = read(&*log, room).await.into_iter().map(|event| event.seq).collect();
    assert_eq!(read, said, "all of it, once, in order");
    assert_eq!(log.status().went_back, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_nothing_is_acknowledged_and_nobody_waits_long() {
    let mut cluster = NatsCluster::start(Default::default()).await.unwrap();
    let append_timeout = Duration::from_secs(2);
    let log = connect(NatsOptions { shards: 1, replicas: 3, append_timeout, ..options(&cluster.url()) }).await;
    let room = conversation(1);
    let before = insist(&*log, room, "before").await.seq;
    cluster[0].kill9();
    cluster[1].kill9();
    for n in 0..5 {
        let asked = Instant::now();
        let outcome = super::words::say(&*log, room, &format!("without {n}")).await;
        assert!(outcome.is_err(), "{outcome:?}");
        assert!(asked.elapsed() < append_timeout + Duration::from_secs(1), "{:?}", asked.elapsed());
    }
    cluster[0].launch().unwrap();
    cluster[1].launch().unwrap();
    cluster.until_ready().await.unwrap();
    let after = insist(&*log, room, "after").await.seq;
    assert!(after > before);
    let stored = read(&*log, room).await;
    assert_eq!(stored.last().map(|event| event.seq), Some(after));
}
