//! The store: what the log said, arranged for reading. One trait by subject, two engines, one contract.
//!
//! In reading order:

#![warn(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod store; // the traits and their promises

mod error; // what can fail

pub mod fold; // what one event changes (pure)
pub mod window; // which partition holds a position, how wide the next one is (pure)

mod embedded; // the engine of one process
pub mod migrate; // the CQL schema, versioned
mod scylla; // the engine of a cluster

pub mod metrics; // their names

pub use self::scylla::{Deadlines, InvalidUrl, Scylla, ScyllaOptions};
pub use embedded::Embedded;
pub use error::StoreError;
pub use store::{
    Account, Conversations, Cursor, DedupeRow, EventPage, EventRow, JobRow, Jobs, Markers, Marks, Members, Membership,
    MessagePage, Messages, NewAccount, Pin, ProfileChange, Quarantined, Reacted, Reactions, Relations, Revocation,
    Revocations, SessionRow, Sessions, Statuses, Store, Users,
};
