//! Messages and what is added to them.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    id::{ClientId, ConversationId, MessageId, Seq, UserId},
    time::Timestamp,
};

use super::is_false;

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
    /// When it is to vanish. For clients: the server itself removes nothing by it yet.
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

impl Reaction {
    /// The order in which reactions are shown, the same wherever they are read.
    pub fn oldest_first(a: &Self, b: &Self) -> Ordering {
        (a.at, a.user, &a.emoji).cmp(&(b.at, b.user, &b.emoji))
    }
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
