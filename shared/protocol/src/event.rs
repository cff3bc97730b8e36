//! What crosses the log: who did what, when. The log adds the position.
//!
//! Encoded as a MessagePack map with a version, so that N and N − 1 read each other's events: unknown fields are
//! ignored and unknown events are carried as they are ([`Body::Other`]).

mod news; // what feeds are told of it (pure)
mod plain; // the common one, by hand

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    id::{ClientId, ConversationId, MessageId, Seq, UserId},
    model::{Content, HistoryAccess, Kind, MemberSettings, MessageKind, Settings, Visibility, is_false},
    rights::Role,
    time::Timestamp,
};

pub use news::news;

/// One durable event, before the log gave it a position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The accepting gateway's time, for display.
    pub at: Timestamp,
    /// The acting user.
    pub by: UserId,
    /// What happened.
    pub body: Body,
}

/// What happened; `event` and `data` on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "data")]
#[expect(missing_docs, reason = "the payload types and docs/protocol.md say it")]
pub enum Body {
    #[serde(rename = "message.created")]
    MessageCreated(Box<MessageCreated>),
    #[serde(rename = "message.updated")]
    MessageUpdated(Box<MessageUpdated>),
    #[serde(rename = "message.deleted")]
    MessageDeleted(MessageDeleted),
    #[serde(rename = "reaction.changed")]
    ReactionChanged(ReactionChanged),
    #[serde(rename = "pin.added")]
    PinAdded(PinChanged),
    #[serde(rename = "pin.removed")]
    PinRemoved(PinChanged),
    #[serde(rename = "member.joined")]
    MemberJoined(MemberChanged),
    #[serde(rename = "member.updated")]
    MemberUpdated(MemberChanged),
    #[serde(rename = "member.left")]
    MemberLeft(MemberLeft),
    #[serde(rename = "ban.lifted")]
    BanLifted(BanLifted),
    #[serde(rename = "conversation.created")]
    ConversationCreated(Box<ConversationCreated>),
    #[serde(rename = "conversation.updated")]
    ConversationUpdated(Box<ConversationUpdated>),
    #[serde(rename = "conversation.deleted")]
    ConversationDeleted(Empty),
    #[serde(rename = "conversation.added")]
    ConversationAdded(ConversationAdded),
    #[serde(rename = "conversation.removed")]
    ConversationRemoved(ConversationRemoved),
    #[serde(rename = "settings.updated")]
    SettingsUpdated(SettingsUpdated),
    #[serde(rename = "block.added")]
    BlockAdded(BlockChanged),
    #[serde(rename = "block.removed")]
    BlockRemoved(BlockChanged),
    #[serde(rename = "user.updated")]
    UserUpdated(Value),
    /// An event of a later version: passed on, never applied.
    #[serde(untagged)]
    Other { event: String, data: Value },
}

/// `{}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Empty {}

/// A message was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MessageCreated {
    /// The sender's own id: unique per (conversation, sender).
    pub client_id: ClientId,
    /// Text or system.
    #[serde(default)]
    pub kind: MessageKind,
    /// What was written.
    #[serde(flatten)]
    pub content: Content,
    /// Found by the server: user ids, `all`, `here`.
    #[serde(default)]
    pub mentions: Vec<String>,
    /// Replayed without what was written in it, because the message is deleted. Never so in the log.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
}

/// A message's content was replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MessageUpdated {
    /// Which.
    pub message: MessageId,
    /// The new content, whole.
    #[serde(flatten)]
    pub content: Content,
    /// Found anew.
    #[serde(default)]
    pub mentions: Vec<String>,
}

/// Messages were deleted for all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MessageDeleted {
    /// At most 100.
    pub messages: Vec<MessageId>,
    /// `author` or `moderator`.
    pub reason: String,
}

/// Reactions to one message changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ReactionChanged {
    /// Which message.
    pub message: MessageId,
    /// In order.
    pub changes: Vec<ReactionChange>,
}

/// One user's reaction was added or taken back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ReactionChange {
    /// Whose.
    pub user: UserId,
    /// At most 32 bytes.
    pub emoji: String,
    /// Which of the two.
    pub op: ReactionOp,
}

/// Whether a reaction appears or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ReactionOp {
    Add,
    Remove,
}

/// A message was pinned or unpinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PinChanged {
    /// Which.
    pub message: MessageId,
}

/// A user became a member, or their role changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MemberChanged {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: Role,
}

/// A user is no longer a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MemberLeft {
    /// Who.
    pub user: UserId,
    /// The role they had; absent of somebody who was banned and no member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Why.
    pub reason: LeftReason,
    /// With `banned`, in the log only: what moderators see in the list of bans. Clients never get it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(ignore))]
    pub ban: Option<BanTerms>,
}

/// How somebody is kept out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanTerms {
    /// For moderators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Absent = for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Somebody is no longer kept out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BanLifted {
    /// Who.
    pub user: UserId,
}

