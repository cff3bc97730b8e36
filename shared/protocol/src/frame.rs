//! What crosses a socket: one WebSocket message is one frame, an object with `type`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    error::ErrorCode,
    event::{Body, Event, LeftReason},
    id::{ClientId, ConversationId, MessageId, Seq, SessionId, Shard, SocketId, UserId},
    model::Content,
    time::Timestamp,
};

/// A client's number for a request, 0 … 2^53 − 1; the answer carries it.
pub type Ref = Seq;

/// Cursors: the last position a reader has, by conversation.
pub type Cursors = BTreeMap<ConversationId, Seq>;

/// A token on its way: prints as `***`, so that no log line can hold one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// The text itself, for the one place that checks or sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

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
}

impl ClientFrame {
    /// Every `type` this version knows.
    pub const TYPES: &'static [&'static str] = &["hello", "resume", "auth", "ping", "send", "follow", "unfollow"];
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
    /// The event at `seq` of `shard`, after `prev`.
    pub fn new(conversation: ConversationId, shard: Shard, seq: Seq, prev: Seq, event: Event) -> Self {
        let Event { at, by, body } = event;
        Self { conversation, seq, prev, id: MessageId::new(shard, seq), at, by, body }
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
