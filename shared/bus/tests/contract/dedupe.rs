//! One event for one nonce, inside the window.

use std::time::Duration;

use bytes::Bytes;
use chat_bus::{Nonce, Replay};
use chat_protocol::{ClientId, Seq, UserId};
use futures_util::future::join_all;

use super::world::{Tuning, World, append, conversation, fresh, nonce, say, texts};

pub async fn a_repeated_nonce_gives_the_first_position<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    let first = append(&*log, room, "once", None).await.unwrap();
    assert!(!first.duplicate);
    say(&*log, room, "between").await;
    let again = append(&*log, room, "once", None).await.unwrap();
    assert_eq!((again.seq, again.duplicate), (first.seq, true));
    let Replay::Recovered(events) = log.replay(room, Seq::ZERO, 9).await.unwrap() else { panic!("all is there") };
    assert_eq!(texts(&events), ["once", "between"]);
}

pub async fn duplicates_in_flight_all_get_the_first_position<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    for round in 0..10 {
        let name = format!("round {round}");
        let outcomes = join_all((0..8).map(|_| append(&*log, room, &name, None))).await;
        let outcomes: Vec<_> = outcomes.into_iter().map(|outcome| outcome.expect("appended")).collect();
        assert!(outcomes.iter().all(|appended| appended.seq == outcomes[0].seq), "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|appended| !appended.duplicate).count(), 1, "{outcomes:?}");
    }
}

pub async fn two_senders_with_the_same_client_id_are_two_messages<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    let id = ClientId::ulid(1, 2);
    for sender in [1, 2].map(UserId::from_u128) {
        let stored = log.append(room, Nonce::message(room, sender, id), Bytes::from("hi"), None).await.unwrap();
        assert!(!stored.duplicate);
    }
}

pub async fn a_nonce_is_known_after_a_restart<W: World>() {
    let (world, log) = fresh::<W>().await;
    let room = conversation();
    let first = say(&*log, room, "once").await;
    drop(log);
    let log = world.open().await;
    let again = append(&*log, room, "once", None).await.unwrap();
    assert_eq!((again.seq, again.duplicate), (first, true));
}

pub async fn after_the_window_a_nonce_is_new<W: World>() {
    let world = W::start(Tuning { dedupe_window: Duration::from_millis(500), ..Tuning::default() }).await;
    let log = world.open().await;
    let room = conversation();
    let first = log.append(room, nonce("n"), Bytes::from("1"), None).await.unwrap().seq;
    // Time itself is what is tested: there is no other sign of a window's end.
    let end = tokio::time::Instant::now() + super::world::PATIENCE;
    loop {
        let again = log.append(room, nonce("n"), Bytes::from("2"), None).await.unwrap();
        if !again.duplicate {
            assert!(again.seq > first);
            break;
        }
        assert!(tokio::time::Instant::now() < end, "the window never ended");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub async fn a_duplicate_is_recognised_before_the_head_is_compared<W: World>() {
    let (_world, log) = fresh::<W>().await;
    let room = conversation();
    let first = append(&*log, room, "made", Some(Seq::ZERO)).await.unwrap();
    let retried = append(&*log, room, "made", Some(Seq::ZERO)).await.unwrap();
    assert_eq!((retried.seq, retried.duplicate), (first.seq, true));
}
