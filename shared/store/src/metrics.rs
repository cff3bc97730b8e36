//! Names of this crate's metrics.

use std::time::Duration;

use metrics::{Unit, describe_counter, describe_histogram};

use crate::StoreError;

/// How long a query took, its waiting included; label `query`, the name of the trait's method.
pub const QUERY_SECONDS: &str = "chat_store_query_seconds";
/// Queries that failed; label `kind` (unavailable, full, refused, other).
pub const ERRORS: &str = "chat_store_errors_total";

/// Rows in a window when the next one was opened.
pub const WINDOW_ROWS: &str = "chat_store_window_rows";

/// Describes them all; once, at start.
pub fn describe() {
    describe_histogram!(QUERY_SECONDS, Unit::Seconds, "store queries, waiting included, by query");
    describe_counter!(ERRORS, "store queries that failed, by kind");
    describe_histogram!(WINDOW_ROWS, "rows in a window when the next one was opened");
}

/// Counts a query that took so long and ended so.
pub(crate) fn observe<T>(query: &'static str, took: Duration, answer: &Result<T, StoreError>) {
    metrics::histogram!(QUERY_SECONDS, "query" => query).record(took);
    if let Err(err) = answer {
        metrics::counter!(ERRORS, "kind" => kind(err)).increment(1);
    }
}

const fn kind(err: &StoreError) -> &'static str {
    match err {
        StoreError::Unavailable => "unavailable",
        StoreError::Full => "full",
        StoreError::Refused(_) => "refused",
        StoreError::Other(_) => "other",
    }
}
