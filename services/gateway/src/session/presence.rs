//! What is wrong with watches and statuses before anybody is asked.

use chat_protocol::{
    ErrorCode, Timestamp,
    frame::{Failure, Ref, ServerFrame, SetStatus, Watch},
    limits,
};

use super::{Presence, Step, Steps, reply};
use crate::{fault::Fault, presence::check_status};

pub(super) fn on_watch(watch: Watch) -> Steps {
    if watch.add.len() > limits::WATCHES || watch.remove.len() > limits::WATCHES {
        let detail = format!("at most {} users in one frame", limits::WATCHES);
        return refused(watch.reference, Failure::new(ErrorCode::Invalid, detail));
    }
    vec![Step::Presence(Presence::Watch(watch))]
}

pub(super) fn on_status(status: SetStatus, now: Timestamp) -> Steps {
    let wrong = check_status(&status.status, now);
    if !wrong.is_empty() {
        return refused(status.reference, Fault::invalid(wrong).frame());
    }
    vec![Step::Presence(Presence::Status(status))]
}

fn refused(reference: Option<Ref>, failure: Failure) -> Steps {
    reply(ServerFrame::Error(Box::new(Failure { reference, ..failure })))
}
