//! Every metric of the canary: names, what they mean, and the one line that counts each.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

const SECONDS: &str = "chat_canary_seconds";
const FAILURES: &str = "chat_canary_failures_total";

/// What one round does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Log in, find the room, be live.
    Connect,
    /// The log has the message.
    Ack,
    /// Another socket has it.
    Deliver,
    /// It is read back.
    History,
}

impl Step {
    /// As it is counted.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Ack => "ack",
            Self::Deliver => "deliver",
            Self::History => "history",
        }
    }
}

/// Tells the recorder what the names mean.
pub fn describe() {
    describe_histogram!(
        SECONDS,
        Unit::Seconds,
        "from the send of a message to each step of its way, as a user sees it; connect: from log-in to live"
    );
    describe_counter!(FAILURES, "steps that did not come in time, or failed");
}

pub(crate) fn took(step: Step, time: Duration) {
    histogram!(SECONDS, "step" => step.name()).record(time);
}

pub(crate) fn failed(step: Step) {
    counter!(FAILURES, "step" => step.name()).increment(1);
}
