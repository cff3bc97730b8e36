//! Appends: order, the chain of `prev`, compare-and-append, bounds.

use bytes::Bytes;
use chat_bus::{BusError, Prev, Replay};
use chat_protocol::Seq;
use futures_util::future::join_all;

use super::world::{World, append, conversation, fresh, nonce, say, texts};

pub async fn a_conversation_is_one_chain_in_the_order_of_its_appends<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let (here, elsewhere) = (conversation(), conversation());
    let mut seqs = Vec::new();
    for n in 0..20 {
        seqs.push(say(&*log, here, &n.to_string()).await);
        say(&*log, elsewhere, &n.to_string()).await;
    }
    assert!(seqs.is_sorted_by(|a, b| a < b));

    let Replay::Recovered(events) = log.replay(here, Seq::ZERO, 100).await.unwrap() else { panic!("all is there") };
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), seqs);
    assert_eq!(texts(&events), (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    for (event, before) in events[1..].iter().zip(&seqs) {
        assert!(event.prev == Prev::Known(*before) || event.prev == Prev::AskTheLog);
    }
    assert_eq!(events[0].prev, Prev::AskTheLog);
}

pub async fn many_at_once_get_a_position_each<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    let names: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    let mut seqs: Vec<_> = join_all(names.iter().map(|name| say(&*log, room, name))).await;
    seqs.sort_unstable();
    seqs.dedup();
    assert_eq!(seqs.len(), 300);
    let shard = log.shard_state(log.shard_of(room)).await.unwrap();
    assert_eq!(shard.last, *seqs.last().unwrap());
    assert!(shard.bytes > 0);
}

pub async fn of_many_who_expect_the_same_head_one_wins<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    let mut head = Seq::ZERO;
    for round in 0..10 {
        let names: Vec<_> = (0..8).map(|n| format!("{round}/{n}")).collect();
        let outcomes = join_all(names.iter().map(|name| append(&*log, room, name, Some(head)))).await;
        let mut won = Vec::new();
        for outcome in outcomes {
            match outcome {
                Ok(appended) => won.push(appended.seq),
                Err(BusError::WrongHead(_)) => {}
                Err(err) => panic!("{err}"),
            }
        }
        assert_eq!(won.len(), 1, "round {round}");
        head = won[0];
    }
    match append(&*log, room, "late", Some(Seq::ZERO)).await {
        Err(BusError::WrongHead(known)) => assert!(known.is_none_or(|known| known == head)),
        other => panic!("{other:?}"),
    }
    assert_eq!(log.heads(&[room], true).await.unwrap(), [Some(head)], "who lost stored nothing");
}

pub async fn an_event_that_is_too_large_is_refused_and_the_next_one_is_not<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    let huge = Bytes::from(vec![b'x'; (1 << 20) + 1]);
    assert!(matches!(log.append(room, nonce("huge"), huge, None).await, Err(BusError::TooLarge)));
    say(&*log, room, "small").await;
}
