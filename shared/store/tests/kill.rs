//! A process that is killed loses nothing it was told to be stored.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use chat_protocol::{
    ClientId, ConversationId, Seq, Shard, Timestamp, UserId,
    event::{Body, Event, MessageCreated},
    model::{Content, MessageKind},
    time::SystemClock,
};
use chat_store::{Cursor, Embedded, EventRow, Marks, Messages};

const OF: ConversationId = ConversationId::from_u128(9);
const ADA: UserId = UserId::from_u128(1);
const SHARD: Shard = Shard::new(3).unwrap();
const FIRST: u64 = 1_000;

#[tokio::test]
async fn what_was_acknowledged_outlives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = FIRST - 1;
    for acks in [1, 40, 7, 120] {
        acknowledged = acknowledged.max(writes_until_killed(dir.path(), acks));
        everything_is_there(dir.path(), acknowledged).await;
    }
}

/// Starts the writer, kills it after so many acknowledgements, and says which was the last one that was heard.
fn writes_until_killed(dir: &Path, acks: usize) -> u64 {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writes_until_it_is_killed", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = writer.stdin.take().unwrap();
    writeln!(stdin, "{}", dir.display()).unwrap();

    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let heard = lines.filter_map(|line| line.unwrap().strip_prefix("stored ").map(|seq| seq.parse().unwrap()));
    let last = heard.take(acks).last().expect("the writer ended before it wrote anything");
    writer.kill().unwrap();
    writer.wait().unwrap();
    last
}

async fn everything_is_there(dir: &Path, acknowledged: u64) {
    let store = open(dir);
    let mut after = Seq::ZERO;
    let mut expected = FIRST;
    loop {
        let page = store.events(OF, after, 1_000).await.unwrap();
        for row in &page.events {
            assert_eq!(row.seq.get(), expected, "a hole");
            assert!(store.first_with(OF, ADA, client_id(expected)).await.unwrap().is_some());
            expected += 1;
        }
        let Some(last) = page.events.last() else { break };
        after = last.seq;
    }
    assert!(expected > acknowledged, "{acknowledged} was acknowledged, the last one stored is {}", expected - 1);
    let newest = store.messages(OF, Cursor::Newest, 1).await.unwrap();
    assert_eq!(newest.messages.first().map(|message| message.seq.get()), Some(expected - 1));
    let mark = store.mark(SHARD).await.unwrap().map_or(0, Seq::get);
    assert!((acknowledged..expected).contains(&mark), "mark {mark}");
}

#[tokio::test]
#[ignore = "the process that is killed"]
async fn writes_until_it_is_killed() {
    let mut dir = String::new();
    std::io::stdin().read_line(&mut dir).unwrap();
    let store = open(Path::new(dir.trim()));
    let head = store.stored_heads(&[OF]).await.unwrap().first().copied().flatten();
    let mut next = head.map_or(FIRST, |head| head.get() + 1);
    loop {
        let rows: Vec<EventRow> = (next..next + 5).map(says).collect();
        store.apply(&rows).await.unwrap();
        next += 5;
        store.raise_mark(SHARD, Seq::new(next - 1).unwrap()).await.unwrap();
        println!("stored {}", next - 1);
    }
}

fn open(dir: &Path) -> Embedded {
    let database = fjall::Database::builder(dir).open().unwrap();
    Embedded::open(database, SystemClock).unwrap()
}

fn client_id(seq: u64) -> ClientId {
    ClientId::from_u128(u128::from(seq))
}

fn says(seq: u64) -> EventRow {
    let content = Content { text: Some("hello".repeat(20)), ..Content::default() };
    let created = MessageCreated { client_id: client_id(seq), kind: MessageKind::Text, content, mentions: Vec::new() };
    let at = Timestamp::from_ms(4_000_000_000_000);
    let event = Event { at, by: ADA, body: Body::MessageCreated(Box::new(created)) }.encode();
    EventRow { conversation: OF, shard: SHARD, seq: Seq::new(seq).unwrap(), event }
}
