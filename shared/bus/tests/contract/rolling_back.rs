//! A log that went back is noticed, refuses, and goes on above everything.

use chat_bus::{BusError, Replay};
use chat_protocol::Seq;

use super::world::{World, append, conversation, fresh, hear_event, say, texts};

pub async fn a_mark_below_the_head_changes_nothing<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    let seq = say(&*log, room, "hi").await;
    log.guard(log.shard_of(room), seq).await.unwrap();
    assert_eq!(log.status().went_back, []);
    say(&*log, room, "again").await;
}

pub async fn a_log_behind_its_mark_refuses_until_it_is_moved_ahead<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    let shard = log.shard_of(room);
    let held = say(&*log, room, "held").await;
    let mark = Seq::new(held.get() + 1_000).unwrap();
    log.guard(shard, mark).await.unwrap();
    assert_eq!(log.status().went_back, [shard]);
    assert!(matches!(append(&*log, room, "refused", None).await, Err(BusError::WentBack { shard: of }) if of == shard));
    assert_eq!(texts(&log.tail(room, Seq::ZERO, 9).await.unwrap()), ["held"], "what it holds can be read");

    let mut live = log.live(room).await.unwrap();
    let floor = log.rebase(shard).await.unwrap();
    assert!(floor > mark);
    assert_eq!(log.status().went_back, []);
    let seq = say(&*log, room, "new").await;
    assert!(seq >= floor);
    assert_eq!(hear_event(&mut live).await.seq, seq);
    let state = log.shard_state(shard).await.unwrap();
    assert_eq!((state.first, state.last), (floor, seq));
    assert!(
        matches!(log.replay(room, held, 9).await.unwrap(), Replay::TooOld { first, head } if (first, head) == (floor, seq))
    );
    assert!(matches!(log.replay(room, Seq::ZERO, 9).await.unwrap(), Replay::TooOld { .. }), "it dropped something");
}

pub async fn an_empty_log_behind_its_mark_went_back_too<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    let shard = log.shard_of(room);
    let last = log.shard_state(shard).await.unwrap().last;
    log.guard(shard, last.next()).await.unwrap();
    assert!(matches!(append(&*log, room, "refused", None).await, Err(BusError::WentBack { .. })));
    assert!(log.rebase(shard).await.unwrap() > last.next());
    say(&*log, room, "new").await;
}

pub async fn positions_go_on_after_a_restart<W: World>() {
    let (world, log) = fresh::<W>().await;
    let room = conversation();
    let shard = log.shard_of(room);
    let before = say(&*log, room, "before").await;
    log.guard(shard, before.next()).await.unwrap();
    let floor = log.rebase(shard).await.unwrap();
    drop(log);
    let log = world.open().await;
    let after = say(&*log, room, "after").await;
    assert!(after >= floor && floor > before, "{before} < {floor} <= {after}");
    drop(log);
    let log = world.open().await;
    assert!(say(&*log, room, "later").await > after);
}
