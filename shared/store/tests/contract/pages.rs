//! Pages of messages, from every side.

use chat_protocol::{Seq, rights::Role};
use chat_store::{Cursor, EventRow, Store};

use super::play::{Story, member, seq, seqs, texts, user};

/// A conversation with these messages.
async fn conversation_of(store: &dyn Store, words: &[&str]) -> (Story, Vec<EventRow>) {
    let (mut story, ada) = (Story::new(), user());
    let rows: Vec<_> = words.iter().map(|words| story.says(ada, words)).collect();
    store.apply(&rows).await.unwrap();
    (story, rows)
}

pub(crate) async fn newest_before_and_after(store: &dyn Store) {
    let (story, rows) = conversation_of(store, &["a", "b", "c", "d", "e"]).await;
    let page = |cursor, size| store.messages(story.of, cursor, size);

    let newest = page(Cursor::Newest, 3).await.unwrap();
    assert_eq!((texts(&newest), newest.more), (vec!["e", "d", "c"], true));
    let before = page(Cursor::Before(rows[2].seq), 3).await.unwrap();
    assert_eq!((texts(&before), before.more), (vec!["b", "a"], false));
    let after = page(Cursor::After(rows[1].seq), 2).await.unwrap();
    assert_eq!((texts(&after), after.more), (vec!["c", "d"], true));
    let rest = page(Cursor::After(rows[3].seq), 2).await.unwrap();
    assert_eq!((texts(&rest), rest.more), (vec!["e"], false));

    // A page that holds all of it says so, and a cursor need not be a message.
    let all = page(Cursor::Newest, 5).await.unwrap();
    assert_eq!((all.messages.len(), all.more), (5, false));
    let between = page(Cursor::Before(rows[2].seq.next()), 1).await.unwrap();
    assert_eq!((texts(&between), between.more), (vec!["c"], true));
    let from_the_beginning = page(Cursor::After(Seq::ZERO), 200).await.unwrap();
    assert_eq!(texts(&from_the_beginning), ["a", "b", "c", "d", "e"]);
    let from_beyond = page(Cursor::Before(Seq::MAX), 2).await.unwrap();
    assert_eq!(texts(&from_beyond), ["e", "d"]);
}

pub(crate) async fn pages_of_one_walk_everything(store: &dyn Store) {
    let (story, rows) = conversation_of(store, &["a", "b", "c", "d", "e"]).await;
    let walk = |first: Cursor, next: fn(Seq) -> Cursor| async move {
        let (mut seen, mut cursor) = (Vec::new(), first);
        loop {
            let page = store.messages(story.of, cursor, 1).await.unwrap();
            assert_eq!(page.messages.len(), 1);
            seen.push(page.messages[0].seq);
            if !page.more {
                return seen;
            }
            cursor = next(page.messages[0].seq);
        }
    };
    let mut all: Vec<Seq> = rows.iter().map(|row| row.seq).collect();
    assert_eq!(walk(Cursor::After(Seq::ZERO), Cursor::After).await, all);
    all.reverse();
    assert_eq!(walk(Cursor::Newest, Cursor::Before).await, all);
}

pub(crate) async fn around_a_message_and_between_messages(store: &dyn Store) {
    let (story, rows) = conversation_of(store, &["a", "b", "c", "d", "e", "f", "g"]).await;
    let page = |at: Seq, size| store.messages(story.of, Cursor::Around(at), size);

    let even = page(rows[3].seq, 4).await.unwrap();
    assert_eq!((texts(&even), even.more), (vec!["f", "e", "d", "c"], true));
    let odd = page(rows[3].seq, 5).await.unwrap();
    assert_eq!((texts(&odd), odd.more), (vec!["f", "e", "d", "c", "b"], true));
    let one = page(rows[3].seq, 1).await.unwrap();
    assert_eq!((texts(&one), one.more), (vec!["d"], true));
    // Between two messages, and at both ends: a side that is short stays short.
    let between = page(rows[3].seq.next(), 4).await.unwrap();
    assert_eq!((texts(&between), between.more), (vec!["f", "e", "d", "c"], true));
    let first = page(rows[0].seq, 4).await.unwrap();
    assert_eq!((texts(&first), first.more), (vec!["c", "b", "a"], false));
    let last = page(rows[6].seq, 4).await.unwrap();
    assert_eq!((texts(&last), last.more), (vec!["g", "f"], true));
}

