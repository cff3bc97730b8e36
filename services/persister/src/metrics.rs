//! Every metric of the persister: names, what they mean, and the one line that counts each.

use std::time::Duration;

use chat_protocol::{Shard, model::JobKind};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const LAG_EVENTS: &str = "chat_persister_lag_events";
const LAG_SECONDS: &str = "chat_persister_lag_seconds";
const BATCH_ROWS: &str = "chat_persister_batch_rows";
const WRITE_SECONDS: &str = "chat_persister_write_seconds";
const REDELIVERIES: &str = "chat_persister_redeliveries_total";
const QUARANTINED: &str = "chat_persister_quarantined_total";
const NEWS: &str = "chat_persister_feed_news_total";
const JOBS: &str = "chat_persister_jobs_total";
const JOB_STEPS: &str = "chat_persister_job_steps_total";

/// Tells the recorder what the names mean.
pub fn describe() {
    describe_gauge!(LAG_EVENTS, "events in the log that are not acknowledged yet, by shard");
    describe_gauge!(
        LAG_SECONDS,
        Unit::Seconds,
        "age of the oldest event of the last batch when it was written, by shard"
    );
    describe_histogram!(BATCH_ROWS, "events taken from the log at once");
    describe_histogram!(WRITE_SECONDS, Unit::Seconds, "from taking a batch to its last write");
    describe_counter!(REDELIVERIES, "events that came again");
    describe_counter!(QUARANTINED, "events put aside because nobody can apply them: look at them");
    describe_counter!(
        NEWS,
        "additions and removals that feeds are told, by outcome: known (the gateway said it), told (it died before), \
         stale (something newer was said), failed (tried again)"
    );
    describe_counter!(JOBS, "jobs by kind and how they ended: done, cancelled, or interrupted to be taken up again");
    describe_counter!(JOB_STEPS, "steps of jobs that were done, by kind");
    // An alert waits for it to rise: it must be there before it does.
    counter!(QUARANTINED).increment(0);
}

pub(crate) fn pending(shard: Shard, events: u64) {
    gauge!(LAG_EVENTS, "shard" => shard.to_string()).set(events as f64);
}

pub(crate) fn lag(shard: Shard, age_ms: i64) {
    gauge!(LAG_SECONDS, "shard" => shard.to_string()).set(age_ms.max(0) as f64 / 1_000.0);
}

pub(crate) fn batch(rows: usize) {
    histogram!(BATCH_ROWS).record(rows as f64);
}

pub(crate) fn written(took: Duration) {
    histogram!(WRITE_SECONDS).record(took);
}

pub(crate) fn redelivered(events: u64) {
    counter!(REDELIVERIES).increment(events);
}

pub(crate) fn quarantined() {
    counter!(QUARANTINED).increment(1);
}

pub(crate) fn news(outcome: &'static str) {
    counter!(NEWS, "outcome" => outcome).increment(1);
}

pub(crate) fn job(kind: JobKind, ended: &'static str) {
    counter!(JOBS, "kind" => name(kind), "ended" => ended).increment(1);
}

pub(crate) fn job_step(kind: JobKind) {
    counter!(JOB_STEPS, "kind" => name(kind)).increment(1);
}

const fn name(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Purge => "purge",
        JobKind::Erase => "erase",
    }
}
