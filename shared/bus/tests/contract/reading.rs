//! Replay, tail and heads.

use chat_bus::Replay;
use chat_protocol::Seq;
use futures_util::future::join_all;

use super::world::{World, conversation, fresh, say, texts};

pub async fn a_replay_in_pages_is_the_whole_conversation<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let (room, other) = (conversation(), conversation());
    for n in 0..25 {
        say(&*log, room, &n.to_string()).await;
        say(&*log, other, &n.to_string()).await;
    }
    let (mut after, mut read, mut pages) = (Seq::ZERO, Vec::new(), 0);
    loop {
        pages += 1;
        match log.replay(room, after, 10).await.unwrap() {
            Replay::More(events) => {
                assert_eq!(events.len(), 10);
                after = events.last().unwrap().seq;
                read.extend(events);
            }
            Replay::Recovered(events) => {
                read.extend(events);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(pages, 3);
    assert_eq!(texts(&read), (0..25).map(|n| n.to_string()).collect::<Vec<_>>());
}

pub async fn a_page_that_is_exactly_full_is_the_last_one<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    for n in 0..10 {
        say(&*log, room, &n.to_string()).await;
    }
    assert!(matches!(log.replay(room, Seq::ZERO, 10).await.unwrap(), Replay::Recovered(events) if events.len() == 10));
}

pub async fn nothing_newer_is_recovered_and_empty<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    let last = say(&*log, room, "hi").await;
    assert_eq!(log.replay(room, last, 10).await.unwrap(), Replay::Recovered(Vec::new()));
    assert_eq!(log.replay(conversation(), Seq::ZERO, 10).await.unwrap(), Replay::Recovered(Vec::new()));
}

pub async fn a_cursor_from_before_this_log_is_too_old<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    let head = say(&*log, room, "hi").await;
    let first = log.shard_state(log.shard_of(room)).await.unwrap().first;
    let long_ago = Seq::new(7).unwrap();
    assert_eq!(log.replay(room, long_ago, 10).await.unwrap(), Replay::TooOld { first, head });
    assert_eq!(texts(&log.tail(room, long_ago, 10).await.unwrap()), ["hi"], "the tail claims nothing, so it answers");
}

pub async fn a_cursor_above_the_log_is_ahead<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    let head = say(&*log, room, "hi").await;
    let last = log.shard_state(log.shard_of(room)).await.unwrap().last;
    assert_eq!(log.replay(room, last.next(), 10).await.unwrap(), Replay::Ahead { head });
    assert_eq!(log.replay(room, Seq::MAX, 10).await.unwrap(), Replay::Ahead { head });
}

pub async fn a_tail_is_bounded_and_oldest_first<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    let first = say(&*log, room, "0").await;
    for n in 1..10 {
        say(&*log, room, &n.to_string()).await;
    }
    assert_eq!(texts(&log.tail(room, first, 3).await.unwrap()), ["1", "2", "3"]);
    assert_eq!(log.tail(conversation(), Seq::ZERO, 3).await.unwrap(), []);
}

pub async fn heads_of_very_many_come_in_the_order_asked<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let rooms: Vec<_> = (0..1_500).map(|_| conversation()).collect();
    let mut heads = Vec::new();
    for some in rooms.chunks(100) {
        heads.extend(join_all(some.iter().map(|room| say(&*log, *room, "hi"))).await.into_iter().map(Some));
    }
    let newer = say(&*log, rooms[700], "again").await;
    heads[700] = Some(newer);
    let mut asked = rooms.clone();
    asked.insert(3, conversation());
    heads.insert(3, None);
    for fresh in [false, true] {
        assert_eq!(log.heads(&asked, fresh).await.unwrap(), heads);
    }
    assert_eq!(log.heads(&[], true).await.unwrap(), []);
}

pub async fn the_newest_events_of_very_many_say_up_to_where_they_are_known<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let rooms: Vec<_> = (0..1_200).map(|_| conversation()).collect();
    for some in rooms.chunks(100) {
        join_all(some.iter().map(|room| say(&*log, *room, "old"))).await;
    }
    join_all(rooms.iter().step_by(100).map(|room| say(&*log, *room, "new"))).await;
    let mut asked = rooms.clone();
    asked.insert(3, conversation());

    let newest = log.newest(&asked).await.unwrap();
    let heads: Vec<_> = newest.events.iter().map(|event| event.as_ref().map(|event| event.seq)).collect();
    assert_eq!(heads, log.heads(&asked, true).await.unwrap());
    for (room, event) in asked.iter().zip(&newest.events).filter(|(room, _)| rooms.contains(room)) {
        let place = rooms.iter().position(|other| other == room).unwrap();
        let text = if place.is_multiple_of(100) { "new" } else { "old" };
        assert_eq!(texts(event.as_slice()), [text]);
        assert!(newest.known_to[&log.shard_of(*room)] >= event.as_ref().unwrap().seq);
    }

    // Whatever comes later is beyond what was known.
    let later = say(&*log, rooms[0], "later").await;
    assert!(newest.known_to[&log.shard_of(rooms[0])] < later);
    assert_eq!(log.newest(&[]).await.unwrap(), Default::default());
}
