//! Conversations, who is in them, and how far they have read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    id::{ConversationId, Seq, UserId},
    rights::{Rights, Role},
    time::Timestamp,
};

use super::is_false;

/// What kind of conversation it is; fixed at creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Two users; its id follows from theirs.
    Direct,
    /// Up to 5,000 members.
    Group,
    /// Few senders and any number of readers.
    Broadcast,
}

/// Who may look at a conversation and join it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Members only; to others it does not exist.
    Private,
    /// Every user may look and join.
    Public,
}

/// From where on a member may read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HistoryAccess {
    /// Everything.
    #[default]
    All,
    /// From the reader's own joining on.
    Joined,
}

/// What one role may do here, beside what its name says: `role.rights() ∪ allow ∖ deny`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Added.
    #[serde(default)]
    pub allow: Rights,
    /// Taken away; wins over `allow`.
    #[serde(default)]
    pub deny: Rights,
}

/// What can be set about a conversation, at creation and later.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Settings {
    /// At most 128 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// At most 1,024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// At most 512 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// Opaque to the server, at most 4 KiB as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// Days until messages are to be removed; 0 = never. For clients: the server itself removes nothing by it yet.
    #[serde(default)]
    pub retention_days: u32,
    /// Seconds between two messages of one member; 0 = off.
    #[serde(default)]
    pub slow_mode_s: u32,
    /// Rights that differ from what the roles say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<Role, Override>,
}

/// A conversation as the store knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = ConversationFields))]
pub struct Conversation {
    /// Derived from its creator or its pair of users.
    pub id: ConversationId,
    /// Fixed.
    pub kind: Kind,
    /// May change by `manage`.
    pub visibility: Visibility,
    /// From where on members may read.
    pub history: HistoryAccess,
    /// Title and the rest.
    #[serde(flatten)]
    pub settings: Settings,
    /// Who made it.
    pub created_by: UserId,
    /// When, by the accepting gateway's clock.
    pub created_at: Timestamp,
    /// The position of the last change of these fields; an `ETag` is made of it.
    pub version: Seq,
    /// Deleted for all: reads answer `not_found`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
}

/// A user's place in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// When, by the accepting gateway's clock.
    pub joined_at: Timestamp,
    /// Where in the log: `history: joined` starts here.
    pub joined_seq: Seq,
}

/// What a member set for a conversation of their own; seen by them alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MemberSettings {
    /// No notice of anything until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<Timestamp>,
    /// What to be notified of.
    #[serde(default)]
    pub notify: Notify,
    /// Out of the way in the list.
    #[serde(default)]
    pub archived: bool,
    /// On top of the list.
    #[serde(default)]
    pub pinned: bool,
}

/// What a member wants to be notified of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Notify {
    #[default]
    All,
    Mentions,
    None,
}

/// Somebody who is kept out of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Ban {
    /// Who.
    pub user: UserId,
    /// Who banned them.
    pub by: UserId,
    /// For moderators, at most 500 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Ends by itself; absent = it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Since when.
    pub at: Timestamp,
}

/// How far a member has read and received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Marker {
    /// Who.
    pub user: UserId,
    /// Seen by the person; zero = nothing yet.
    pub read: Seq,
    /// Arrived at a device; never below `read`.
    pub delivered: Seq,
    /// When it last moved.
    pub at: Timestamp,
}
