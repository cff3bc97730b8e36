//! What only the inside can see: rows that are gone, rows that nothing reads yet, and a second opening.

use std::sync::atomic::{AtomicI64, Ordering};

use chat_protocol::{
    ClientId, ConversationId, MessageId, Seq, SessionId, Shard, Timestamp, UserId,
    event::{Body, Event, MessageCreated, PinChanged, ReactionChange, ReactionChanged, ReactionOp},
    limits,
    model::{Content, MessageKind},
};
use tempfile::TempDir;

use super::*;
use crate::{EventRow, Marks, Messages, SessionRow, Sessions};

const START: Timestamp = Timestamp::from_ms(1_795_132_800_000);
const SHARD: Shard = Shard::new(3).unwrap();
const OF: ConversationId = ConversationId::from_u128(9);
const ADA: UserId = UserId::from_u128(1);
const HERS: ClientId = ClientId::from_u128(7);

/// A clock that stands until it is moved.
#[derive(Clone)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn passes(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::Relaxed))
    }
}

fn open(dir: &TempDir, clock: &Hand) -> Embedded {
    let database = Database::builder(dir.path()).open().unwrap();
    Embedded::open(database, clock.clone()).unwrap()
}

fn start() -> (TempDir, Hand, Embedded) {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Hand(Arc::new(AtomicI64::new(START.as_ms()))));
    let store = open(&dir, &clock);
    (dir, clock, store)
}

fn seq(seq: u64) -> Seq {
    Seq::new(seq).unwrap()
}

fn row(at: u64, body: Body) -> EventRow {
    EventRow { conversation: OF, shard: SHARD, seq: seq(at), event: Event { at: START, by: ADA, body }.encode() }
}

fn says(at: u64, client_id: ClientId) -> EventRow {
    let created = MessageCreated {
        client_id,
        kind: MessageKind::Text,
        content: Content::default(),
        mentions: Vec::new(),
        deleted: false,
    };
    row(at, Body::MessageCreated(Box::new(created)))
}

fn session(n: u128, expires_at: Timestamp) -> SessionRow {
    SessionRow {
        id: SessionId::from_u128(n),
        user: ADA,
        device: String::new(),
        created_at: START,
        last_used_at: START,
        refresh_hash: [0; 32],
        expires_at,
    }
}

/// Rows of all tables but the format.
fn rows(store: &Embedded) -> usize {
    let keyspaces = ["store.sessions", "store.messages", "store.marks"];
    let open = |name| store.tables.database.keyspace(name, fjall::KeyspaceCreateOptions::default).unwrap();
    keyspaces.iter().map(|name| open(name).len().unwrap()).sum::<usize>() - 1
}

#[tokio::test]
async fn a_dedupe_row_is_known_for_48_hours() {
    let (_dir, clock, store) = start();
    store.apply(&[says(10, HERS)]).await.unwrap();
    clock.passes(limits::DEDUPE_ROW_LIFE - Duration::from_millis(1));
    let message = MessageId::new(SHARD, seq(10));
    assert_eq!(store.first_with(OF, ADA, HERS).await.unwrap().map(|row| row.message), Some(message));
    clock.passes(Duration::from_millis(1));
    assert_eq!(store.first_with(OF, ADA, HERS).await.unwrap(), None);
    // A replay does not bring it back.
    store.apply(&[says(10, HERS)]).await.unwrap();
    assert_eq!(store.first_with(OF, ADA, HERS).await.unwrap(), None);
}

#[tokio::test]
async fn rows_that_ended_are_removed_in_bounded_steps() {
    let (_dir, clock, store) = start();
    for n in 0..300 {
        store.create_session(&session(n, START.plus_ms(1_000))).await.unwrap();
    }
    let full = rows(&store);
    assert_eq!(full, 4 * 300, "a session, its place in the user's list, and a note of the end of each");

    clock.passes(Duration::from_secs(60));
    let mut steps = 0;
    while rows(&store) > 0 {
        let before = rows(&store);
        store.check().await.unwrap();
        assert!(before - rows(&store) <= 512, "one step removes at most 256 rows and their notes");
        steps += 1;
        assert!(steps <= 4, "{} rows are left after {steps} steps", rows(&store));
    }
}

#[tokio::test]
async fn a_refreshed_session_outlives_its_first_end() {
    let (_dir, clock, store) = start();
    store.create_session(&session(1, START.plus_ms(1_000))).await.unwrap();
    let end = START.plus_ms(3_600_000);
    assert!(store.rotate_session(SessionId::from_u128(1), &[0; 32], &[1; 32], START, end).await.unwrap());
    clock.passes(Duration::from_secs(60));
    store.check().await.unwrap();
    assert_eq!(rows(&store), 4, "only the notes of its first end are gone");
    assert_eq!(store.sessions(ADA).await.unwrap().len(), 1);
    clock.passes(Duration::from_secs(3_600));
    assert!(store.sessions(ADA).await.unwrap().is_empty());
    store.check().await.unwrap();
    assert_eq!(rows(&store), 0);
}

#[tokio::test]
async fn reactions_and_pins_are_kept_for_those_who_will_read_them() {
    let (_dir, _clock, store) = start();
    let message = MessageId::new(SHARD, seq(10));
    let reacts = |at, op| {
        let changes = vec![ReactionChange { user: ADA, emoji: "🎉".into(), op }];
        row(at, Body::ReactionChanged(ReactionChanged { message, changes }))
    };
    let pin = PinChanged { message };
    let events = [reacts(12, ReactionOp::Remove), reacts(11, ReactionOp::Add), row(13, Body::PinAdded(pin))];
    store.apply(&events).await.unwrap();

    let view = View::of(&store.tables);
    assert_eq!(reactions::reaction(&view, OF, (seq(10), ADA, "🎉")).unwrap(), Some((seq(12), false)));
    assert_eq!(reactions::pinned(&view, OF, seq(10)).unwrap(), Some((seq(13), true)));
}

#[tokio::test]
async fn everything_is_there_after_a_second_opening() {
    let (dir, clock, store) = start();
    store.apply(&[says(10, HERS)]).await.unwrap();
    store.raise_mark(SHARD, seq(10)).await.unwrap();
    drop(store);

    let store = open(&dir, &clock);
    assert!(store.message(OF, seq(10)).await.unwrap().is_some());
    assert_eq!(store.mark(SHARD).await.unwrap(), Some(seq(10)));
}

#[tokio::test]
async fn a_later_format_is_refused() {
    let (dir, clock, store) = start();
    store.tables.write_format(2).unwrap();
    drop(store);
    let database = Database::builder(dir.path()).open().unwrap();
    let refused = Embedded::open(database, clock).err().unwrap();
    assert_eq!(refused.to_string(), "store: format 2 is not known, only 1");
}
