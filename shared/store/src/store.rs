//! The traits and their promises. `tests/contract.rs` holds every implementation to them.
//!
//! Every write is idempotent, and writes that come from the log carry its position: applying an older event after a
//! newer one changes nothing. Reads see what was written before on any node (quorum).

mod jobs; // long work
mod markers; // how far members have read
mod reactions; // reactions and pins
mod relations; // blocks, bans, members' settings
mod statuses; // presence that lasts

use async_trait::async_trait;
use bytes::Bytes;
use chat_protocol::{
    ConversationId, MessageId, Seq, SessionId, Shard, Timestamp, UserId,
    id::ClientId,
    model::{AccountState, Conversation, Member, Message, SelfUser, User},
};
use serde_json::Value;

pub use self::{
    jobs::{JobRow, Jobs},
    markers::Markers,
    reactions::{Pin, Reacted, Reactions},
    relations::Relations,
    statuses::Statuses,
};
use crate::StoreError;

/// Everything, behind one handle.
pub trait Store:
    Users
    + Sessions
    + Revocations
    + Relations
    + Statuses
    + Conversations
    + Members
    + Messages
    + Reactions
    + Markers
    + Jobs
    + Marks
{
}
impl<S> Store for S where
    S: Users
        + Sessions
        + Revocations
        + Relations
        + Statuses
        + Conversations
        + Members
        + Messages
        + Reactions
        + Markers
        + Jobs
        + Marks
{
}

/// A new account.
#[derive(Clone)]
pub struct NewAccount {
    /// A ULID, minted by the caller.
    pub id: UserId,
    /// Already checked.
    pub name: String,
    /// Already checked.
    pub display_name: Option<String>,
    /// A PHC string.
    pub password_hash: String,
    /// Now.
    pub created_at: Timestamp,
}

/// An account with what only the log-in needs.
#[derive(Clone)]
pub struct Account {
    /// The user.
    pub user: SelfUser,
    /// A PHC string; `None` for users of an external issuer.
    pub password_hash: Option<String>,
}

/// Fields to change; `Some(None)` removes.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "the fields of the model")]
pub struct ProfileChange {
    pub display_name: Option<Option<String>>,
    pub avatar_url: Option<Option<String>>,
    pub profile: Option<Option<Value>>,
    pub private: Option<Option<Value>>,
    pub receipts: Option<bool>,
}

/// Accounts and profiles.
#[async_trait]
pub trait Users: Send + Sync + 'static {
    /// Makes an account, active and with receipts; `false` if another user has the name. Repeating the same call
    /// answers `true` and changes nothing that was changed since.
    async fn create_user(&self, account: &NewAccount) -> Result<bool, StoreError>;
    /// One account, by id.
    async fn account(&self, id: UserId) -> Result<Option<Account>, StoreError>;
    /// One account, by exact name.
    async fn account_by_name(&self, name: &str) -> Result<Option<Account>, StoreError>;
    /// Changes a profile; `None` if there is no such user.
    async fn change_profile(&self, id: UserId, change: &ProfileChange) -> Result<Option<SelfUser>, StoreError>;
    /// Gives a user another name; `false` if somebody else has it. Repeating the same call answers `true`. The old name
    /// is free at once.
    async fn rename(&self, id: UserId, name: &str) -> Result<bool, StoreError>;
    /// Closes, suspends or reopens an account; nothing if there is no such user.
    async fn set_state(&self, id: UserId, state: AccountState) -> Result<(), StoreError>;
    /// Replaces the password's hash; nothing if there is no such user.
    async fn set_password(&self, id: UserId, password_hash: &str) -> Result<(), StoreError>;
    /// Public profiles of those that exist, in the order asked; at most 100.
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError>;
    /// Users whose name begins with `prefix` (at least 2 characters), by name, after `after`.
    async fn users_by_prefix(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<User>, StoreError>;
}

/// One log-in.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Stays over refreshes.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// What the client calls its device.
    pub device: String,
    /// The log-in.
    pub created_at: Timestamp,
    /// The last refresh.
    pub last_used_at: Timestamp,
    /// SHA-256 of the current refresh token.
    pub refresh_hash: [u8; 32],
    /// The refresh token's end; the row goes with it.
    pub expires_at: Timestamp,
}

/// Log-ins and their refresh tokens.
#[async_trait]
pub trait Sessions: Send + Sync + 'static {
    /// Writes a new session.
    async fn create_session(&self, session: &SessionRow) -> Result<(), StoreError>;
    /// One session; `None` once ended or expired.
    async fn session(&self, id: SessionId) -> Result<Option<SessionRow>, StoreError>;
    /// Replaces the refresh hash if it still is `old`, else answers `false`: somebody else used the token.
    async fn rotate_session(
        &self,
        id: SessionId,
        old: &[u8; 32],
        new: &[u8; 32],
        used_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Ends a session of this user; nothing if it is somebody else's.
    async fn end_session(&self, user: UserId, id: SessionId) -> Result<(), StoreError>;
    /// The sessions of a user that have not ended, newest first (by id, a ULID).
    async fn sessions(&self, user: UserId) -> Result<Vec<SessionRow>, StoreError>;
}

/// What is no longer trusted although its token has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// One log-in.
    Session {
        /// Which.
        session: SessionId,
        /// After it no token of it can live.
        until: Timestamp,
    },
    /// All tokens of a user issued before a time.
    User {
        /// Whose.
        user: UserId,
        /// Tokens issued before this. Of several such rows the latest counts.
        issued_before: Timestamp,
        /// After it no such token can live.
        until: Timestamp,
    },
}

