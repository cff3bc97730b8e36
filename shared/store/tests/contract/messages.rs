//! Messages as they stand now.

use chat_protocol::{
    MessageId, Shard, Timestamp,
    event::{Body, MessageDeleted, MessageUpdated},
    model::{Content, Forward, Message, MessageKind, Span},
};
use chat_store::{Cursor, EventRow, MessagePage, Store};
use serde_json::json;

use super::play::{Story, at, client_id, conversation, elsewhere, id, member, now, orders, seq, text, user};

pub(crate) async fn a_message_reads_as_it_was_sent(store: &dyn Store) {
    let (mut story, ada, hers) = (Story::new(), user(), client_id());
    let before = story.says(ada, "before");
    let content = Content {
        text: Some("hello 🎉".into()),
        spans: vec![Span { start: 0, len: 5, style: "bold".into(), data: Some(json!({"n": 1})) }],
        payload: Some(json!({"poll": ["yes", "no", null], "n": -1.5})),
        attachments: vec!["upload-1".into()],
        reply_to: Some(id(&before)),
        forward_of: Some(Forward { conversation: conversation(), message: id(&before) }),
        expires_at: Some(now().plus_ms(60_000)),
    };
    let sent = story.sends(ada, hers, content.clone());
    store.apply(&[before, sent.clone()]).await.unwrap();

    let read = store.message(story.of, sent.seq).await.unwrap().unwrap();
    let expected = Message {
        id: id(&sent),
        conversation: story.of,
        seq: sent.seq,
        at: at(&sent),
        by: ada,
        client_id: hers,
        kind: MessageKind::Text,
        content,
        mentions: vec!["all".into()],
        reactions: Vec::new(),
        pinned: false,
        edited_at: None,
        version: sent.seq,
        deleted: false,
    };
    assert_eq!(read, expected);
    assert_eq!(store.messages(story.of, Cursor::Newest, 1).await.unwrap().messages, [expected]);
}

pub(crate) async fn what_is_not_there_is_absent(store: &dyn Store) {
    let (nowhere, some) = (conversation(), seq(1_000));
    assert_eq!(store.message(nowhere, some).await.unwrap(), None);
    for cursor in [Cursor::Newest, Cursor::Before(some), Cursor::After(some), Cursor::Around(some)] {
        assert_eq!(store.messages(nowhere, cursor, 50).await.unwrap(), MessagePage::default());
    }
    assert_eq!(store.first_with(nowhere, user(), client_id()).await.unwrap(), None);

    // A conversation that has something, but not there.
    let (mut story, ada) = (Story::new(), user());
    let joined = story.created(ada, "Tea", &[member(ada, chat_protocol::rights::Role::Owner)]);
    let said = story.says(ada, "hi");
    store.apply(&[joined.clone(), said.clone()]).await.unwrap();
    assert_eq!(store.message(story.of, joined.seq).await.unwrap(), None);
    assert_eq!(store.message(story.of, said.seq.next()).await.unwrap(), None);
    assert_eq!(store.messages(story.of, Cursor::After(said.seq), 50).await.unwrap(), MessagePage::default());
    assert_eq!(store.messages(story.of, Cursor::Before(said.seq), 50).await.unwrap(), MessagePage::default());
}

pub(crate) async fn edits_and_deletions_come_in_any_order(store: &dyn Store) {
    let (mut story, ada) = (Story::new(), user());
    let sent = story.says(ada, "helo");
    let first = story.edits(ada, &sent, "hallo");
    let second = story.edits(ada, &sent, "hello");
    let deleted = story.deletes(ada, &[&sent]);
    let late = story.edits(ada, &sent, "too late");

    for order in orders(&[sent.clone(), first.clone(), second.clone()]) {
        let message = after(store, &order, &sent).await;
        assert_eq!((message.content, message.mentions), (text("hello"), Vec::new()));
        assert_eq!((message.version, message.edited_at), (second.seq, Some(at(&second))));
        assert_eq!((message.at, message.deleted), (at(&sent), false));
    }
    for order in orders(&[sent.clone(), second, deleted.clone(), late]) {
        let message = after(store, &order, &sent).await;
        assert_eq!((message.content, message.mentions), (Content::default(), Vec::new()));
        assert_eq!((message.deleted, message.version), (true, deleted.seq));
    }
}

/// The message once these were applied one by one, in a conversation of their own, each of them twice.
async fn after(store: &dyn Store, events: &[EventRow], message: &EventRow) -> Message {
    let of = conversation();
    for row in elsewhere(events, of) {
        store.apply(std::slice::from_ref(&row)).await.unwrap();
        store.apply(&[row]).await.unwrap();
    }
    let found = store.message(of, message.seq).await.unwrap().unwrap();
    let page = store.messages(of, Cursor::Newest, 10).await.unwrap();
    assert_eq!(page, MessagePage { messages: vec![found.clone()], more: false });
    found
}

