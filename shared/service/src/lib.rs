//! What every process of the cluster needs and none of it is chat: settings, logs, health, stopping.
//!
//! In reading order:

#![warn(clippy::unwrap_used, clippy::panic)]

pub mod config; // flag over environment over file over default, with the origin of every value

pub mod secret; // values that never show themselves

pub mod telemetry; // log lines

pub mod traces; // spans of messages on their way, for those who collect them

pub mod metrics; // the recorder behind /metrics

pub mod catalogue; // what is measured
pub mod health; // what roles report about themselves

pub mod ops; // the listener that tells the operator

pub mod shutdown; // drain first, then stop

pub mod backoff; // waiting with full jitter

pub use backoff::Backoff;
pub use health::Health;
pub use secret::Secret;
pub use shutdown::Shutdown;
