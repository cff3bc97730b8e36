//! A client of the chat cluster that loses nothing: it resumes on any gateway, repairs gaps and repeats sends safely.
//!
//! [`Client::start`] keeps one WebSocket open, over whichever of the gateways answers, and [`Rest`] makes requests.
//! What it decides is pure: positions, outbox, backoff and clock take values and answer values. In reading order:

#![warn(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod positions; // decides: what an event means for a conversation

mod outbox; // decides: what is sent again, and when

mod answers; // decides: whose answer it is

mod wishes; // decides: what every new socket is told

mod backoff; // decides: how long to wait before coming back

mod clock; // the server's time, to mint client ids by

mod rest; // requests

mod wire; // one WebSocket, in both codecs

mod client; // the handle, its settings, and what it tells

mod driver; // does what those above decide, over one socket after another

pub use answers::CommandError;
pub use client::{Client, Config, Events, Happened, Observer, Stopped, Unwatched};
pub use outbox::SendError;
pub use rest::{
    Listed, LoggedIn, NewConversation, Outcome, Page, ProfileChange, Rest, RestError, Sent, SettingsChange, Shown,
    ShownMember,
};
