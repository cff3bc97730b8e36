//! Every metric of the presence worker: names, what they mean, and the one line that counts each.

use chat_protocol::model::PresenceState;
use metrics::{counter, describe_counter, describe_gauge, gauge};

const LEASES: &str = "chat_presence_leases";
const PARTITIONS: &str = "chat_presence_partitions";
const TRANSITIONS: &str = "chat_presence_transitions_total";
const ANNOUNCED: &str = "chat_presence_announced_total";
const SUPPRESSED: &str = "chat_presence_suppressed_total";
const SHED: &str = "chat_presence_shed_total";
const SIGNALS: &str = "chat_presence_signals_total";
const RESTARTED: &str = "chat_presence_worker_resets_total";

/// Tells the recorder what the names mean.
pub fn describe() {
    describe_gauge!(LEASES, "devices that are there, of the users this worker answers for");
    describe_gauge!(PARTITIONS, "parts of the users, by what this worker does with them: owned, warm, followed");
    describe_counter!(TRANSITIONS, "changes of users' states, by what they changed to");
    describe_counter!(ANNOUNCED, "changes told to the gateways");
    describe_counter!(SUPPRESSED, "changes not told: another worker answers for the user, or this one is new");
    describe_counter!(SHED, "presence work dropped because there was too much, by kind");
    describe_counter!(SIGNALS, "presence messages put on the bus, by kind");
    describe_counter!(RESTARTED, "times a worker that slept or was cut off forgot everybody");
}

pub(crate) fn leases(count: usize) {
    gauge!(LEASES).set(count as f64);
}

pub(crate) fn partitions(owned: u32, warm: u32, followed: u32) {
    gauge!(PARTITIONS, "is" => "owned").set(f64::from(owned));
    gauge!(PARTITIONS, "is" => "warm").set(f64::from(warm));
    gauge!(PARTITIONS, "is" => "followed").set(f64::from(followed));
}

pub(crate) fn transition(to: PresenceState) {
    let to = match to {
        PresenceState::Offline => "offline",
        PresenceState::Away => "away",
        PresenceState::Dnd => "dnd",
        PresenceState::Online => "online",
    };
    counter!(TRANSITIONS, "to" => to).increment(1);
}

pub(crate) fn announced(changes: usize) {
    counter!(ANNOUNCED).increment(changes as u64);
}

pub(crate) fn suppressed(reason: &'static str) {
    counter!(SUPPRESSED, "reason" => reason).increment(1);
}

pub(crate) fn shed(kind: &'static str) {
    counter!(SHED, "kind" => kind).increment(1);
}

pub(crate) fn signal(kind: &'static str) {
    counter!(SIGNALS, "kind" => kind).increment(1);
}

pub(crate) fn reset() {
    counter!(RESTARTED).increment(1);
}
