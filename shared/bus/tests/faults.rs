//! The faulty log does what it says, the same for the same seed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chat_bus::{
    BusError, Live, Log, Nonce,
    embedded::{Embedded, Options, open_database},
    faults::{Faults, Faulty},
};
use chat_protocol::{ConversationId, Seq};
use futures_util::StreamExt;
use tempfile::TempDir;
use tokio::time::timeout;

const ROOM: ConversationId = ConversationId::from_u128(7);

fn faulty(faults: Faults) -> (TempDir, Faulty) {
    let dir = TempDir::new().unwrap();
    let log = Embedded::open(open_database(dir.path()).unwrap(), Options::default()).unwrap();
    (dir, Faulty::over(Arc::new(log), faults))
}

async fn say(log: &Faulty, text: String) -> Result<Seq, BusError> {
    Ok(log.append(ROOM, Nonce::hash(&[text.as_bytes()]), Bytes::from(text), None).await?.seq)
}

/// What is heard of 100 events, as their numbers, until nothing more comes.
async fn heard_of_a_hundred(faults: Faults) -> Vec<String> {
    let (_dir, log) = faulty(faults);
    let mut live = log.live(ROOM).await.unwrap();
    for n in 0..100 {
        say(&log, n.to_string()).await.unwrap();
    }
    // The end comes with the log's.
    drop(log);
    let mut heard = Vec::new();
    while let Some(item) = timeout(Duration::from_secs(30), live.next()).await.expect("ends in time") {
        let Live::Event(event) = item else { panic!("{item:?}") };
        heard.push(String::from_utf8(event.event.to_vec()).unwrap());
    }
    heard
}

#[tokio::test]
async fn without_faults_nothing_changes() {
    assert_eq!(heard_of_a_hundred(Faults::default()).await, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn live_events_are_lost_and_doubled_as_the_seed_says() {
    let faults = Faults { seed: 5, live_lost: 0.3, live_doubled: 0.3, ..Faults::default() };
    let heard = heard_of_a_hundred(faults.clone()).await;
    let mut distinct = heard.clone();
    distinct.dedup();
    assert!((40..100).contains(&distinct.len()), "some are lost: {}", distinct.len());
    assert!(heard.len() > distinct.len(), "some come twice");
    assert_eq!(heard_of_a_hundred(faults.clone()).await, heard, "the same seed, the same faults");
    assert_ne!(heard_of_a_hundred(Faults { seed: 6, ..faults }).await, heard);
}

#[tokio::test]
async fn an_unknown_append_is_stored() {
    let (_dir, log) = faulty(Faults { append_unknown: 1.0, ..Faults::default() });
    assert!(matches!(say(&log, "hi".to_owned()).await, Err(BusError::Unknown)));
    assert_eq!(log.tail(ROOM, Seq::ZERO, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn with_dedupe_off_a_retry_is_stored_twice() {
    let (_dir, log) = faulty(Faults { dedupe_off: true, ..Faults::default() });
    let first = say(&log, "hi".to_owned()).await.unwrap();
    assert!(say(&log, "hi".to_owned()).await.unwrap() > first);
}