pub(crate) async fn control_events_are_no_messages(store: &dyn Store) {
    let (mut story, ada) = (Story::new(), user());
    let mut rows = vec![story.created(ada, "Tea", &[member(ada, Role::Owner)])];
    for words in ["a", "b", "c"] {
        rows.push(story.says(ada, words));
        rows.extend((0..40).map(|_| story.joins(user(), Role::Member)));
    }
    for part in rows.chunks(50) {
        store.apply(part).await.unwrap();
    }
    let newest = store.messages(story.of, Cursor::Newest, 2).await.unwrap();
    assert_eq!((texts(&newest), newest.more), (vec!["c", "b"], true));
    let after = store.messages(story.of, Cursor::After(Seq::ZERO), 3).await.unwrap();
    assert_eq!((texts(&after), after.more), (vec!["a", "b", "c"], false));
    let middle = rows[1 + 41].seq;
    let around = store.messages(story.of, Cursor::Around(middle), 2).await.unwrap();
    assert_eq!((texts(&around), around.more), (vec!["c", "b"], true));
}

pub(crate) async fn pages_cross_windows(store: &dyn Store) {
    let (mut story, ada) = (Story::new(), user());
    let mut rows = Vec::new();
    for night in 0..6 {
        rows.extend((0..10).map(|n| story.says(ada, &format!("{night}.{n}"))));
        // The shard goes on without this conversation: further than any window of it reaches.
        story.next += 1 << (34 + night);
    }
    // Not in the order of the log.
    for part in rows.rchunks(7) {
        store.apply(part).await.unwrap();
    }
    let all: Vec<Seq> = rows.iter().map(|row| row.seq).collect();

    let newest = store.messages(story.of, Cursor::Newest, 200).await.unwrap();
    assert!(seqs(&newest.messages).iter().rev().eq(&all) && !newest.more);
    for size in [1, 7, 10, 25] {
        let (mut seen, mut cursor) = (Vec::new(), Cursor::After(Seq::ZERO));
        loop {
            let page = store.messages(story.of, cursor, size).await.unwrap();
            seen.extend(seqs(&page.messages));
            if !page.more {
                break;
            }
            cursor = Cursor::After(*seen.last().unwrap());
        }
        assert_eq!(seen, all, "in pages of {size}");
    }
    // The last of a night, with the next night's first ones.
    let around = store.messages(story.of, Cursor::Around(rows[19].seq), 6).await.unwrap();
    assert_eq!(texts(&around), ["2.2", "2.1", "2.0", "1.9", "1.8", "1.7"]);
    let events = store.events(story.of, rows[19].seq, 1).await.unwrap();
    assert_eq!((events.events[0].seq, events.prev), (rows[20].seq, rows[19].seq));
}

pub(crate) async fn a_page_beyond_twenty_thousand_rows(store: &dyn Store) {
    let (mut story, ada) = (Story { step: 1, ..Story::new() }, user());
    let first = story.next;
    for part in 0..43 {
        let rows: Vec<_> = (0..500).map(|n| story.says(ada, &(part * 500 + n).to_string())).collect();
        store.apply(&rows).await.unwrap();
    }
    // 21,500 in all.
    let page = store.messages(story.of, Cursor::Before(seq(first + 20_010)), 20).await.unwrap();
    let expected: Vec<String> = (19_990..20_010).rev().map(|n: u32| n.to_string()).collect();
    assert_eq!((texts(&page), page.more), (expected.iter().map(String::as_str).collect(), true));
    let after = store.messages(story.of, Cursor::After(seq(first + 19_999)), 2).await.unwrap();
    assert_eq!(texts(&after), ["20000", "20001"]);
    let newest = store.messages(story.of, Cursor::Newest, 1).await.unwrap();
    assert_eq!(texts(&newest), ["21499"]);
    let events = store.events(story.of, seq(first + 18_999), 1_000).await.unwrap();
    assert_eq!((events.events.len(), events.more, events.prev), (1_000, true, seq(first + 18_999)));
    assert_eq!(store.stored_heads(&[story.of]).await.unwrap(), [Some(seq(first + 21_499))]);
}
