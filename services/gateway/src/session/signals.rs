//! What is wrong with signals before anybody is asked.

use chat_protocol::{
    ErrorCode,
    frame::{Failure, Focus, Mark, Marked, ServerFrame},
    limits,
};

use super::{Signal, Step, Steps, reply};

pub(super) fn on_mark(mark: Mark) -> Steps {
    let Mark { conversation, marked, markers } = &mark;
    let empty = *marked == Marked::default();
    let wrong = match conversation {
        Some(_) if !markers.is_empty() => "one conversation, or markers of many",
        Some(_) if empty => "read, delivered or both",
        None if markers.is_empty() || !empty => "a conversation, or markers of many",
        None if markers.len() > limits::MARKS => "at most 500 markers",
        _ => return vec![Step::Signal(Signal::Mark(mark))],
    };
    let failure = Failure { conversation: *conversation, ..Failure::new(ErrorCode::Invalid, wrong) };
    reply(ServerFrame::Error(Box::new(failure)))
}

pub(super) fn on_focus(focus: Focus) -> Steps {
    if focus.conversations.len() > limits::FOCUS {
        let failure = Failure::new(ErrorCode::LimitReached, format!("at most {} conversations", limits::FOCUS));
        return reply(ServerFrame::Error(Box::new(failure)));
    }
    vec![Step::Signal(Signal::Focus(focus))]
}