/// What every gateway must refuse.
#[async_trait]
pub trait Revocations: Send + Sync + 'static {
    /// Writes one; it vanishes by itself at its `until`.
    async fn revoke(&self, revocation: &Revocation) -> Result<(), StoreError>;
    /// All that still matter.
    async fn revocations(&self) -> Result<Vec<Revocation>, StoreError>;
}

/// Conversations. Written by [`Messages::apply`] only.
#[async_trait]
pub trait Conversations: Send + Sync + 'static {
    /// One conversation; deleted ones answer with `deleted`.
    async fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError>;
}

/// One conversation in a user's own list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// Which.
    pub conversation: ConversationId,
    /// The user's place in it.
    pub member: Member,
}

/// Members, both ways. Written by [`Messages::apply`], except for readers of a broadcast, who join without an event.
#[async_trait]
pub trait Members: Send + Sync + 'static {
    /// One member.
    async fn member(&self, of: ConversationId, user: UserId) -> Result<Option<Member>, StoreError>;
    /// Members by user id, after `after`.
    async fn members(&self, of: ConversationId, after: Option<UserId>, limit: usize)
    -> Result<Vec<Member>, StoreError>;
    /// The conversations of a user, by conversation id, after `after`.
    async fn memberships(
        &self,
        of: UserId,
        after: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<Membership>, StoreError>;
    /// A reader of a broadcast joins or leaves (`None`); `seq` is the conversation's head then, where reading begins.
    /// It wins over what is stored, also at the same position, and only a newer event changes it again. Joining twice
    /// keeps the first joining, whatever the role.
    async fn set_reader(
        &self,
        of: ConversationId,
        user: UserId,
        joined: Option<Timestamp>,
        seq: Seq,
    ) -> Result<(), StoreError>;
}

/// One event as it came from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Where.
    pub conversation: ConversationId,
    /// Its shard.
    pub shard: Shard,
    /// Its position.
    pub seq: Seq,
    /// The appended bytes, a `chat_protocol::event::Event`.
    pub event: Bytes,
}

/// Where a page of messages begins. Positions are exclusive, except `Around`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// The newest ones; newest first.
    Newest,
    /// Older than this; newest first.
    Before(Seq),
    /// Newer than this; oldest first.
    After(Seq),
    /// Half on either side: at most `size / 2` newer ones, and for the rest itself and older ones; newest first. A side
    /// that is short is not made up for by the other.
    Around(Seq),
}

/// Messages in the order the cursor says, and whether there are more in that direction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MessagePage {
    /// At most as many as asked.
    pub messages: Vec<Message>,
    /// More messages lie beyond the last one, in the direction of the page.
    pub more: bool,
}

/// Raw events, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventPage {
    /// At most as many as asked.
    pub events: Vec<EventRow>,
    /// The position before the first one in this conversation; zero if there is none, or if the page is empty.
    pub prev: Seq,
    /// Something lies beyond the last one.
    pub more: bool,
}

/// Where a message with a client id went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DedupeRow {
    /// The first message.
    pub message: MessageId,
}

/// An event nobody can apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The event.
    pub row: EventRow,
    /// Why, without content.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Events and what follows from them.
#[async_trait]
pub trait Messages: Send + Sync + 'static {
    /// Applies events of any conversations: each becomes a row at its own position, a message its dedupe row (48 h),
    /// a control event its change of conversation, members and the users' lists ([`crate::fold`]). Idempotent and
    /// order-free within what positions say. Durable when it returns. All or an error; after an error any part may
    /// have been written, and repeating it is right. [`StoreError::Refused`] says that an event is at fault; which
    /// one, only for a batch of one (the caller narrows a larger batch down).
    async fn apply(&self, batch: &[EventRow]) -> Result<(), StoreError>;
    /// A page of messages with their current texts, deleted ones as tombstones; `size` 1–200.
    async fn messages(&self, of: ConversationId, cursor: Cursor, size: usize) -> Result<MessagePage, StoreError>;
    /// One message with its current text.
    async fn message(&self, of: ConversationId, seq: Seq) -> Result<Option<Message>, StoreError>;
    /// Raw events after a position; `size` 1–1,000. Byte for byte as appended, except those that created or edited a
    /// message that is deleted: they come without its content.
    async fn events(&self, of: ConversationId, after: Seq, size: usize) -> Result<EventPage, StoreError>;
    /// The newest position that is stored of each, in the order asked.
    async fn stored_heads(&self, of: &[ConversationId]) -> Result<Vec<Option<Seq>>, StoreError>;
    /// The first message that `by` sent with this client id. Known for at least 24 h; its row lives 48 h.
    async fn first_with(&self, of: ConversationId, by: UserId, id: ClientId) -> Result<Option<DedupeRow>, StoreError>;
    /// Puts an event aside that cannot be applied, for an operator to look at.
    async fn quarantine(&self, event: &Quarantined) -> Result<(), StoreError>;
    /// What was put aside of a shard, oldest first.
    async fn quarantined(&self, shard: Shard, limit: usize) -> Result<Vec<Quarantined>, StoreError>;
}

/// High-water marks that guard against a log that went back.
#[async_trait]
pub trait Marks: Send + Sync + 'static {
    /// Raises a shard's mark; a lower one changes nothing.
    async fn raise_mark(&self, shard: Shard, seq: Seq) -> Result<(), StoreError>;
    /// The highest position ever stored of a shard.
    async fn mark(&self, shard: Shard) -> Result<Option<Seq>, StoreError>;
    /// Whether the store is within reach and its schema is the one this version needs.
    async fn check(&self) -> Result<(), StoreError>;
}
