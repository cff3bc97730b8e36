//! Trait `Log` and its promises. `tests/contract.rs` holds every implementation to them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use chat_protocol::{
    ConversationId, MessageId, NodeId, Seq, Shard, Timestamp, UserId, id::ClientId, trace::TraceParent,
};
use futures_util::stream::BoxStream;
use sha2::{Digest, Sha256};

use crate::{BusError, Doubt};

/// Live events of one conversation. Dropping it leaves the conversation.
pub type LiveStream = BoxStream<'static, Live>;
/// Deliveries of one shard, shared with every other consumer of it.
pub type WorkStream = BoxStream<'static, Delivery>;
/// Signals of one topic.
pub type SignalStream = BoxStream<'static, Bytes>;

/// The log of the whole cluster, as one node sees it.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// How many shards the cluster has; fixed when it was created.
    fn shards(&self) -> u16;

    /// The shard that holds a conversation: stable for ever.
    fn shard_of(&self, conversation: ConversationId) -> Shard {
        crate::subject::shard_of(conversation, self.shards())
    }

    /// Appends once. Durable when it returns.
    ///
    /// The same nonce inside the dedupe window gives the first position again, `duplicate`; that is looked at first.
    /// With `expect` the event
    /// is stored only if the conversation's last position is exactly that one (`Some(Seq::ZERO)`: it has none),
    /// else [`BusError::WrongHead`]. Appends of one caller to one conversation that are awaited one after the other
    /// are stored in that order. Fails fast ([`BusError::Unavailable`], [`BusError::Full`]) instead of waiting, and
    /// with [`BusError::Unknown`] after the append's deadline.
    async fn append(
        &self,
        to: ConversationId,
        nonce: Nonce,
        event: Bytes,
        expect: Option<Seq>,
    ) -> Result<Appended, BusError>;

    /// Events from now on, in order, each stored before it is seen here. May miss some or repeat some, never lies:
    /// `prev` shows a gap, [`Live::Doubtful`] says "compare heads". Returns once the subscription is known to the log
    /// this node talks to. Never blocks the log: when the reader is slow events are dropped and `Doubtful` says so.
    async fn live(&self, of: ConversationId) -> Result<LiveStream, BusError>;

    /// Everything after `after` that is in the log, oldest first, at most `most` events; or an honest
    /// [`Replay::TooOld`] when the log no longer holds everything after `after`.
    ///
    /// A cursor below everything this shard ever gave out comes from a log that was lost: also `TooOld`. With
    /// `after = Seq::ZERO` everything the conversation ever had is asked for: `TooOld` if this shard ever dropped
    /// anything. Where that claim is not needed use [`Log::tail`].
    async fn replay(&self, of: ConversationId, after: Seq, most: usize) -> Result<Replay, BusError>;

    /// What the log still holds after `after`, without any claim about what it dropped. Same order and bound.
    async fn tail(&self, of: ConversationId, after: Seq, most: usize) -> Result<Vec<Logged>, BusError>;

    /// The newest position of each, in the order asked; `None` where the log holds nothing of it. Not older than
    /// anything this node has seen acknowledged or live before the call, and read from the shards' leaders when
    /// `fresh` is asked for (then not older than anything acknowledged anywhere before the call).
    async fn heads(&self, of: &[ConversationId], fresh: bool) -> Result<Vec<Option<Seq>>, BusError>;

    /// The newest event of each that the log still holds; not older than anything this node has seen acknowledged or
    /// live before the call.
    async fn newest(&self, of: &[ConversationId]) -> Result<Newest, BusError>;

    /// First and last position of a shard, and how far its consumers have come.
    async fn shard_state(&self, shard: Shard) -> Result<ShardState, BusError>;

    /// The shared work of one shard: everything, oldest first, at least once, until acknowledged. What is neither
    /// acknowledged nor retried comes again after the acknowledgement deadline, to whichever consumer asks.
    async fn consume(&self, shard: Shard) -> Result<WorkStream, BusError>;

    /// Sends a signal. May be lost; nothing durable depends on one.
    async fn emit(&self, to: &Topic, signal: Bytes) -> Result<(), BusError>;

    /// Signals from now on; lost ones are not noticed.
    async fn listen(&self, to: &Topic) -> Result<SignalStream, BusError>;

    /// Whether the log is within reach now, and how durable it is. Cheap; no I/O.
    fn status(&self) -> Status;

    /// Says that positions up to `seq` of `shard` were given out (the mark kept in the store). A log whose head is
    /// below it went back: appends to that shard answer [`BusError::WentBack`] until [`Log::rebase`].
    async fn guard(&self, shard: Shard, seq: Seq) -> Result<(), BusError>;

    /// Moves a shard that went back ahead: the next append gets a position above every one ever given out (the
    /// present microsecond). What it still holds must have been persisted before: it is purged. Returns the new floor.
    async fn rebase(&self, shard: Shard) -> Result<Seq, BusError>;
}

/// What makes an append idempotent inside the dedupe window: 128 bits of a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce(u128);