/// Why a membership ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum LeftReason {
    Removed,
    Banned,
    Left,
    Deleted,
}

/// A conversation began: always its first event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ConversationCreated {
    /// Fixed for good.
    pub kind: Kind,
    /// Private or public.
    pub visibility: Visibility,
    /// From where on members may read.
    #[serde(default)]
    pub history: HistoryAccess,
    /// Title and the rest.
    #[serde(flatten)]
    pub settings: Settings,
    /// Everybody who is in from the start, the creator too.
    pub members: Vec<MemberChanged>,
}

/// What a conversation's settings became, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ConversationUpdated {
    /// Private or public.
    pub visibility: Visibility,
    /// Title and the rest, whole: what is absent was removed.
    #[serde(flatten)]
    pub settings: Settings,
}

/// Feed: the user is now in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ConversationAdded {
    /// Which.
    pub conversation: ConversationId,
    /// As what.
    pub role: Role,
    /// The position of the event that added them.
    pub head: Seq,
}

/// Feed: the user is no longer in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ConversationRemoved {
    /// Which.
    pub conversation: ConversationId,
    /// Why.
    pub reason: LeftReason,
}

/// Feed: the user set something for one conversation; the settings whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SettingsUpdated {
    /// Which.
    pub conversation: ConversationId,
    /// What they are now.
    #[serde(flatten)]
    pub settings: MemberSettings,
}

/// Feed: the user blocked somebody, or no longer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BlockChanged {
    /// Whom.
    pub user: UserId,
}

/// Why bytes from the log are no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not one MessagePack document of the expected shape.
    #[error("not an event: {0}")]
    Broken(String),
    /// Written by a version this one cannot read.
    #[error("event version {0} is not known")]
    Version(u8),
}

#[derive(Serialize, Deserialize)]
struct Record<E> {
    v: u8,
    #[serde(flatten)]
    event: E,
}

const VERSION: u8 = 1;

impl Event {
    /// The bytes that are appended: fixed once, carried unchanged to every reader.
    pub fn encode(&self) -> Bytes {
        if let Some(bytes) = plain::encode(self) {
            return bytes;
        }
        let record = Record { v: VERSION, event: self };
        Bytes::from(rmp_serde::to_vec_named(&record).expect("an event holds only strings, numbers, lists and maps"))
    }

    /// The inverse of [`Event::encode`]; never panics.
    ///
    /// A known event with data of another shape is an error, an unknown event is [`Body::Other`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EventError> {
        plain::decode(bytes).map_or_else(|| Self::decode_any(bytes), Ok)
    }

    fn decode_any(bytes: &[u8]) -> Result<Self, EventError> {
        #[derive(Deserialize)]
        struct Version {
            v: u8,
        }
        let broken = |err: rmp_serde::decode::Error| EventError::Broken(err.to_string());
        let Version { v } = rmp_serde::from_slice(bytes).map_err(broken)?;
        if v != VERSION {
            return Err(EventError::Version(v));
        }
        let event: Self = rmp_serde::from_slice(bytes).map_err(broken)?;
        match &event.body {
            Body::Other { event: name, .. } if Body::KNOWN.contains(&name.as_str()) => {
                Err(EventError::Broken(format!("{name} with data of another shape")))
            }
            _ => Ok(event),
        }
    }
}

impl Body {
    /// The names of the events this version knows.
    pub const KNOWN: &'static [&'static str] = &[
        "message.created",
        "message.updated",
        "message.deleted",
        "reaction.changed",
        "pin.added",
        "pin.removed",
        "member.joined",
        "member.updated",
        "member.left",
        "ban.lifted",
        "conversation.created",
        "conversation.updated",
        "conversation.deleted",
        "conversation.added",
        "conversation.removed",
        "settings.updated",
        "block.added",
        "block.removed",
        "user.updated",
    ];

    /// The same without what only the store may know.
    #[must_use]
    pub fn into_public(mut self) -> Self {
        if let Self::MemberLeft(left) = &mut self {
            left.ban = None;
        }
        self
    }

    /// Takes out what was written: what is left of a deleted message, and of its edits. Other events stay as they are.
    pub fn blank(&mut self) {
        match self {
            Self::MessageCreated(created) => {
                created.content = Content::default();
                created.mentions.clear();
                created.deleted = true;
            }
            Self::MessageUpdated(updated) => {
                updated.content = Content::default();
                updated.mentions.clear();
            }
            _ => {}
        }
    }

    /// Whether it changes who may do what, so that a roster built from events must see it.
    pub const fn is_control(&self) -> bool {
        matches!(
            self,
            Self::MemberJoined(_)
                | Self::MemberUpdated(_)
                | Self::MemberLeft(_)
                | Self::BanLifted(_)
                | Self::ConversationCreated(_)
                | Self::ConversationUpdated(_)
                | Self::ConversationDeleted(_)
        )
    }
}
