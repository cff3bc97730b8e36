//! The log: durable events in order, and signals that may be lost. One trait, two engines, one contract.
//!
//! In reading order:

#![warn(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

pub mod embedded; // the log of one process, on its disk
mod error; // what can fail, and what its caller must decide
pub mod faults; // a log that misbehaves on purpose
mod log; // trait Log and its promises
pub mod metrics; // names of what is counted
pub mod nats; // the log of a cluster, on NATS JetStream
pub mod subject; // the only place subjects are made; the shard of a conversation
mod trace; // what headers carry beside the event

pub use embedded::Embedded;
pub use error::{BusError, Doubt, Full};
pub use log::{
    Appended, Delivery, Durability, Head, Live, LiveStream, Log, Logged, Newest, Nonce, Prev, Replay, Settle,
    ShardState, SignalStream, Status, Topic, WorkStream,
};
pub use nats::{Nats, NatsOptions};
pub use trace::carrying;
