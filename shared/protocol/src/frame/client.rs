//! What clients say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Cursors, Ref, SecretText};
use crate::{
    event::ReactionOp,
    id::{ClientId, ConversationId, MessageId, Seq, UserId},
    model::{Content, ContentChange, Status},
};

/// What a client says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientFrame {
    /// Who I am, by access token; the first frame.
    Hello(Hello),
    /// Where I was, by resume token; the first frame.
    Resume(Resume),
    /// A fresh access token for this socket.
    Auth(Auth),
    /// Are you there? Answered by `pong`.
    Ping(Ping),
    /// A message. Answered by `ack` or `error` with its `client_id`.
    Send(Box<Send>),
    /// Receive a conversation's events. Answered by `recovered`, `resync` or `error`.
    Follow(Follow),
    /// No longer.
    Unfollow(Unfollow),
    /// New content for a message. Answered by `ok` or `error`, like all below that carry a `ref`.
    Edit(Box<Edit>),
    /// Messages to delete for all.
    Delete(Delete),
    /// A reaction to add or take back.
    React(React),
    /// How far the user has read. No answer.
    Mark(Mark),
    /// The user is typing, or no longer. No answer.
    Typing(Typing),
    /// The conversations on screen, instead of those before. No answer.
    Focus(Focus),
    /// Users whose presence is wanted. Answered by `presence`.
    Watch(Watch),
    /// The user's own status.
    Status(SetStatus),
}

impl ClientFrame {
    /// Every `type` this version knows.
    pub const TYPES: &'static [&'static str] = &[
        "hello", "resume", "auth", "ping", "send", "follow", "unfollow", "edit", "delete", "react", "mark", "typing",
        "focus", "watch", "status",
    ];

    /// Its `type`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Resume(_) => "resume",
            Self::Auth(_) => "auth",
            Self::Ping(_) => "ping",
            Self::Send(_) => "send",
            Self::Follow(_) => "follow",
            Self::Unfollow(_) => "unfollow",
            Self::Edit(_) => "edit",
            Self::Delete(_) => "delete",
            Self::React(_) => "react",
            Self::Mark(_) => "mark",
            Self::Typing(_) => "typing",
            Self::Focus(_) => "focus",
            Self::Watch(_) => "watch",
            Self::Status(_) => "status",
        }
    }

    /// The same with this reference, if frames of its kind have one.
    #[must_use]
    pub fn with_reference(mut self, reference: Ref) -> Self {
        let place = match &mut self {
            Self::Auth(auth) => &mut auth.reference,
            Self::Ping(ping) => &mut ping.reference,
            Self::Follow(follow) => &mut follow.reference,
            Self::Unfollow(unfollow) => &mut unfollow.reference,
            Self::Edit(edit) => &mut edit.reference,
            Self::Delete(delete) => &mut delete.reference,
            Self::React(react) => &mut react.reference,
            Self::Watch(watch) => &mut watch.reference,
            Self::Status(status) => &mut status.reference,
            Self::Hello(_) | Self::Resume(_) | Self::Send(_) | Self::Mark(_) | Self::Typing(_) | Self::Focus(_) => {
                return self;
            }
        };
        *place = Some(reference);
        self
    }

    /// What an answer to it names: its `ref` or its `client_id`, and its conversation.
    pub const fn addressee(&self) -> (Option<Ref>, Option<ClientId>, Option<ConversationId>) {
        match self {
            Self::Hello(_) | Self::Resume(_) | Self::Focus(_) => (None, None, None),
            Self::Auth(auth) => (auth.reference, None, None),
            Self::Ping(ping) => (ping.reference, None, None),
            Self::Send(send) => (None, Some(send.client_id), Some(send.conversation)),
            Self::Follow(follow) => (follow.reference, None, Some(follow.conversation)),
            Self::Unfollow(unfollow) => (unfollow.reference, None, Some(unfollow.conversation)),
            Self::Edit(edit) => (edit.reference, None, Some(edit.conversation)),
            Self::Delete(delete) => (delete.reference, None, Some(delete.conversation)),
            Self::React(react) => (react.reference, None, Some(react.conversation)),
            Self::Mark(mark) => (None, None, mark.conversation),
            Self::Typing(typing) => (None, None, Some(typing.conversation)),
            Self::Watch(watch) => (watch.reference, None, None),
            Self::Status(status) => (status.reference, None, None),
        }
    }
}

/// The first frame of a new client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// An access token.
    pub token: SecretText,
    /// What the client calls its device, at most 64 characters.
    pub device: String,
    /// The client's name and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What to follow.
    #[serde(default)]
    pub follow: FollowMode,
    /// What it has, at most 500.
    #[serde(default)]
    pub cursors: Cursors,
    /// Which ephemeral frames it wants; absent = all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub want: Option<Vec<Want>>,
}

/// What a socket follows from the start; the feed always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FollowMode {
    /// The most recent conversations, and those added later.
    #[default]
    Auto,
    /// Only what `follow` asks for.
    None,
}

/// A kind of ephemeral frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Want {
    Typing,
    Markers,
    Presence,
}

/// The first frame of a client that comes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// From `live` or `renewed`.
    pub resume_token: SecretText,
    /// What it has, at most 500.
    #[serde(default)]
    pub cursors: Cursors,
}

/// A fresh token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Auth {
    /// Echoed.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
    /// An access token of the same user.
    pub token: SecretText,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ping {
    /// Echoed.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Send {
    /// Minted when the user pressed send.
    pub client_id: ClientId,
    /// Where to.
    pub conversation: ConversationId,
    /// What.
    #[serde(flatten)]
    pub content: Content,
}

/// A wish to receive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Follow {
    /// Echoed.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
    /// What.
    pub conversation: ConversationId,
    /// The last position the client has; absent = from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Seq>,
}

/// The end of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unfollow {
    /// Echoed.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
    /// What.
    pub conversation: ConversationId,
}

/// New content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    /// Echoed.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
    /// Where.
    pub conversation: ConversationId,
    /// Which.
    pub message: MessageId,
    /// What changes.
    #[serde(flatten)]
    pub change: ContentChange,
}

/// Messages that are to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    /// Echoed.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
    /// Where.
    pub conversation: ConversationId,
    /// Which, at most 100.
    pub messages: Vec<MessageId>,
}

/// One reaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct React {
    /// Echoed.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
    /// Where.
    pub conversation: ConversationId,
    /// To what.
    pub message: MessageId,
    /// At most 32 bytes.
    pub emoji: String,
    /// Add or take back.
    pub op: ReactionOp,
}

/// How far the user has read and received, in one conversation or in many; merged by maximum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Of one: where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// Of one: how far.
    #[serde(flatten)]
    pub marked: Marked,
    /// Of many, at most 500.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub markers: BTreeMap<ConversationId, Marked>,
}

/// Positions up to which a user has read and received; `read` implies `delivered`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {
    /// Seen by a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Seq>,
    /// Arrived at a device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Seq>,
}

/// Typing or no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typing {
    /// Where.
    pub conversation: ConversationId,
    /// Which of the two.
    pub state: TypingState,
}

/// Whether somebody types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum TypingState {
    Start,
    Stop,
}

/// What is on screen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Focus {
    /// At most 4.
    pub conversations: Vec<ConversationId>,
}

/// Whose presence is wanted, beside those watched already.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Echoed.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
    /// From now on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<UserId>,
    /// No longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<UserId>,
}

/// What others are to see of the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetStatus {
    /// Echoed.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
    /// How.
    #[serde(flatten)]
    pub status: Status,
}
