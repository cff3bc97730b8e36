//! The words of the chat cluster: what crosses a socket, what crosses the log, and every bound and error they share.
//!
//! No I/O, no clock of its own, no async. In reading order:

pub mod codec; // JSON and MessagePack in one place
pub mod content; // the check of what a message may hold
pub mod error; // the one error table
pub mod event; // what crosses the log, versioned
pub mod frame; // what crosses a socket
#![warn(clippy::unwrap_used, clippy::panic)]

pub mod id; // who and what: parse, print, order
pub mod limits;
pub mod model; // plain data: users, conversations, members, messages
pub mod rights; // the bit set behind roles
pub mod time; // Timestamp for display, trait Clock // every bound with its reason

pub use error::ErrorCode;
pub use id::{ClientId, ConversationId, MessageId, Seq, SessionId, Shard, SocketId, UserId};
pub use time::{Clock, Timestamp};
