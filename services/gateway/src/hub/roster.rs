//! Who is in a conversation and what they may do, kept current by the conversation's own events. Pure.

use std::collections::HashMap;

use chat_auth::{Place, Standing};
use chat_protocol::{
    Seq, UserId,
    event::Body,
    frame::EventFrame,
    model::{Conversation, HistoryAccess, Kind, Member},
    rights::Role,
};

/// One conversation's members; readers of a broadcast are looked up one by one instead.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    conversation: Option<Conversation>,
    members: HashMap<UserId, Member>,
}

impl Roster {
    /// What the store said.
    pub fn new(conversation: Option<Conversation>, members: impl IntoIterator<Item = Member>) -> Self {
        Self { conversation, members: members.into_iter().map(|member| (member.user, member)).collect() }
    }

    /// The conversation; `None` if there is none, or no longer.
    pub fn conversation(&self) -> Option<&Conversation> {
        self.conversation.as_ref().filter(|conversation| !conversation.deleted)
    }

    /// Whether membership of others than those listed is possible.
    pub fn is_partial(&self) -> bool {
        self.conversation().is_some_and(|conversation| conversation.kind == Kind::Broadcast)
    }

    /// One member.
    pub fn member(&self, user: UserId) -> Option<&Member> {
        self.members.get(&user)
    }

    /// All listed members.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// How many owners there are.
    pub fn owners(&self) -> usize {
        self.members.values().filter(|member| member.role == Role::Owner).count()
    }

    /// With `history: joined` nothing up to the reader's own joining is shown.
    pub fn readable_since(&self, user: UserId) -> Seq {
        let joined_only = self.conversation().is_some_and(|known| known.history == HistoryAccess::Joined);
        self.member(user).filter(|_| joined_only).map_or(Seq::ZERO, |member| member.joined_seq)
    }

    /// What `authorize` needs to know of a user here.
    pub fn standing(&self, user: UserId) -> Option<Standing> {
        self.standing_of(self.member(user))
    }

    /// The same for a place that was looked up elsewhere.
    pub fn standing_of(&self, member: Option<&Member>) -> Option<Standing> {
        let conversation = self.conversation()?;
        let place = member.map(|member| Place::of(conversation.kind, member.role, &conversation.settings.overrides));
        let Conversation { kind, visibility, .. } = *conversation;
        Some(Standing { kind, visibility, place, banned: false, blocked: false })
    }

    /// Applies one event of the conversation; those that change nothing here are ignored.
    pub fn apply(&mut self, frame: &EventFrame) {
        match &frame.body {
            Body::ConversationCreated(created) => {
                self.conversation = Some(Conversation {
                    id: frame.conversation,
                    kind: created.kind,
                    visibility: created.visibility,
                    history: created.history,
                    settings: created.settings.clone(),
                    created_by: frame.by,
                    created_at: frame.at,
                    version: frame.seq,
                    deleted: false,
                });
                for member in &created.members {
                    self.put(member.user, member.role, frame, frame.seq);
                }
            }
            Body::ConversationUpdated(updated) => {
                if let Some(conversation) = &mut self.conversation {
                    conversation.visibility = updated.visibility;
                    conversation.settings = updated.settings.clone();
                    conversation.version = frame.seq;
                }
            }
            Body::ConversationDeleted(_) => {
                if let Some(conversation) = &mut self.conversation {
                    conversation.deleted = true;
                }
                self.members.clear();
            }
            Body::MemberJoined(joined) => self.put(joined.user, joined.role, frame, frame.seq),
            Body::MemberUpdated(updated) => {
                if let Some(member) = self.members.get_mut(&updated.user) {
                    member.role = updated.role;
                }
            }
            Body::MemberLeft(left) => {
                self.members.remove(&left.user);
            }
            _ => {}
        }
    }

    fn put(&mut self, user: UserId, role: Role, frame: &EventFrame, joined_seq: Seq) {
        self.members.insert(user, Member { user, role, joined_at: frame.at, joined_seq });
    }
}
