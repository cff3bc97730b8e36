//! Conversations as their events made them.

use chat_protocol::{
    event::{Body, ConversationCreated},
    model::{HistoryAccess, Kind, Override, Settings, Visibility},
    rights::{Right, Rights, Role},
};
use chat_store::Store;
use serde_json::json;

use super::play::{Story, at, conversation, elsewhere, member, orders, titled, user};

pub(crate) async fn a_conversation_is_what_its_creation_says(store: &dyn Store) {
    let (mut story, ada) = (Story::new(), user());
    let rights = Override { allow: Rights::NONE.with(Right::Pin), deny: Rights::NONE.with(Right::Attach) };
    let settings = Settings {
        title: Some("Tea\u{0} 🍵".into()),
        topic: Some("at four".into()),
        avatar_url: Some("https://example.org/t.png".into()),
        data: Some(json!({"colour": "green", "n": [1, 2.5, -3, null, true]})),
        retention_days: 30,
        slow_mode_s: 5,
        overrides: [(Role::Member, rights)].into(),
    };
    let created = story.event(
        ada,
        Body::ConversationCreated(Box::new(ConversationCreated {
            kind: Kind::Broadcast,
            visibility: Visibility::Public,
            history: HistoryAccess::Joined,
            settings: settings.clone(),
            members: vec![member(ada, Role::Owner)],
        })),
    );
    store.apply(std::slice::from_ref(&created)).await.unwrap();

    let found = store.conversation(story.of).await.unwrap().unwrap();
    assert_eq!((found.id, found.kind, found.visibility), (story.of, Kind::Broadcast, Visibility::Public));
    assert_eq!((found.history, found.settings), (HistoryAccess::Joined, settings));
    assert_eq!((found.created_by, found.created_at), (ada, at(&created)));
    assert_eq!((found.version, found.deleted), (created.seq, false));
}

pub(crate) async fn settings_are_replaced_whole(store: &dyn Store) {
    let (mut story, ada) = (Story::new(), user());
    let created = story.created(ada, "Tea", &[member(ada, Role::Owner)]);
    let mut updated = story.titled(ada, "Coffee");
    let settings = Settings { topic: Some("at nine".into()), ..Settings::default() };
    updated.event = chat_protocol::event::Event {
        at: at(&updated),
        by: ada,
        body: Body::ConversationUpdated(Box::new(chat_protocol::event::ConversationUpdated {
            visibility: Visibility::Public,
            settings: settings.clone(),
        })),
    }
    .encode();
    store.apply(&[created.clone(), updated.clone()]).await.unwrap();

    let found = store.conversation(story.of).await.unwrap().unwrap();
    assert_eq!((found.settings, found.visibility, found.version), (settings, Visibility::Public, updated.seq));
    assert_eq!((found.history, found.created_at), (HistoryAccess::Joined, at(&created)));
}

pub(crate) async fn settings_come_in_any_order(store: &dyn Store) {
    let (mut story, ada) = (Story::new(), user());
    let events = [
        story.created(ada, "Tea", &[member(ada, Role::Owner)]),
        story.titled(ada, "Coffee"),
        story.titled(ada, "Cocoa"),
    ];
    for order in orders(&events) {
        let of = conversation();
        for row in elsewhere(&order, of) {
            store.apply(&[row]).await.unwrap();
        }
        let found = store.conversation(of).await.unwrap().unwrap();
        assert_eq!((found.settings, found.version), (titled("Cocoa"), events[2].seq));
    }
}

pub(crate) async fn a_deleted_conversation_says_so(store: &dyn Store) {
    let (mut story, ada) = (Story::new(), user());
    let events =
        [story.created(ada, "Tea", &[member(ada, Role::Owner)]), story.closed(ada), story.titled(ada, "Too late")];
    for order in orders(&events) {
        let of = conversation();
        for row in elsewhere(&order, of) {
            store.apply(&[row]).await.unwrap();
        }
        let found = store.conversation(of).await.unwrap().unwrap();
        assert!(found.deleted && found.version >= events[1].seq);
        // Nobody was removed: the caller looks at `deleted`.
        assert_eq!(store.members(of, None, 10).await.unwrap().len(), 1);
    }
}

pub(crate) async fn a_change_alone_makes_no_conversation(store: &dyn Store) {
    let (mut story, ada) = (Story::new(), user());
    assert_eq!(store.conversation(story.of).await.unwrap(), None);
    story.created(ada, "Tea", &[]);
    store.apply(&[story.titled(ada, "Coffee"), story.closed(ada)]).await.unwrap();
    assert_eq!(store.conversation(story.of).await.unwrap(), None);
}
