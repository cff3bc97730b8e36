//! Plain data that REST, events and the store share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    id::{ClientId, ConversationId, MessageId, Seq, SessionId, UserId},
    rights::{Rights, Role},
    time::Timestamp,
};

/// What kind of conversation it is; fixed at creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Members only; to others it does not exist.
    Private,
    /// Every user may look and join.
    Public,
}

/// From where on a member may read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Days until messages are removed; 0 = never.
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

/// The state of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// In use.
    #[default]
    Active,
    /// Closed by an administrator.
    Suspended,
    /// Closed by its user.
    Deactivated,
    /// Removed.
    Erased,
}

/// What everybody may know of a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// A ULID.
    pub id: UserId,
    /// 3–32 of `[a-z0-9_.-]`, unique.
    pub name: String,
    /// At most 64 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// At most 512 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// Public, the user's own, at most 4 KiB as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Value>,
    /// Written by administrators only, at most 4 KiB as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted: Option<Value>,
    /// A program, not a person.
    #[serde(default, skip_serializing_if = "is_false")]
    pub bot: bool,
    /// When the account was made.
    pub created_at: Timestamp,
}

/// What a user sees of themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelfUser {
    /// The public part.
    #[serde(flatten)]
    pub user: User,
    /// Seen by the user alone, at most 4 KiB as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<Value>,
    /// The account's state.
    pub state: AccountState,
    /// Whether others see how far this user has read.
    pub receipts: bool,
}

/// One device that is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Stays over refreshes.
    pub id: SessionId,
    /// What the client calls its device, at most 64 characters.
    pub device: String,
    /// The log-in.
    pub created_at: Timestamp,
    /// The last refresh.
    pub last_used_at: Timestamp,
    /// Whether it is the one that asks.
    #[serde(default)]
    pub current: bool,
}

/// A styled part of a text, counted in Unicode scalar values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// The first character.
    pub start: u32,
    /// How many.
    pub len: u32,
    /// Opaque to the server, at most 32 bytes.
    pub style: String,
    /// Opaque to the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// Where a forwarded message came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// Its conversation.
    pub conversation: ConversationId,
    /// The message there.
    pub message: MessageId,
}

/// What a sender writes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// Plain text, at most 8,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Styles of the text, at most 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
    /// Opaque to the server, at most 16 KiB as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// Upload ids, at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<String>,
    /// The message this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// The message this one repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_of: Option<Forward>,
    /// When it is to vanish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// Who wrote a message: a person or the system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// Counts as unread.
    #[default]
    Text,
    /// Does not.
    System,
}

/// A message as it stands now: its creation and what changed it since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The address of its creation.
    pub id: MessageId,
    /// Where.
    pub conversation: ConversationId,
    /// Its position; the order of the conversation.
    pub seq: Seq,
    /// The accepting gateway's time.
    pub at: Timestamp,
    /// The sender.
    pub by: UserId,
    /// The sender's own id of it.
    pub client_id: ClientId,
    /// Text or system.
    pub kind: MessageKind,
    /// The current content; empty once deleted.
    #[serde(flatten)]
    pub content: Content,
    /// User ids, and the words `all` and `here`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
    /// The last edit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    /// The position of the last change.
    pub version: Seq,
    /// A tombstone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}