impl Nonce {
    /// For a message: one user can never swallow another's.
    pub fn message(conversation: ConversationId, sender: UserId, id: ClientId) -> Self {
        Self::hash(&[
            b"m",
            &conversation.as_u128().to_be_bytes(),
            &sender.as_u128().to_be_bytes(),
            &id.as_u128().to_be_bytes(),
        ])
    }

    /// For what a user's feed is told because of an event: whoever says it, it is said once.
    pub fn news(user: UserId, cause: MessageId) -> Self {
        Self::hash(&[b"feed", &user.as_u128().to_be_bytes(), &cause.as_u64().to_be_bytes()])
    }

    /// For anything else that is named by `parts`. The conversation is one of them: a nonce is known to a whole shard.
    pub fn hash(parts: &[&[u8]]) -> Self {
        let mut sha = Sha256::new();
        for part in parts {
            sha.update((part.len() as u64).to_be_bytes());
            sha.update(part);
        }
        let digest: [u8; 32] = sha.finalize().into();
        Self(digest[..16].iter().fold(0, |bits, byte| (bits << 8) | u128::from(*byte)))
    }

    /// The bits.
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

/// The log's own acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Where it is, now or since the first try.
    pub seq: Seq,
    /// It was there before.
    pub duplicate: bool,
}

/// One stored event with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Its position.
    pub seq: Seq,
    /// The position before it in the same conversation.
    pub prev: Prev,
    /// When the log stored it, by the log's clock: for lag only, never for order.
    pub at: Timestamp,
    /// The bytes that were appended, a `chat_protocol::event::Event`.
    pub event: Bytes,
    /// The trace that its append was part of, where traces are looked for.
    pub trace: Option<Arc<TraceParent>>,
}

/// What came before an event in its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prev {
    /// Exactly this position.
    Known(Seq),
    /// Nothing, or it left the log: neither "gap" nor "first".
    AskTheLog,
}

/// What a live subscription says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Live {
    /// A stored event.
    Event(Logged),
    /// Events may have been missed.
    Doubtful(Doubt),
}

/// What a replay found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replay {
    /// Everything after the cursor; empty when there is nothing newer.
    Recovered(Vec<Logged>),
    /// The oldest part of it: ask again after the last one.
    More(Vec<Logged>),
    /// The log dropped something after the cursor.
    TooOld {
        /// The first position the shard still holds.
        first: Seq,
        /// The conversation's newest position, [`Seq::ZERO`] if the log holds nothing of it.
        head: Seq,
    },
    /// The cursor is above everything this shard ever stored: the log went back.
    Ahead {
        /// The conversation's newest position, [`Seq::ZERO`] if the log holds nothing of it.
        head: Seq,
    },
}

/// A conversation's newest position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Of what.
    pub conversation: ConversationId,
    /// Where; `None` if the log holds nothing of it.
    pub seq: Option<Seq>,
}

/// The newest events of some conversations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Newest {
    /// In the order asked; `None` where the log holds nothing of it.
    pub events: Vec<Option<Logged>>,
    /// Of every shard that was asked: nothing up to here is newer than what is above.
    pub known_to: BTreeMap<Shard, Seq>,
}

/// The extent of one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardState {
    /// Everything from here on is still held.
    pub first: Seq,
    /// The last position given out; `first − 1` if nothing is held.
    pub last: Seq,
    /// Everything up to here was acknowledged by consumers. A lower bound, at most a few seconds old.
    pub settled: Seq,
    /// Events not yet acknowledged.
    pub pending: u64,
    /// Bytes held.
    pub bytes: u64,
}

/// One event for a consumer, to be settled once.
pub struct Delivery {
    /// Which conversation.
    pub conversation: ConversationId,
    /// What. `prev` is always [`Prev::AskTheLog`].
    pub logged: Logged,
    /// How often it was delivered before; also counts the store's outages, so it proves nothing about the event.
    pub redelivered: u32,
    /// How to settle it.
    pub settle: Box<dyn Settle>,
}

/// The consumer's answer to a delivery.
#[async_trait]
pub trait Settle: Send + Sync {
    /// Done for good.
    async fn ack(self: Box<Self>) -> Result<(), BusError>;
    /// Again, not before `after`.
    async fn retry(self: Box<Self>, after: Duration) -> Result<(), BusError>;
}

/// A topic of signals.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Revoked sessions and users.
    Revocations,
    /// Blocks between users.
    Relations,
    /// Ephemeral signals of one conversation: typing, markers.
    Conversation(ConversationId),
    /// Sessions and statuses, from gateways to presence workers.
    Beats,
    /// Questions of gateways to presence workers.
    Asks,
    /// Changes and signs of life of presence workers.
    PresenceNews,
    /// Answers of presence workers to one gateway.
    Answers(NodeId),
}

/// How the log is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Within reach, and taking appends.
    pub connected: bool,
    /// What an acknowledgement is worth.
    pub durability: Durability,
    /// Shards that refuse appends because they went back.
    pub went_back: Vec<Shard>,
}

/// What an acknowledgement is worth; printed at start, in `/readyz` and in every benchmark row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durability {
    /// `embedded`, `durable` or `fast`.
    pub profile: &'static str,
    /// Copies of each event.
    pub replicas: usize,
    /// For people: when it is on disk.
    pub sync: String,
}
