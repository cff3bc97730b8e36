//! Members, both ways.

use chat_protocol::{
    ConversationId, UserId,
    event::{Body, ConversationAdded},
    model::Member,
    rights::Role,
};
use chat_store::{EventRow, Store};

use super::play::{Story, at, conversation, elsewhere, member, now, orders, user};

pub(crate) async fn members_are_listed_both_ways(store: &dyn Store) {
    let ada = user();
    let mut users: Vec<UserId> = (0..5).map(|_| user()).collect();
    users.push(ada);
    let mut of = Vec::new();
    for _ in 0..3 {
        let mut story = Story::new();
        let named: Vec<_> = users.iter().map(|user| member(*user, Role::Member)).collect();
        store.apply(&[story.created(ada, "Tea", &named)]).await.unwrap();
        of.push(story.of);
    }
    users.sort();
    of.sort();

    assert_eq!(users_of(&store.members(of[0], None, 100).await.unwrap()), users);
    assert_eq!(users_of(&store.members(of[0], None, 2).await.unwrap()), users[..2]);
    assert_eq!(users_of(&store.members(of[0], Some(users[1]), 2).await.unwrap()), users[2..4]);
    assert_eq!(users_of(&store.members(of[0], Some(users[5]), 2).await.unwrap()), []);

    assert_eq!(conversations_of(store, ada, None, 100).await, of);
    assert_eq!(conversations_of(store, ada, None, 1).await, of[..1]);
    assert_eq!(conversations_of(store, ada, Some(of[0]), 1).await, of[1..2]);
    assert_eq!(conversations_of(store, ada, Some(of[2]), 1).await, []);

    let listed = store.memberships(ada, None, 100).await.unwrap()[0].member;
    assert_eq!(Some(listed), store.member(of[0], ada).await.unwrap());
    assert_eq!(store.member(of[0], user()).await.unwrap(), None);
    assert!(store.members(conversation(), None, 10).await.unwrap().is_empty());
    assert!(store.memberships(user(), None, 10).await.unwrap().is_empty());
}

pub(crate) async fn who_left_may_return(store: &dyn Store) {
    let (mut story, ada, bob) = (Story::new(), user(), user());
    let joined = story.joins(bob, Role::Moderator);
    store.apply(&[story.created(ada, "Tea", &[member(ada, Role::Owner)]), joined.clone()]).await.unwrap();
    let first = Member { user: bob, role: Role::Moderator, joined_at: at(&joined), joined_seq: joined.seq };
    assert_eq!(store.member(story.of, bob).await.unwrap(), Some(first));

    store.apply(&[story.leaves(bob)]).await.unwrap();
    assert_eq!(store.member(story.of, bob).await.unwrap(), None);
    assert_eq!(users_of(&store.members(story.of, None, 10).await.unwrap()), [ada]);
    assert_eq!(conversations_of(store, bob, None, 10).await, []);

    let again = story.joins(bob, Role::Member);
    store.apply(std::slice::from_ref(&again)).await.unwrap();
    let second = Member { user: bob, role: Role::Member, joined_at: at(&again), joined_seq: again.seq };
    assert_eq!(store.member(story.of, bob).await.unwrap(), Some(second));
    assert_eq!(store.memberships(bob, None, 10).await.unwrap()[0].member, second);
}

pub(crate) async fn memberships_come_in_any_order(store: &dyn Store) {
    let (mut story, bob) = (Story::new(), user());
    let events = [
        story.joins(bob, Role::Member),
        story.leaves(bob),
        story.joins(bob, Role::Member),
        story.becomes(bob, Role::Admin),
    ];
    let stays = Member { user: bob, role: Role::Admin, joined_at: at(&events[2]), joined_seq: events[2].seq };
    for order in orders(&events) {
        assert_eq!(after(store, bob, &order).await, Some(stays));
    }
    // The same without the return: whatever comes late, bob is gone.
    for order in orders(&[events[0].clone(), story.becomes(bob, Role::Admin), story.leaves(bob)]) {
        assert_eq!(after(store, bob, &order).await, None);
    }
}

/// The member once these were applied one by one, in a conversation of their own; both ways agree.
async fn after(store: &dyn Store, user: UserId, events: &[EventRow]) -> Option<Member> {
    let of = conversation();
    for row in elsewhere(events, of) {
        store.apply(&[row]).await.unwrap();
    }
    let found = store.member(of, user).await.unwrap();
    let listed = store.memberships(user, None, 1_000).await.unwrap();
    let listed = listed.iter().find(|listed| listed.conversation == of);
    assert_eq!(listed.map(|listed| listed.member), found);
    assert_eq!(store.members(of, None, 10).await.unwrap(), found.into_iter().collect::<Vec<_>>());
    found
}

