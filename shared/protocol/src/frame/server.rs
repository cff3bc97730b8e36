//! What the server says.

use serde::{Deserialize, Serialize};

use super::{Cursors, Ref, SecretText, TypingState};
use crate::{
    error::ErrorCode,
    event::{Body, Event, LeftReason},
    id::{ClientId, ConversationId, MessageId, Seq, SessionId, Shard, SocketId, UserId},
    model::Presence,
    time::Timestamp,
};

/// What the server says. Unknown types are for a client to ignore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame {
    /// The first frame was accepted.
    Ready(Ready),
    /// Every event up to these heads has been sent.
    Recovered(Recovered),
    /// The events after `from` cannot be sent here: read them by REST up to `head`.
    Resync(Resync),
    /// Replay is over.
    Live(Live),
    /// Something durable happened.
    Event(Box<EventFrame>),
    /// A `send` is in the log.
    Ack(Ack),
    /// A request was carried out.
    Ok(Done),
    /// A request, or the socket, failed.
    Error(Box<Failure>),
    /// The user is no longer in a conversation: its last frame.
    Left(Left),
    /// The access token ends soon.
    AuthExpiring(AuthExpiring),
    /// A newer resume token.
    Renewed(Renewed),
    /// Leave for another gateway.
    Goaway(Goaway),
    /// I am.
    Pong(Pong),
    /// Somebody has read or received up to here. Ephemeral, like all below.
    Marker(MarkerShown),
    /// Somebody types, or no longer.
    Typing(TypingShown),
    /// How watched users are.
    Presence(PresenceShown),
    /// How many members of a big conversation are online.
    Counts(Counts),
}

/// The socket is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ready {
    /// This connection.
    pub socket: SocketId,
    /// Who the token names.
    pub user: UserId,
    /// Which session.
    pub session: SessionId,
    /// The access token's end.
    pub token_expires_at: Timestamp,
    /// The server's time, to mint client ids by.
    pub time: Timestamp,
    /// Between two pings.
    pub ping_ms: u64,
    /// How to come back.
    pub reconnect: Reconnect,
    /// What this socket may ask for.
    pub limits: SocketLimits,
}

/// Full jitter: wait random(0, min(max, base × 2ⁿ)); n starts anew after `stable` live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the type says it")]
pub struct Reconnect {
    pub base_ms: u64,
    pub max_ms: u64,
    pub stable_ms: u64,
}

/// Bounds a client should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct SocketLimits {
    pub frame_bytes: usize,
    pub follows: usize,
    pub watches: usize,
}

/// Complete up to these heads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Recovered {
    /// Of the `follow` it answers.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
    /// By conversation; 0 = it has no event yet.
    pub heads: Cursors,
}

/// Not complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resync {
    /// Of the `follow` it answers.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
    /// Which.
    pub conversation: ConversationId,
    /// The last position the client has.
    pub from: Seq,
    /// Live events chain from here.
    pub head: Seq,
    /// Why.
    pub reason: ResyncReason,
}

/// Why a replay cannot be complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResyncReason {
    /// More events than one resume replays.
    TooMany,
    /// The log no longer reaches back.
    TooOld,
    /// The cursor is above the head: the log went back.
    Ahead,
    /// A gap could not be filled.
    Unrepairable,
}

/// Replay is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// How many conversations are followed.
    pub follows: usize,
    /// For `resume`.
    pub resume_token: SecretText,
    /// Its end.
    pub resume_expires_at: Timestamp,
}

/// One durable event with its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct EventFrame {
    /// Where.
    pub conversation: ConversationId,
    /// Its position.
    pub seq: Seq,
    /// The position before it in this conversation; 0 = none is left in the log.
    pub prev: Seq,
    /// Its address.
    pub id: MessageId,
    /// The accepting gateway's time.
    pub at: Timestamp,
    /// Who did it.
    pub by: UserId,
    /// What: `event` and `data`.
    #[serde(flatten)]
    pub body: Body,
}

impl EventFrame {
    /// The event at `seq` of `shard`, after `prev`, as clients may see it.
    pub fn new(conversation: ConversationId, shard: Shard, seq: Seq, prev: Seq, event: Event) -> Self {
        let Event { at, by, body } = event;
        Self { conversation, seq, prev, id: MessageId::new(shard, seq), at, by, body: body.into_public() }
    }
}

/// The log has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Whose.
    pub client_id: ClientId,
    /// Its address.
    pub id: MessageId,
    /// Its position.
    pub seq: Seq,
    /// It was there before.
    pub duplicate: bool,
}

/// Carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Of the request.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
    /// The event it made; 0 = nothing changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
}

/// Refused or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Of the request.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
    /// Of the `send`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// Of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// The stable code.
    pub code: ErrorCode,
    /// For people; never a secret.
    pub detail: String,
    /// When to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The server's time, for `clock_skew`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
}

impl Failure {
    /// A failure of nothing in particular; fill in what it answers.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            reference: None,
            client_id: None,
            conversation: None,
            code,
            detail: detail.into(),
            retry_after_ms: None,
            time: None,
        }
    }
}

/// No longer a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Of what.
    pub conversation: ConversationId,
    /// Why.
    pub reason: LeftReason,
}

/// Send `auth`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthExpiring {
    /// When the present token ends.
    pub expires_at: Timestamp,
}

/// Keep this one instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    /// For `resume`.
    pub resume_token: SecretText,
    /// Its end.
    pub resume_expires_at: Timestamp,
}

/// This gateway stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goaway {
    /// Why.
    pub reason: GoawayReason,
    /// Wait this long, then open a new socket.
    pub after_ms: u64,
    /// This one is closed by then.
    pub deadline_ms: u64,
}

/// Why a gateway sends a client away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum GoawayReason {
    Drain,
    Rebalance,
}

/// An answer to `ping`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// Of the `ping`.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
    /// The server's time.
    pub time: Timestamp,
}

/// How far a user has come, to that user's own devices and to members who have the conversation on screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkerShown {
    /// Where.
    pub conversation: ConversationId,
    /// Who.
    pub user: UserId,
    /// Seen by the person; zero = nothing yet.
    pub read: Seq,
    /// Arrived at a device.
    pub delivered: Seq,
}

/// Somebody types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypingShown {
    /// Where.
    pub conversation: ConversationId,
    /// Who.
    pub user: UserId,
    /// Or no longer.
    pub state: TypingState,
    /// Shown for so long, unless it is said again.
    pub expires_ms: u64,
}

/// How users are: those asked for in answer to `watch`, later those that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceShown {
    /// Of the `watch` it answers.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
    /// Each user once.
    pub states: Vec<Presence>,
}

/// How many are online.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Where.
    pub conversation: ConversationId,
    /// Members with a device that is there.
    pub online: u64,
}
