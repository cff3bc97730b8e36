//! What tests stand on: real servers, real processes of our binary, a network that fails on demand, and a judge.
//!
//! Nothing here skips: what cannot be started fails the test and says how to get it. In reading order:

#![warn(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

pub mod env; // the only reader of CHAT_TOOLS, CHAT_TEST_CQL and CHAT_SEED

mod wire; // one question to a server, over a socket of its own: NATS, CQL, HTTP

mod leash; // a child process that cannot outlive the test

pub mod servers; // NATS, one node or three, and a CQL server: kill, pause, restart

pub mod process; // our binary, talked to only over its sockets

pub mod program; // other people's programs

pub mod proxy; // a TCP proxy that delays, throttles, swallows, cuts and resets

pub mod browser; // Chromium without a screen, and the tabs that people sit at

pub mod seed; // chance that can be replayed

pub mod checker; // the judge of a recorded history

pub mod play; // users who say and hear, on record
