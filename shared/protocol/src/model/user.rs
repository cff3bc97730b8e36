//! Users, their devices, whom they block, and how they are.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    id::{SessionId, UserId},
    time::Timestamp,
};

use super::is_false;

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

/// Somebody whom a user blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Block {
    /// Whom.
    pub user: UserId,
    /// Since when.
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
