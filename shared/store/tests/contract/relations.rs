//! Blocks, bans, members' own settings.

use chat_protocol::{
    ConversationId, Timestamp, UserId,
    event::{BanLifted, BanTerms, BlockChanged, Body, LeftReason, MemberLeft, SettingsUpdated},
    model::{Ban, Block, MemberSettings, Notify},
    rights::Role,
};
use chat_store::{EventRow, Store};

use super::play::{Story, at, conversation, member, now, user};

/// The feed of a user.
fn feed(of: UserId) -> Story {
    Story { of: ConversationId::feed(of), ..Story::new() }
}

impl Story {
    fn blocks(&mut self, by: UserId, user: UserId, present: bool) -> EventRow {
        let block = BlockChanged { user };
        self.event(by, if present { Body::BlockAdded(block) } else { Body::BlockRemoved(block) })
    }

    fn bans(&mut self, by: UserId, user: UserId, reason: Option<&str>, until: Option<Timestamp>) -> EventRow {
        let ban = Some(BanTerms { reason: reason.map(str::to_owned), until });
        self.event(by, Body::MemberLeft(MemberLeft { user, role: None, reason: LeftReason::Banned, ban }))
    }

    fn lifts(&mut self, by: UserId, user: UserId) -> EventRow {
        self.event(by, Body::BanLifted(BanLifted { user }))
    }

    fn sets(&mut self, by: UserId, conversation: ConversationId, settings: MemberSettings) -> EventRow {
        self.event(by, Body::SettingsUpdated(SettingsUpdated { conversation, settings }))
    }
}

pub(crate) async fn a_block_is_seen_from_both_sides(store: &dyn Store) {
    let (ada, bob, eve) = (user(), user(), user());
    let mut story = feed(ada);
    let block = story.blocks(ada, bob, true);
    store.apply(std::slice::from_ref(&block)).await.unwrap();

    assert_eq!(store.blocks(ada, None, 10).await.unwrap(), [Block { user: bob, at: at(&block) }]);
    assert_eq!(store.blocks(bob, None, 10).await.unwrap(), []);
    assert_eq!(store.blocked_between(ada, &[eve, bob]).await.unwrap(), [bob]);
    assert_eq!(store.blocked_between(bob, &[eve, ada]).await.unwrap(), [ada]);
    assert_eq!(store.blocked_by(bob, &[eve, ada]).await.unwrap(), [ada]);
    assert_eq!(store.blocked_by(ada, &[eve, bob]).await.unwrap(), []);

    let lifted = story.blocks(ada, bob, false);
    store.apply(&[lifted]).await.unwrap();
    // An older event that comes again changes nothing.
    store.apply(&[block]).await.unwrap();
    assert_eq!(store.blocks(ada, None, 10).await.unwrap(), []);
    assert_eq!(store.blocked_between(bob, &[ada]).await.unwrap(), []);
    assert_eq!(store.blocked_by(bob, &[ada]).await.unwrap(), []);
}

pub(crate) async fn blocks_are_paged_by_user(store: &dyn Store) {
    let ada = user();
    let mut others: Vec<UserId> = (0..5).map(|_| user()).collect();
    others.sort();
    let mut story = feed(ada);
    let mut events: Vec<EventRow> = others.iter().map(|other| story.blocks(ada, *other, true)).collect();
    events.push(story.blocks(ada, others[1], false));
    store.apply(&events).await.unwrap();
    let users = |blocks: Vec<Block>| blocks.into_iter().map(|block| block.user).collect::<Vec<_>>();
    assert_eq!(users(store.blocks(ada, None, 2).await.unwrap()), [others[0], others[2]]);
    assert_eq!(users(store.blocks(ada, Some(others[2]), 10).await.unwrap()), others[3..]);
}

pub(crate) async fn a_ban_removes_and_lasts_until_it_is_lifted(store: &dyn Store) {
    let (mut story, ada, bob, eve) = (Story::new(), user(), user(), user());
    let created = story.created(ada, "Tea", &[member(ada, Role::Owner), member(bob, Role::Member)]);
    let until = now().plus_ms(60_000);
    let ban = story.bans(ada, bob, Some("spam"), Some(until));
    let stranger = story.bans(ada, eve, None, None);
    store.apply(&[created, ban.clone(), stranger.clone()]).await.unwrap();

    assert_eq!(store.member(story.of, bob).await.unwrap(), None);
    let spam = Ban { user: bob, by: ada, reason: Some("spam".into()), until: Some(until), at: at(&ban) };
    let for_good = Ban { user: eve, by: ada, reason: None, until: None, at: at(&stranger) };
    assert_eq!(store.ban(story.of, bob).await.unwrap(), Some(spam.clone()));
    assert_eq!(store.ban(story.of, ada).await.unwrap(), None);
    let mut both = vec![spam, for_good];
    both.sort_by_key(|ban| ban.user);
    assert_eq!(store.bans(story.of, None, 10).await.unwrap(), both);
    assert_eq!(store.bans(story.of, Some(both[0].user), 10).await.unwrap(), both[1..]);

    let lifted = story.lifts(ada, bob);
    store.apply(&[lifted]).await.unwrap();
    store.apply(&[ban]).await.unwrap();
    assert_eq!(store.ban(story.of, bob).await.unwrap(), None);
    assert_eq!(store.bans(story.of, None, 10).await.unwrap().len(), 1);
}

pub(crate) async fn settings_are_the_members_own(store: &dyn Store) {
    let (ada, here, there) = (user(), conversation(), conversation());
    let mut story = feed(ada);
    let muted = MemberSettings { muted_until: Some(now().plus_ms(1_000)), ..MemberSettings::default() };
    let filed = MemberSettings { archived: true, notify: Notify::Mentions, ..MemberSettings::default() };
    let (first, second) = (story.sets(ada, here, muted), story.sets(ada, here, filed));
    store.apply(&[second, first]).await.unwrap();
    let settings = store.member_settings(ada, &[there, here]).await.unwrap();
    assert_eq!(settings, [MemberSettings::default(), filed]);
    assert_eq!(store.archived(ada).await.unwrap(), [here]);
    assert_eq!(store.archived(user()).await.unwrap(), []);
    let back = story.sets(ada, here, MemberSettings::default());
    store.apply(&[back]).await.unwrap();
    assert_eq!(store.archived(ada).await.unwrap(), []);
}
