//! Shared work: at least once, until acknowledged, never skipped.

use std::{collections::BTreeSet, time::Duration};

use chat_bus::{Log, Prev};
use chat_protocol::{ConversationId, Seq, Shard};
use futures_util::{StreamExt, future::join_all};
use tokio::time::{Instant, timeout};

use super::world::{PATIENCE, Tuning, World, conversation, fresh, say, text, work};

const HERE: Shard = match Shard::new(0) {
    Some(shard) => shard,
    None => panic!("zero is a shard"),
};

/// A conversation of the shard that is worked on.
fn room_here(log: &dyn Log) -> ConversationId {
    std::iter::repeat_with(conversation).find(|room| log.shard_of(*room) == HERE).unwrap()
}

/// Waits until consumers have come so far.
async fn settles(log: &dyn Log, at: Seq) {
    let end = Instant::now() + PATIENCE;
    while log.shard_state(HERE).await.unwrap().settled < at {
        assert!(Instant::now() < end, "it never settled");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn everything_of_a_shard_is_delivered_oldest_first<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let (one, two) = (room_here(&*log), room_here(&*log));
    let mut said = Vec::new();
    for n in 0..10 {
        said.push((one, say(&*log, one, &n.to_string()).await));
        said.push((two, say(&*log, two, &n.to_string()).await));
    }
    let mut stream = log.consume(HERE).await.unwrap();
    for (room, seq) in &said {
        let delivery = work(&mut stream).await;
        assert_eq!((delivery.conversation, delivery.logged.seq), (*room, *seq));
        assert_eq!((delivery.logged.prev, delivery.redelivered), (Prev::AskTheLog, 0));
        delivery.settle.ack().await.unwrap();
    }
    settles(&*log, said.last().unwrap().1).await;
    assert_eq!(log.shard_state(HERE).await.unwrap().pending, 0);
    // What comes later is delivered to who waits.
    let (delivery, _) = tokio::join!(work(&mut stream), say(&*log, one, "later"));
    assert_eq!(text(&delivery.logged), "later");
}

pub async fn what_is_not_settled_comes_again<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = room_here(&*log);
    let seq = say(&*log, room, "hi").await;
    let mut stream = log.consume(HERE).await.unwrap();
    for round in 0..3 {
        let delivery = work(&mut stream).await;
        assert_eq!((delivery.logged.seq, delivery.redelivered), (seq, round));
        if round == 2 {
            delivery.settle.ack().await.unwrap();
        }
    }
    settles(&*log, seq).await;
}

pub async fn a_retry_comes_again_but_not_before_its_time<W: World>() {
    let world = W::start(Tuning { ack_wait: Duration::from_secs(60), ..Tuning::default() }).await;
    let log = world.open().await;
    let room = room_here(&*log);
    say(&*log, room, "first").await;
    let mut stream = log.consume(HERE).await.unwrap();
    let delivery = work(&mut stream).await;
    let asked = Instant::now();
    delivery.settle.retry(Duration::from_millis(700)).await.unwrap();
    say(&*log, room, "second").await;
    let second = work(&mut stream).await;
    assert_eq!(text(&second.logged), "second", "nobody waits for the one that is retried");
    second.settle.ack().await.unwrap();
    let again = work(&mut stream).await;
    assert_eq!((text(&again.logged), again.redelivered), ("first", 1));
    assert!(asked.elapsed() >= Duration::from_millis(650), "{:?}", asked.elapsed());
}

pub async fn two_consumers_share_the_work<W: World>() {
    let world = W::start(Tuning { ack_wait: Duration::from_secs(60), ..Tuning::default() }).await;
    let log = world.open().await;
    let room = room_here(&*log);
    let names: Vec<_> = (0..1_200).map(|n| n.to_string()).collect();
    let mut said = BTreeSet::new();
    for some in names.chunks(200) {
        said.extend(join_all(some.iter().map(|name| say(&*log, room, name))).await);
    }
    let (mut one, mut two) = (log.consume(HERE).await.unwrap(), log.consume(HERE).await.unwrap());
    let (mut seen, mut of_two) = (BTreeSet::new(), 0);
    timeout(PATIENCE, async {
        while seen.len() < said.len() {
            let (delivery, second) = tokio::select! {
                delivery = one.next() => (delivery, false),
                delivery = two.next() => (delivery, true),
            };
            let delivery = delivery.expect("the streams go on");
            assert!(seen.insert(delivery.logged.seq), "nobody else has it");
            of_two += usize::from(second);
            delivery.settle.ack().await.unwrap();
        }
    })
    .await
    .expect("all is delivered");
    assert_eq!(seen, said);
    assert!(of_two > 0 && of_two < said.len(), "{of_two} of {}", said.len());
}

pub async fn acknowledging_out_of_order_skips_nothing<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = room_here(&*log);
    let mut said = Vec::new();
    for n in 0..6 {
        said.push(say(&*log, room, &n.to_string()).await);
    }
    let mut stream = log.consume(HERE).await.unwrap();
    let mut deliveries = Vec::new();
    for _ in 0..6 {
        deliveries.push(work(&mut stream).await);
    }
    let left = deliveries.remove(2);
    for delivery in deliveries.into_iter().rev() {
        delivery.settle.ack().await.unwrap();
    }
    settles(&*log, said[1]).await;
    let state = log.shard_state(HERE).await.unwrap();
    assert_eq!((state.settled, state.pending), (said[1], 1), "the floor stays below the one that is open");
    drop(left);
    let again = work(&mut stream).await;
    assert_eq!((again.logged.seq, again.redelivered), (said[2], 1));
    again.settle.ack().await.unwrap();
    settles(&*log, said[5]).await;
}

pub async fn a_restart_goes_on_after_what_was_settled<W: World>() {
    let (world, log) = fresh::<W>().await;
    let room = room_here(&*log);
    let mut said = Vec::new();
    for n in 0..10 {
        said.push(say(&*log, room, &n.to_string()).await);
    }
    let mut stream = log.consume(HERE).await.unwrap();
    for _ in 0..4 {
        work(&mut stream).await.settle.ack().await.unwrap();
    }
    settles(&*log, said[3]).await;
    let lost = work(&mut stream).await;
    drop((lost, stream, log));

    let log = world.open().await;
    let mut stream = log.consume(HERE).await.unwrap();
    let mut open: BTreeSet<_> = said[4..].iter().copied().collect();
    while !open.is_empty() {
        let delivery = work(&mut stream).await;
        assert!(open.remove(&delivery.logged.seq), "{} was settled before", delivery.logged.seq);
        delivery.settle.ack().await.unwrap();
    }
}

pub async fn what_a_consumer_left_behind_goes_to_the_next<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = room_here(&*log);
    let mut said = BTreeSet::new();
    for n in 0..10 {
        said.insert(say(&*log, room, &n.to_string()).await);
    }
    let mut first = log.consume(HERE).await.unwrap();
    let taken = work(&mut first).await;
    drop((taken, first));
    let mut second = log.consume(HERE).await.unwrap();
    while !said.is_empty() {
        let delivery = work(&mut second).await;
        said.remove(&delivery.logged.seq);
        delivery.settle.ack().await.unwrap();
    }
}
