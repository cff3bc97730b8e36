//! Live events: only what is stored, in order, and honest about what was missed.

use bytes::Bytes;
use chat_bus::{Doubt, Live, Prev, Replay, Topic, carrying};
use chat_protocol::{NodeId, Seq, trace::TraceParent};
use futures_util::{StreamExt, future::join_all};
use tokio::time::timeout;

use super::world::{PATIENCE, Tuning, World, append, conversation, fresh, hear, hear_event, say, text, work};

pub async fn what_is_heard_is_stored_and_in_order<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    let mut live = log.live(room).await.unwrap();
    let mut last = Prev::AskTheLog;
    for n in 0..20 {
        let seq = say(&*log, room, &n.to_string()).await;
        say(&*log, conversation(), "elsewhere").await;
        let heard = hear_event(&mut live).await;
        assert_eq!((heard.seq, text(&heard)), (seq, &*n.to_string()));
        assert_eq!(heard.prev, last);
        let stored = log.tail(room, Seq::new(seq.get() - 1).unwrap(), 1).await.unwrap();
        assert_eq!(stored[0].event, heard.event);
        last = Prev::Known(seq);
    }
}

pub async fn every_listener_hears_all_and_leaving_one_leaves_the_others<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    let (mut one, two) = (log.live(room).await.unwrap(), log.live(room).await.unwrap());
    let mut three = log.live(room).await.unwrap();
    drop(two);
    let seq = say(&*log, room, "hi").await;
    assert_eq!(hear_event(&mut one).await.seq, seq);
    assert_eq!(hear_event(&mut three).await.seq, seq);
}

pub async fn a_duplicate_is_not_heard_again<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    let mut live = log.live(room).await.unwrap();
    say(&*log, room, "once").await;
    assert!(append(&*log, room, "once", None).await.unwrap().duplicate);
    say(&*log, room, "after").await;
    assert_eq!(text(&hear_event(&mut live).await), "once");
    assert_eq!(text(&hear_event(&mut live).await), "after");
}

pub async fn a_slow_reader_is_told_and_a_replay_repairs_it<W: World>() {
    let world = W::start(Tuning { live_behind: 16, ..Tuning::default() }).await;
    let log = world.open().await;
    let room = conversation();
    let mut live = log.live(room).await.unwrap();
    let names: Vec<_> = (0..2_000).map(|n| n.to_string()).collect();
    for some in names.chunks(200) {
        join_all(some.iter().map(|name| say(&*log, room, name))).await;
    }
    loop {
        if let Live::Doubtful(doubt) = hear(&mut live).await {
            assert_eq!(doubt, Doubt::Overflow);
            break;
        }
    }
    let mut repaired = 0;
    let mut after = Seq::ZERO;
    while let Replay::More(events) | Replay::Recovered(events) = log.replay(room, after, 500).await.unwrap() {
        let Some(last) = events.last() else { break };
        after = last.seq;
        repaired += events.len();
    }
    assert_eq!(repaired, 2_000);
    // And it goes on: once the reader has caught up, it hears what is new.
    let mut newest = say(&*log, room, "new").await;
    loop {
        match hear(&mut live).await {
            Live::Event(event) if event.seq == newest => break,
            Live::Event(_) => {}
            Live::Doubtful(_) => newest = say(&*log, room, &format!("newer than {newest}")).await,
        }
    }
}

/// Subscribe, then replay, then merge by position: nothing is missing and nothing comes twice.
pub async fn following_under_concurrent_appends_misses_nothing<W: World>() {
    let world = W::start(Tuning { live_behind: 4_096, ..Tuning::default() }).await;
    let log: std::sync::Arc<dyn chat_bus::Log> = world.open().await.into();
    let room = conversation();
    const TALKERS: usize = 4;
    const EACH: usize = 100;
    let talkers = (0..TALKERS).map(|talker| {
        let log = log.clone();
        tokio::spawn(async move {
            for n in 0..EACH {
                say(&*log, room, &format!("{talker}/{n}")).await;
            }
        })
    });
    let talkers: Vec<_> = talkers.collect();
    let followers = (0..6).map(|_| {
        let log = log.clone();
        tokio::spawn(async move {
            let mut live = log.live(room).await.unwrap();
            let mut view = Vec::new();
            loop {
                let after = view.last().map_or(Seq::ZERO, |event: &chat_bus::Logged| event.seq);
                match log.replay(room, after, 50).await.unwrap() {
                    Replay::More(events) => view.extend(events),
                    Replay::Recovered(events) => {
                        view.extend(events);
                        break;
                    }
                    other => panic!("{other:?}"),
                }
            }
            while view.len() < TALKERS * EACH {
                let event = hear_event(&mut live).await;
                let last = view.last().map(|event| event.seq);
                if last.is_none_or(|last| event.seq > last) {
                    assert_eq!(event.prev, last.map_or(Prev::AskTheLog, Prev::Known), "no gap");
                    view.push(event);
                }
            }
            view.into_iter().map(|event| event.seq).collect::<Vec<_>>()
        })
    });
    let views: Vec<_> = timeout(PATIENCE, join_all(followers.collect::<Vec<_>>())).await.expect("all is heard");
    for talker in talkers {
        talker.await.unwrap();
    }
    let mut all = Vec::new();
    while let Replay::More(events) | Replay::Recovered(events) =
        log.replay(room, all.last().copied().unwrap_or(Seq::ZERO), 500).await.unwrap()
    {
        if events.is_empty() {
            break;
        }
        all.extend(events.into_iter().map(|event| event.seq));
    }
    assert_eq!(all.len(), TALKERS * EACH);
    for view in views {
        assert_eq!(view.unwrap(), all);
    }
}

pub async fn signals_reach_those_who_listen_to_the_topic<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = Topic::Conversation(conversation());
    for topic in [room.clone(), Topic::Revocations, Topic::Beats, Topic::Answers(NodeId::from_u128(3))] {
        let mut heard = log.listen(&topic).await.unwrap();
        let mut elsewhere = log.listen(&Topic::Conversation(conversation())).await.unwrap();
        log.emit(&topic, Bytes::from("signal")).await.unwrap();
        let signal = timeout(PATIENCE, heard.next()).await.expect("heard in time");
        assert_eq!(signal, Some(Bytes::from("signal")));
        assert!(futures_util::poll!(elsewhere.next()).is_pending());
    }
}

pub async fn a_trace_goes_with_what_is_appended_inside_it<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    let mut live = log.live(room).await.unwrap();
    let parent = TraceParent { trace: 7, span: 8 };
    carrying(parent, say(&*log, room, "traced")).await;
    say(&*log, room, "alone").await;
    let heard = [hear_event(&mut live).await.trace, hear_event(&mut live).await.trace];
    assert_eq!(heard.map(|trace| trace.as_deref().copied()), [Some(parent), None], "live");
    let mut stream = log.consume(log.shard_of(room)).await.unwrap();
    let worked = [work(&mut stream).await.logged.trace, work(&mut stream).await.logged.trace];
    assert_eq!(worked.map(|trace| trace.as_deref().copied()), [Some(parent), None], "as work");
}
