//! Names of this crate's metrics. Labels come from closed sets only.

use chat_protocol::Shard;
use metrics::{Unit, describe_counter, describe_gauge};

use crate::{BusError, Full};

/// 1 while the log is within reach.
pub const CONNECTED: &str = "chat_bus_connected";
/// Bytes a shard holds; label `shard`.
pub const LOG_BYTES: &str = "chat_bus_log_bytes";
/// Bytes a shard may hold before appends are refused; label `shard`.
pub const LOG_BYTES_MAX: &str = "chat_bus_log_bytes_max";
/// Shards that went back and were moved ahead.
pub const REBASED: &str = "chat_bus_rebased_total";
/// Connections to the log that were lost and came back.
pub const RECONNECTS: &str = "chat_bus_reconnects_total";
/// Live subscriptions that overflowed.
pub const SLOW_CONSUMER: &str = "chat_bus_slow_consumer_total";
/// Appends that were not acknowledged; label `code`, see [`code`].
pub const APPEND_ERRORS: &str = "chat_bus_append_errors_total";
/// Compare-and-appends that lost.
pub const CONFLICTS: &str = "chat_bus_conflicts_total";

/// Tells the recorder what each name means.
pub fn describe() {
    describe_gauge!(CONNECTED, "1 while the log is within reach");
    describe_gauge!(LOG_BYTES, Unit::Bytes, "bytes held, by shard");
    describe_gauge!(LOG_BYTES_MAX, Unit::Bytes, "bytes that may be held before appends are refused, by shard");
    describe_counter!(REBASED, "shards that went back and were moved ahead: somebody should look");
    describe_counter!(RECONNECTS, "connections to the log that were lost and came back");
    describe_counter!(SLOW_CONSUMER, "live subscriptions that overflowed");
    describe_counter!(APPEND_ERRORS, "appends that were not acknowledged, by code");
    describe_counter!(CONFLICTS, "compare-and-appends that lost");
    // An alert waits for it to rise: it must be there before it does.
    metrics::counter!(REBASED).increment(0);
}

/// How much of its bound a shard holds.
pub(crate) fn log_bytes(shard: Shard, held: u64, bound: u64) {
    let shard = shard.to_string();
    metrics::gauge!(LOG_BYTES, "shard" => shard.clone()).set(held as f64);
    metrics::gauge!(LOG_BYTES_MAX, "shard" => shard).set(bound as f64);
}

/// The label of an append's error.
pub const fn code(err: &BusError) -> &'static str {
    match err {
        BusError::Unavailable => "unavailable",
        BusError::Unknown => "unknown",
        BusError::Full(Full::Window) => "full_window",
        BusError::Full(Full::Storage) => "full_storage",
        BusError::WrongHead(_) => "wrong_head",
        BusError::WentBack { .. } => "went_back",
        BusError::TooLarge => "too_large",
        BusError::Other(_) => "other",
    }
}
