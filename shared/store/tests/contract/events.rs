//! Raw events, and those that are none.

use chat_protocol::{Seq, event::Body, rights::Role};
use chat_store::{Cursor, EventPage, EventRow, Quarantined, Store, StoreError};
use serde_json::json;

use super::play::{Story, conversation, member, now, seq, shard, user};

pub(crate) async fn events_come_as_they_were_appended(store: &dyn Store) {
    let (mut story, ada) = (Story::new(), user());
    let sent = story.says(ada, "helo");
    let rows = [
        story.created(ada, "Tea", &[member(ada, Role::Owner)]),
        sent.clone(),
        story.edits(ada, &sent, "hello"),
        story.joins(user(), Role::Member),
        story.titled(ada, "Coffee"),
    ];
    store.apply(&rows).await.unwrap();
    let mut in_order = rows.to_vec();
    in_order.sort_by_key(|row| row.seq);
    let page = store.events(story.of, Seq::ZERO, 100).await.unwrap();
    assert_eq!(page, EventPage { events: in_order, prev: Seq::ZERO, more: false });
    assert_eq!(store.events(conversation(), Seq::ZERO, 100).await.unwrap(), EventPage::default());
}

pub(crate) async fn pages_of_events_chain(store: &dyn Store) {
    let (mut story, ada) = (Story::new(), user());
    let rows: Vec<_> = (0..10).map(|n| story.says(ada, &n.to_string())).collect();
    store.apply(&rows).await.unwrap();

    let (mut seen, mut after) = (Vec::new(), Seq::ZERO);
    loop {
        let page = store.events(story.of, after, 3).await.unwrap();
        assert_eq!(page.prev, after, "what was read before is what came before");
        after = page.events.last().unwrap().seq;
        seen.extend(page.events);
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, rows);
    // A cursor that is no event: the truth shows it.
    let page = store.events(story.of, rows[4].seq.next(), 1).await.unwrap();
    assert_eq!((&page.events[0], page.prev), (&rows[5], rows[4].seq));
    let beyond = store.events(story.of, rows[9].seq, 1).await.unwrap();
    assert_eq!(beyond, EventPage::default());
}

pub(crate) async fn heads_are_the_newest_positions(store: &dyn Store) {
    let (mut one, mut other, ada) = (Story::new(), Story::new(), user());
    let rows = [one.says(ada, "a"), one.says(ada, "b"), other.joins(ada, Role::Member)];
    // The older one comes last.
    store.apply(&[rows[1].clone(), rows[2].clone()]).await.unwrap();
    store.apply(&rows[..1]).await.unwrap();
    let heads = store.stored_heads(&[other.of, conversation(), one.of]).await.unwrap();
    assert_eq!(heads, [Some(rows[2].seq), None, Some(rows[1].seq)]);
    assert_eq!(store.stored_heads(&[]).await.unwrap(), []);
}

pub(crate) async fn an_event_of_a_later_version_is_kept(store: &dyn Store) {
    let (mut story, ada) = (Story::new(), user());
    let sung = story.event(ada, Body::Other { event: "message.sung".into(), data: json!({"key": "C"}) });
    store.apply(std::slice::from_ref(&sung)).await.unwrap();
    assert_eq!(store.events(story.of, Seq::ZERO, 10).await.unwrap().events, [sung]);
    assert!(store.messages(story.of, Cursor::Newest, 10).await.unwrap().messages.is_empty());
}

pub(crate) async fn what_is_no_event_is_refused(store: &dyn Store) {
    let (mut story, ada) = (Story::new(), user());
    let good = story.says(ada, "hi");
    let poison = story.row(b"a secret that is no event".as_slice().into());

    let refused = store.apply(std::slice::from_ref(&poison)).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Refused(why) if !why.contains("secret")), "{refused}");
    let refused = store.apply(&[good.clone(), poison.clone()]).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Refused(_)), "{refused}");

    // The caller narrows down.
    store.apply(std::slice::from_ref(&good)).await.unwrap();
    assert_eq!(store.events(story.of, Seq::ZERO, 10).await.unwrap().events, [good]);
}

pub(crate) async fn what_was_put_aside_is_listed_by_shard(store: &dyn Store) {
    let (shard, other) = (shard(), shard());
    let aside = |shard, seq_of, reason: &str| Quarantined {
        row: EventRow { conversation: conversation(), shard, seq: seq(seq_of), event: b"\0\xff".as_slice().into() },
        reason: reason.into(),
        at: now(),
    };
    let all = [aside(shard, 5, "not an event"), aside(shard, 7, "too large"), aside(shard, 9, "not an event")];
    for one in [&all[2], &all[0], &all[1], &all[0], &aside(other, 6, "not an event")] {
        store.quarantine(one).await.unwrap();
    }
    assert_eq!(store.quarantined(shard, 100).await.unwrap(), all);
    assert_eq!(store.quarantined(shard, 2).await.unwrap(), all[..2]);
    assert_eq!(store.quarantined(super::play::shard(), 100).await.unwrap(), []);
}
