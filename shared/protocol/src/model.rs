//! Plain data that REST, events and the store share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    id::{ClientId, ConversationId, JobId, MessageId, Seq, SessionId, UserId},
    rights::{Rights, Role},
    time::Timestamp,
};

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

/// Somebody whom a user blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Block {
    /// Whom.
    pub user: UserId,
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

/// What a user set about their own presence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Status {
    /// Instead of what devices say.
    #[serde(default)]
    pub state: StatusState,
    /// At most 128 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Back to `auto` and no text then; absent = never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// How a user wants to be seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StatusState {
    /// As the devices say.
    #[default]
    Auto,
    /// There, and not to be disturbed.
    Dnd,
    /// As if offline.
    Invisible,
}

/// How a user is, as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Presence {
    /// Who.
    pub user: UserId,
    /// How. Who may not know reads `offline`, without the rest.
    pub state: PresenceState,
    /// The status text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When a device was last there; only of those who are offline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
}

/// The states of presence, best last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum PresenceState {
    Offline,
    Away,
    Dnd,
    Online,
}

/// Long work that somebody started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Job {
    /// A ULID.
    pub id: JobId,
    /// What is done: `purge` (a deleted conversation), `erase` (a closed account).
    pub kind: JobKind,
    /// How far it is.
    pub state: JobState,
    /// Who started it.
    pub started_by: UserId,
    /// When.
    pub created_at: Timestamp,
}

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Removes the rows of a deleted conversation.
    Purge,
    /// Removes what is left of a closed account.
    Erase,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum JobState {
    Waiting,
    Running,
    Done,
    Failed,
    Cancelled,
}

/// The state of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// Its conversation.
    pub conversation: ConversationId,
    /// The message there.
    pub message: MessageId,
}

/// What a sender writes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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

/// What an edit changes of a message: fields that are given replace the present ones, the others stay.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContentChange {
    /// Plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Styles of the text. A new text without new styles has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spans: Option<Vec<Span>>,
    /// Opaque to the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

/// Reactions to one message with one emoji.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ReactionSummary {
    /// What.
    pub emoji: String,
    /// How many users, counted to 1,000.
    pub count: u32,
    /// The first of them, at most 20.
    pub users: Vec<UserId>,
    /// Whether the reader is one of them.
    pub mine: bool,
}

/// One user's reaction to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Reaction {
    /// What.
    pub emoji: String,
    /// Whose.
    pub user: UserId,
    /// When.
    pub at: Timestamp,
}

/// Who wrote a message: a person or the system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
    /// By emoji, in the order they first came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<ReactionSummary>,
    /// Among the pins of the conversation.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pinned: bool,
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