pub(crate) async fn a_tombstone_keeps_who_where_and_when(store: &dyn Store) {
    let (mut story, ada, hers) = (Story::new(), user(), client_id());
    let sent = story.sends(ada, hers, text("a secret"));
    let other = story.says(ada, "stays");
    let deleted = story.deletes(user(), &[&sent]);
    store.apply(&[sent.clone(), other.clone(), deleted.clone()]).await.unwrap();

    let tombstone = store.message(story.of, sent.seq).await.unwrap().unwrap();
    assert_eq!((tombstone.id, tombstone.seq, tombstone.by), (id(&sent), sent.seq, ada));
    assert_eq!((tombstone.at, tombstone.client_id, tombstone.kind), (at(&sent), hers, MessageKind::Text));
    assert_eq!((tombstone.content, tombstone.edited_at), (Content::default(), None));
    assert_eq!((tombstone.deleted, tombstone.version), (true, deleted.seq));
    assert!(!store.message(story.of, other.seq).await.unwrap().unwrap().deleted);
    // A retry of the send still finds it.
    assert_eq!(store.first_with(story.of, ada, hers).await.unwrap().unwrap().message, id(&sent));
}

pub(crate) async fn deleted_content_leaves_the_events_too(store: &dyn Store) {
    let (mut story, ada) = (Story::new(), user());
    let sent = story.says(ada, "a secret");
    let events = [
        sent.clone(),
        story.edits(ada, &sent, "another secret"),
        story.deletes(ada, &[&sent]),
        story.says(ada, "open"),
    ];
    for order in orders(&events) {
        let of = conversation();
        for row in elsewhere(&order, of) {
            store.apply(&[row]).await.unwrap();
        }
        let stored = store.events(of, seq(0), 10).await.unwrap().events;
        assert_eq!(stored.iter().map(|row| row.seq).collect::<Vec<_>>(), events.each_ref().map(|row| row.seq));
        for (row, appended) in stored.iter().zip(&events) {
            let (kept, sent) = (row.event.as_ref(), appended.event.as_ref());
            assert!(!kept.windows(6).any(|part| part == b"secret"), "content is left at {}", row.seq);
            let event = chat_protocol::event::Event::decode(kept).unwrap();
            assert_eq!((event.at, event.by), (at(appended), ada));
            assert!(appended.seq < events[2].seq || kept == sent);
        }
    }
}

pub(crate) async fn only_messages_of_this_conversation_change(store: &dyn Store) {
    let (mut story, mut other, ada) = (Story::new(), Story::new(), user());
    let sent = story.says(ada, "mine");
    let theirs = other.says(ada, "theirs");
    assert_eq!(sent.seq, theirs.seq);
    let elsewhere = MessageId::new(Shard::new(4).unwrap(), sent.seq);
    let ahead = MessageId::new(sent.shard, seq(sent.seq.get() + 1_000_000));
    let wrong = [
        story.event(
            ada,
            Body::MessageDeleted(MessageDeleted { messages: vec![elsewhere, ahead], reason: "author".into() }),
        ),
        story.event(
            ada,
            Body::MessageUpdated(Box::new(MessageUpdated { message: elsewhere, content: text("x"), mentions: vec![] })),
        ),
    ];
    store.apply(&[sent.clone(), theirs.clone()]).await.unwrap();
    store.apply(&wrong).await.unwrap();
    store.apply(&[other.deletes(ada, &[&theirs])]).await.unwrap();

    let mine = store.message(story.of, sent.seq).await.unwrap().unwrap();
    assert_eq!((mine.content, mine.version), (text("mine"), sent.seq));
    assert_eq!(store.message(story.of, ahead.seq()).await.unwrap(), None);
    assert!(store.message(other.of, theirs.seq).await.unwrap().unwrap().deleted);
}

pub(crate) async fn the_first_message_with_a_client_id_is_known(store: &dyn Store) {
    let (mut story, ada, bob, hers) = (Story::new(), user(), user(), client_id());
    let first = story.sends(ada, hers, text("once"));
    let second = story.sends(ada, hers, text("twice"));
    let bobs = story.sends(bob, hers, text("mine"));
    // Whichever comes first.
    for order in orders(&[first.clone(), second, bobs.clone()]) {
        let of = conversation();
        for row in elsewhere(&order, of) {
            store.apply(&[row]).await.unwrap();
        }
        let known = |by| async move { store.first_with(of, by, hers).await.unwrap().map(|row| row.message) };
        assert_eq!(known(ada).await, Some(id(&first)));
        assert_eq!(known(bob).await, Some(id(&bobs)));
        assert_eq!(known(user()).await, None);
        assert_eq!(store.first_with(of, ada, client_id()).await.unwrap(), None);
        assert_eq!(store.first_with(conversation(), ada, hers).await.unwrap(), None);
    }
}

pub(crate) async fn large_and_odd_contents_survive(store: &dyn Store) {
    let (mut story, ada) = (Story::new(), user());
    let odd = "a\u{0}b \u{10ffff} \u{202e}\n\t\"\\";
    let large = Content {
        text: Some("🎉".repeat(chat_protocol::limits::TEXT_CHARS)),
        payload: Some(json!({"blob": "x".repeat(chat_protocol::limits::PAYLOAD_BYTES)})),
        ..Content::default()
    };
    let rows = [story.says(ada, odd), story.sends(ada, client_id(), large.clone()), story.says(ada, "")];
    store.apply(&rows).await.unwrap();

    let page = store.messages(story.of, Cursor::After(seq(0)), 10).await.unwrap();
    let contents: Vec<_> = page.messages.iter().map(|message| &message.content).collect();
    assert_eq!(contents, [&text(odd), &large, &text("")]);
    assert_eq!(store.events(story.of, seq(0), 10).await.unwrap().events, rows);
    assert!(page.messages.iter().all(|message| message.at > Timestamp::EPOCH));
}
