//! Reactions and pins: what members add to messages.

use chat_protocol::{
    MessageId, Seq, UserId,
    event::{Body, PinChanged, ReactionChange, ReactionChanged, ReactionOp},
    model::Reaction,
};
use chat_store::{EventRow, Reacted, Store};

use super::play::{Story, at, conversation, id, orders, seq, user};

impl Story {
    fn reacts(&mut self, by: UserId, message: &EventRow, emoji: &str, op: ReactionOp) -> EventRow {
        let changes = vec![ReactionChange { user: by, emoji: emoji.into(), op }];
        self.event(by, Body::ReactionChanged(ReactionChanged { message: id(message), changes }))
    }

    fn pins(&mut self, by: UserId, message: MessageId, present: bool) -> EventRow {
        let pin = PinChanged { message };
        self.event(by, if present { Body::PinAdded(pin) } else { Body::PinRemoved(pin) })
    }
}

fn reaction(row: &EventRow, user: UserId, emoji: &str) -> Reaction {
    Reaction { emoji: emoji.into(), user, at: at(row) }
}

pub(crate) async fn reactions_come_in_any_order(store: &dyn Store) {
    let (mut story, ada) = (Story::new(), user());
    let message = story.says(ada, "hi");
    let added = story.reacts(ada, &message, "🎉", ReactionOp::Add);
    let removed = story.reacts(ada, &message, "🎉", ReactionOp::Remove);
    let again = story.reacts(ada, &message, "🎉", ReactionOp::Add);
    for order in orders(&[message.clone(), added.clone(), removed.clone(), again.clone()]) {
        let of = conversation();
        for event in super::play::elsewhere(&order, of) {
            store.apply(&[event]).await.unwrap();
        }
        let found = store.reactions(of, &[message.seq]).await.unwrap();
        let reactions = vec![reaction(&again, ada, "🎉")];
        assert_eq!(found, [Reacted { message: message.seq, reactions }]);
    }
    let taken_back = [message.clone(), added, removed];
    let of = conversation();
    store.apply(&super::play::elsewhere(&taken_back, of)).await.unwrap();
    assert_eq!(store.reactions(of, &[message.seq]).await.unwrap(), []);
    assert_eq!(store.reactions_to(of, message.seq, None, 10).await.unwrap(), []);
}

pub(crate) async fn reactions_of_a_page_are_those_of_its_messages(store: &dyn Store) {
    let (mut story, ada, bob) = (Story::new(), user(), user());
    let messages: Vec<EventRow> = (0..4).map(|n| story.says(ada, &n.to_string())).collect();
    let first = story.reacts(ada, &messages[0], "👍", ReactionOp::Add);
    let between = story.reacts(ada, &messages[1], "👎", ReactionOp::Add);
    let last = story.reacts(bob, &messages[2], "👍", ReactionOp::Add);
    store.apply(&[messages.clone(), vec![first.clone(), between, last.clone()]].concat()).await.unwrap();

    let asked = [messages[2].seq, messages[0].seq, messages[3].seq];
    let found = store.reactions(story.of, &asked).await.unwrap();
    let expected = [
        Reacted { message: messages[2].seq, reactions: vec![reaction(&last, bob, "👍")] },
        Reacted { message: messages[0].seq, reactions: vec![reaction(&first, ada, "👍")] },
    ];
    assert_eq!(found, expected);
    assert_eq!(store.reactions(story.of, &[]).await.unwrap(), []);
    assert_eq!(store.reactions(conversation(), &[messages[0].seq]).await.unwrap(), []);
}

pub(crate) async fn who_reacted_is_paged_by_emoji_and_user(store: &dyn Store) {
    let mut story = Story::new();
    let mut users: Vec<UserId> = (0..3).map(|_| user()).collect();
    users.sort();
    let message = story.says(users[0], "hi");
    let mut events = vec![message.clone()];
    for emoji in ["b", "a"] {
        events.extend(users.iter().rev().map(|user| story.reacts(*user, &message, emoji, ReactionOp::Add)));
    }
    events.push(story.reacts(users[1], &message, "a", ReactionOp::Remove));
    store.apply(&events).await.unwrap();

    let expected: Vec<(&str, UserId)> =
        vec![("a", users[0]), ("a", users[2]), ("b", users[0]), ("b", users[1]), ("b", users[2])];
    let mut walked = Vec::new();
    loop {
        let after = walked.last().map(|reaction: &Reaction| (reaction.emoji.as_str(), reaction.user));
        let page = store.reactions_to(story.of, message.seq, after, 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 2);
        walked.extend(page);
    }
    let walked: Vec<(&str, UserId)> = walked.iter().map(|reaction| (reaction.emoji.as_str(), reaction.user)).collect();
    assert_eq!(walked, expected);
}

pub(crate) async fn pins_are_listed_newest_message_first(store: &dyn Store) {
    let (mut story, ada, bob) = (Story::new(), user(), user());
    let messages: Vec<EventRow> = (0..3).map(|n| story.says(ada, &n.to_string())).collect();
    let newest = story.pins(bob, id(&messages[2]), true);
    let oldest = story.pins(ada, id(&messages[0]), true);
    let middle = story.pins(ada, id(&messages[1]), true);
    let unpinned = story.pins(ada, id(&messages[1]), false);
    // The last of them comes first, as it may.
    let events = [messages.clone(), vec![unpinned, newest.clone(), oldest.clone(), middle]].concat();
    store.apply(&events).await.unwrap();

    let pins = store.pins(story.of).await.unwrap();
    let seen: Vec<(Seq, UserId)> = pins.iter().map(|pin| (pin.message, pin.by)).collect();
    assert_eq!(seen, [(messages[2].seq, bob), (messages[0].seq, ada)]);
    assert_eq!(pins[0].at, at(&newest));
    assert_eq!(store.pins(conversation()).await.unwrap(), []);
    assert!(seq(1) < pins[1].message);
}
