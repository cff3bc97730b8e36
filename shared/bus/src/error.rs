//! What can fail, and what its caller must decide.

use chat_protocol::{Seq, Shard};

/// Why the log did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Nothing was stored; try again later.
    #[error("the log is away")]
    Unavailable,
    /// The answer did not come in time: it may be stored or not. Only the same nonce makes a retry safe.
    #[error("the log's answer did not come in time")]
    Unknown,
    /// Nothing was stored: this node has too much in flight, or the log is at its size.
    #[error("{0}")]
    Full(Full),
    /// Compare-and-append lost: the conversation's head is another one (known if the log said which).
    #[error("the conversation has moved on")]
    WrongHead(Option<Seq>),
    /// Nothing was stored: this shard's log is behind positions that were given out before. Appends are refused
    /// until it was moved ahead.
    #[error("shard {shard} of the log went back")]
    WentBack {
        /// Which.
        shard: Shard,
    },
    /// Nothing was stored: the event is larger than the log takes.
    #[error("the event is too large for the log")]
    TooLarge,
    /// A fault of ours or an answer we do not know; the text holds no secrets.
    #[error("log: {0}")]
    Other(String),
}

/// What is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The bounded window of appends in flight.
    #[error("too many appends in flight")]
    Window,
    /// The log's own bound, or its disk.
    #[error("the log is full")]
    Storage,
}

/// Why events of a conversation may have been missed: compare heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// The connection to the log was lost and is back.
    Disconnect,
    /// A subscription overflowed.
    Overflow,
    /// The shard has a new leader.
    NewLeader,
}
