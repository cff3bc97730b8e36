//! The words of the chat cluster: what crosses a socket, what crosses the log, and every bound and error they share.
//!
//! No I/O, no async; the only clock is [`time::SystemClock`], which is handed in. In reading order:

#![warn(clippy::unwrap_used, clippy::panic)]

pub mod id; // who and what: parse, print, order

pub mod time; // Timestamp for display, trait Clock

pub mod model; // plain data: users, conversations, members, messages

pub mod rights; // roles and the bit set behind them

pub mod content; // the check of what a message may hold

pub mod event; // what crosses the log, versioned

pub mod frame; // what crosses a socket

pub mod presence; // what gateways and presence workers tell each other

pub mod trace; // where a trace goes on in another process

pub mod codec; // JSON and MessagePack in one place

pub mod error; // the one error table

pub mod limits; // every bound with its reason

#[cfg(feature = "schema")]
mod schema; // what is written by hand, as OpenAPI schemas

pub use error::ErrorCode;
pub use id::{ClientId, ConversationId, JobId, MessageId, NodeId, Seq, SessionId, Shard, SocketId, UserId};
pub use time::{Clock, Timestamp};
