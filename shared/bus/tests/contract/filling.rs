//! Every bound has an answer, and a refusal means: not stored.

use bytes::Bytes;
use chat_bus::{BusError, Full};
use chat_protocol::Seq;
use futures_util::future::join_all;

use super::world::{Tuning, World, append, conversation, nonce};

pub async fn beyond_the_window_appends_are_refused_and_not_stored<W: World>() {
    let world = W::start(Tuning { append_window: 4, ..Tuning::default() }).await;
    let log = world.open().await;
    let room = conversation();
    let names: Vec<_> = (0..500).map(|n| n.to_string()).collect();
    let outcomes = join_all(names.iter().map(|name| append(&*log, room, name, None))).await;
    let (mut stored, mut refused) = (Vec::new(), Vec::new());
    for (name, outcome) in names.iter().zip(outcomes) {
        match outcome {
            Ok(appended) => stored.push(appended.seq),
            Err(BusError::Full(Full::Window)) => refused.push(name),
            Err(err) => panic!("{err}"),
        }
    }
    assert!(!refused.is_empty() && !stored.is_empty());
    stored.sort_unstable();
    let held: Vec<_> = log.tail(room, Seq::ZERO, 1_000).await.unwrap().iter().map(|event| event.seq).collect();
    assert_eq!(held, stored);
    let retried = append(&*log, room, refused[0], None).await.unwrap();
    assert!(!retried.duplicate, "what was refused is not known");
}

pub async fn a_full_log_refuses_and_is_still_read<W: World>() {
    let world = W::start(Tuning { bytes_max: 512 * 1024, shards: 1, ..Tuning::default() }).await;
    let log = world.open().await;
    let room = conversation();
    let mut stored = Vec::new();
    let refused = loop {
        let n = stored.len();
        assert!(n < 1_000, "it never fills");
        match log.append(room, nonce(n.to_string()), Bytes::from(vec![b'x'; 10_000]), None).await {
            Ok(appended) => stored.push(appended.seq),
            Err(err) => break err,
        }
    };
    assert!(matches!(refused, BusError::Full(Full::Storage)), "{refused:?}");
    assert!(stored.len() > 20);
    let held: Vec<_> = log.tail(room, Seq::ZERO, 1_000).await.unwrap().iter().map(|event| event.seq).collect();
    assert_eq!(held, stored);
}
