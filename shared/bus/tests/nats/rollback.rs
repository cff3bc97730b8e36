//! A volume that is older than what was given out, and one that is gone (F8).

use std::{fs, path::Path};

use chat_bus::{BusError, Log};
use chat_protocol::{ConversationId, Shard};
use tokio::time::{Instant, sleep};

use super::words::{PATIENCE, connect, conversation, hear_event, insist, options, read, say, server, until};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Appends until the log refuses because it went back.
async fn went_back(log: &dyn Log, room: ConversationId) -> Shard {
    let end = Instant::now() + PATIENCE;
    loop {
        match say(log, room, "into the past").await {
            Err(BusError::WentBack { shard }) => return shard,
            Err(BusError::Unavailable) => assert!(Instant::now() < end, "never noticed"),
            other => panic!("a position was given out again: {other:?}"),
        }
        sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_volume_is_noticed_before_a_position_is_given_out_again() {
    let mut server = server().await;
    let (log, other) = (connect(options(&server.url())).await, connect(options(&server.url())).await);
    let room = conversation(1);
    let kept = insist(&*log, room, "kept").await.seq;
    server.terminate().await.unwrap();
    let backup = tempfile::tempdir().unwrap();
    copy(&server.data_dir(), backup.path());

    server.restart().await.unwrap();
    insist(&*log, room, "lost one").await;
    let lost = insist(&*log, room, "lost two").await.seq;
    server.kill9();
    server.wipe().unwrap();
    copy(backup.path(), &server.data_dir());
    server.restart().await.unwrap();

    // Nobody brought a mark: what this node itself saw is enough.
    let shard = went_back(&*log, room).await;
    assert_eq!(log.status().went_back, [shard]);
    until("it can be read", || log.status().connected).await;
    assert_eq!(log.tail(room, chat_protocol::Seq::ZERO, 9).await.unwrap().len(), 1, "what it holds can be read");
    // The other node saw nothing; the store's mark tells it.
    until("the other node is back", || other.status().connected).await;
    other.guard(shard, lost).await.unwrap();
    assert_eq!(other.status().went_back, [shard]);

    let mut live = log.live(room).await.unwrap();
    let floor = other.rebase(shard).await.unwrap();
    assert!(floor > lost && lost > kept);
    let again = log.rebase(shard).await.unwrap();
    assert_eq!(again, floor, "moved once, whoever asks");
    until("this node noticed", || log.status().went_back.is_empty()).await;
    let seq = insist(&*log, room, "after").await.seq;
    assert!(seq >= floor, "{seq} {floor}");
    hear_event(&mut live, seq).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_gone_is_made_anew_above_every_position() {
    let mut server = server().await;
    let log = connect(options(&server.url())).await;
    let room = conversation(1);
    let lost = insist(&*log, room, "lost").await.seq;
    server.kill9();
    server.wipe().unwrap();
    server.restart().await.unwrap();
    let seq = insist(&*log, room, "new").await.seq;
    assert!(seq > lost);
    assert_eq!(read(&*log, room).await.len(), 1);
    assert_eq!(log.status().went_back, []);
}
