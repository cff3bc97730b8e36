//! Who is in a conversation and what they may do, kept current by the conversation's own events. Pure.

use std::collections::HashMap;

use chat_auth::{Place, Standing};
use chat_protocol::{
    Seq, Timestamp, UserId,
    event::{BanTerms, Body, LeftReason},
    frame::EventFrame,
    model::{Conversation, HistoryAccess, Kind, Member},
    rights::Role,
};

/// Bans that are remembered; with more the roster is read anew from the store, which has them all.
const BANS: usize = 1_000;

/// One conversation's members; readers of a broadcast are looked up one by one instead.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    conversation: Option<Conversation>,
    members: HashMap<UserId, Member>,
    /// What events said since the roster was read: the terms of a ban, or that it was lifted. Of others the store
    /// knows.
    bans: HashMap<UserId, Option<BanTerms>>,
}

impl Roster {
    /// What the store said.
    pub fn new(conversation: Option<Conversation>, members: impl IntoIterator<Item = Member>) -> Self {
        let members = members.into_iter().map(|member| (member.user, member)).collect();
        Self { conversation, members, bans: HashMap::new() }
    }

    /// The conversation; `None` if there is none, or no longer.
    pub fn conversation(&self) -> Option<&Conversation> {
        self.conversation.as_ref().filter(|conversation| !conversation.deleted)
    }

    /// Whether membership of others than those listed is possible.
    pub fn is_partial(&self) -> bool {
        self.conversation().is_some_and(is_broadcast)
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

    /// Whether nothing up to the reader's own joining is shown.
    pub fn joined_only(&self) -> bool {
        self.conversation().is_some_and(|known| known.history == HistoryAccess::Joined)
    }

    /// What a role may do here.
    pub fn place(&self, role: Role) -> Option<Place> {
        let conversation = self.conversation()?;
        Some(Place::of(conversation.kind, role, &conversation.settings.overrides))
    }

    /// Whether a user is banned, where recent events say so; `None`: the store knows.
    pub fn ban(&self, user: UserId, now: Timestamp) -> Option<bool> {
        let known = self.bans.get(&user)?;
        Some(known.as_ref().is_some_and(|terms| terms.until.is_none_or(|until| now < until)))
    }

    /// What `authorize` needs to know of a member here; of somebody else it does not say whether they are banned.
    pub fn standing(&self, user: UserId) -> Option<Standing> {
        self.standing_of(self.member(user))
    }

    /// The same for a place that was looked up elsewhere.
    pub fn standing_of(&self, member: Option<&Member>) -> Option<Standing> {
        let Conversation { kind, visibility, .. } = *self.conversation()?;
        let place = member.and_then(|member| self.place(member.role));
        Some(Standing { kind, visibility, place, banned: false, blocked: false })
    }

    /// Whether so many bans were seen that the store had better be asked.
    pub fn is_overfull(&self) -> bool {
        self.bans.len() > BANS
    }

    /// Applies one event of the conversation; those that change nothing here are ignored. `ban` are the terms of one,
    /// which an event does not show.
    pub fn apply(&mut self, frame: &EventFrame, ban: Option<&BanTerms>) {
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
                let listed = self.members.get_mut(&updated.user).map(|member| member.role = updated.role).is_some();
                // In a broadcast who is more than a reader is listed from here on, and who is a reader no longer.
                if self.is_partial() && (!listed || updated.role == Role::Reader) {
                    self.put(updated.user, updated.role, frame, frame.seq);
                }
            }
            Body::MemberLeft(left) => {
                self.members.remove(&left.user);
                if left.reason == LeftReason::Banned {
                    self.bans.insert(left.user, Some(ban.cloned().unwrap_or_default()));
                }
            }
            Body::BanLifted(lifted) => {
                self.bans.insert(lifted.user, None);
            }
            _ => {}
        }
    }

    fn put(&mut self, user: UserId, role: Role, frame: &EventFrame, joined_seq: Seq) {
        if role == Role::Reader && self.is_partial() {
            // Readers leave without an event that could take them off this list again.
            self.members.remove(&user);
            return;
        }
        self.members.insert(user, Member { user, role, joined_at: frame.at, joined_seq });
    }
}

fn is_broadcast(conversation: &Conversation) -> bool {
    conversation.kind == Kind::Broadcast
}