pub(crate) async fn lists_page_over_those_who_left(store: &dyn Store) {
    let mut story = Story::new();
    let mut users: Vec<UserId> = (0..120).map(|_| user()).collect();
    users.sort();
    let mut events: Vec<_> = users.iter().map(|user| story.joins(*user, Role::Member)).collect();
    let stay: Vec<UserId> =
        users.iter().copied().enumerate().filter(|(n, _)| n % 10 == 9).map(|(_, user)| user).collect();
    events.extend(users.iter().filter(|user| !stay.contains(user)).map(|user| story.leaves(*user)));
    for part in events.chunks(50) {
        store.apply(part).await.unwrap();
    }

    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = users_of(&store.members(story.of, after, 5).await.unwrap());
        let Some(last) = page.last() else { break };
        after = Some(*last);
        assert!(page.len() == 5 || seen.len() + page.len() == stay.len(), "a page is short although more follow");
        seen.extend(page);
    }
    assert_eq!(seen, stay);
}

pub(crate) async fn readers_come_and_go_without_events(store: &dyn Store) {
    let (mut story, ada, bob) = (Story::new(), user(), user());
    let created = story.created(ada, "News", &[member(ada, Role::Owner)]);
    store.apply(std::slice::from_ref(&created)).await.unwrap();
    let (head, first_at) = (created.seq, now());

    // Nothing is said meanwhile, so every step has the same position.
    for _ in 0..3 {
        store.set_reader(story.of, bob, Some(first_at), head).await.unwrap();
        let reader = Member { user: bob, role: Role::Reader, joined_at: first_at, joined_seq: head };
        assert_eq!(store.member(story.of, bob).await.unwrap(), Some(reader));
        assert_eq!(conversations_of(store, bob, None, 10).await, [story.of]);

        store.set_reader(story.of, bob, Some(first_at.plus_ms(5_000)), head).await.unwrap();
        assert_eq!(store.member(story.of, bob).await.unwrap(), Some(reader), "the first joining is kept");

        store.set_reader(story.of, bob, None, head).await.unwrap();
        assert_eq!(store.member(story.of, bob).await.unwrap(), None);
        assert_eq!(conversations_of(store, bob, None, 10).await, []);
        store.set_reader(story.of, bob, None, head).await.unwrap();
    }
}

pub(crate) async fn an_event_outlasts_a_reader_and_the_other_way_round(store: &dyn Store) {
    let (mut story, bob) = (Story::new(), user());
    let joined = story.joins(bob, Role::Member);
    let removed = story.leaves(bob);
    store.apply(&[joined.clone(), removed.clone()]).await.unwrap();

    store.set_reader(story.of, bob, Some(now()), removed.seq).await.unwrap();
    assert_eq!(store.member(story.of, bob).await.unwrap().unwrap().role, Role::Reader);
    // The log brings the same events once more.
    store.apply(&[joined, removed]).await.unwrap();
    assert_eq!(store.member(story.of, bob).await.unwrap().unwrap().role, Role::Reader);

    store.apply(&[story.becomes(bob, Role::Moderator)]).await.unwrap();
    assert_eq!(store.member(story.of, bob).await.unwrap().unwrap().role, Role::Moderator);
    store.apply(&[story.leaves(bob)]).await.unwrap();
    assert_eq!(store.member(story.of, bob).await.unwrap(), None);
}

pub(crate) async fn a_feed_changes_no_list(store: &dyn Store) {
    let bob = user();
    let mut feed = Story { of: ConversationId::feed(bob), ..Story::new() };
    let added = ConversationAdded { conversation: conversation(), role: Role::Member, head: super::play::seq(7) };
    let event = feed.event(bob, Body::ConversationAdded(added));
    store.apply(std::slice::from_ref(&event)).await.unwrap();

    assert!(store.memberships(bob, None, 10).await.unwrap().is_empty());
    assert_eq!(store.events(feed.of, super::play::seq(0), 10).await.unwrap().events, [event]);
}

fn users_of(members: &[Member]) -> Vec<UserId> {
    members.iter().map(|member| member.user).collect()
}

async fn conversations_of(
    store: &dyn Store,
    user: UserId,
    after: Option<ConversationId>,
    limit: usize,
) -> Vec<ConversationId> {
    let listed = store.memberships(user, after, limit).await.unwrap();
    assert!(listed.iter().all(|listed| listed.member.user == user));
    listed.iter().map(|listed| listed.conversation).collect()
}
