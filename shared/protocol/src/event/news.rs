//! What an event of a conversation means to those whose list of conversations it changes. Pure.

use super::{Body, ConversationAdded, ConversationRemoved};
use crate::{
    id::{ConversationId, Seq, UserId},
    rights::Role,
};

/// What the feeds of users are told because of the event at `seq` of `of`: whoever comes in is added, whoever goes out
/// is removed. Of most events, nothing. Readers of a broadcast come and go without an event.
pub fn news(of: ConversationId, seq: Seq, body: &Body) -> Vec<(UserId, Body)> {
    let added = |user: UserId, role: Role| {
        (user, Body::ConversationAdded(ConversationAdded { conversation: of, role, head: seq }))
    };
    match body {
        Body::ConversationCreated(created) => {
            created.members.iter().map(|member| added(member.user, member.role)).collect()
        }
        Body::MemberJoined(joined) => vec![added(joined.user, joined.role)],
        // Whoever was banned without having been in was on nobody's list.
        Body::MemberLeft(left) if left.role.is_some() => {
            let removed = ConversationRemoved { conversation: of, reason: left.reason };
            vec![(left.user, Body::ConversationRemoved(removed))]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{LeftReason, MemberChanged, MemberLeft};

    #[test]
    fn whoever_was_not_in_hears_nothing_of_their_ban() {
        let (of, seq, user) = (ConversationId::from_u128(1), Seq::ZERO.next(), UserId::from_u128(2));
        let left = |role| Body::MemberLeft(MemberLeft { user, role, reason: LeftReason::Banned, ban: None });
        assert_eq!(news(of, seq, &left(None)), []);
        let removed = ConversationRemoved { conversation: of, reason: LeftReason::Banned };
        assert_eq!(news(of, seq, &left(Some(Role::Member))), [(user, Body::ConversationRemoved(removed))]);
        let joined = Body::MemberJoined(MemberChanged { user, role: Role::Guest });
        let added = ConversationAdded { conversation: of, role: Role::Guest, head: seq };
        assert_eq!(news(of, seq, &joined), [(user, Body::ConversationAdded(added))]);
    }
}
