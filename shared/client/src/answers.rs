//! Requests over a socket that wait for their answer, by `ref`. Pure.
//!
//! A `follow` is asked by [`crate::positions`], which counts its references from 1; these count from 2^32 on, so that
//! neither takes the other's answers.

use std::collections::HashMap;

use chat_protocol::{
    ErrorCode, Seq,
    frame::{Failure, Ref},
    model::Presence,
};

const FIRST: u64 = 1 << 32;

/// What a gateway answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// `ok`: with the position of the event it made; none, or zero, if nothing changed.
    Done(Option<Seq>),
    /// `presence`.
    States(Vec<Presence>),
}

/// Why a request over the socket was not carried out, or is not known to be.
///
/// The client repeats none of them by itself, but each may be repeated by its caller: done twice is done once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Refused.
    #[error("refused: {code}: {detail}")]
    Refused {
        /// The stable code.
        code: ErrorCode,
        /// For people.
        detail: String,
        /// When to try again, where the code says so.
        retry_after_ms: Option<u64>,
    },
    /// There is no socket now; it was not asked.
    #[error("not connected")]
    NotConnected,
    /// The socket was lost before the answer came; it may have been carried out or not.
    #[error("the socket was lost before the answer came")]
    Lost,
    /// Another kind of answer than this request has.
    #[error("an answer that is none of this request")]
    Unexpected,
    /// The client has ended.
    #[error("the client has ended")]
    Ended,
}

/// Open requests of one socket; `T` is whoever waits.
#[derive(Debug)]
pub(crate) struct Answers<T> {
    next: u64,
    open: HashMap<Ref, T>,
}

impl<T> Answers<T> {
    pub(crate) fn new() -> Self {
        Self { next: FIRST, open: HashMap::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// A request leaves; its reference.
    pub(crate) fn asked(&mut self, waiter: T) -> Ref {
        let reference = Ref::new(self.next).unwrap_or_default();
        self.next += 1;
        self.open.insert(reference, waiter);
        reference
    }

    /// An answer came: for whom.
    pub(crate) fn on_answer(&mut self, reference: Option<Ref>) -> Option<T> {
        self.open.remove(&reference?)
    }

    /// The socket is gone, and every answer with it.
    pub(crate) fn on_disconnected(&mut self) -> Vec<T> {
        self.open.drain().map(|(_, waiter)| waiter).collect()
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        let Failure { code, detail, retry_after_ms, .. } = failure;
        Self::Refused { code, detail, retry_after_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_finds_its_request_once() {
        let mut answers = Answers::new();
        let (first, second) = (answers.asked("first"), answers.asked("second"));
        assert_ne!(first, second);
        assert_eq!(answers.on_answer(Some(second)), Some("second"));
        assert_eq!(answers.on_answer(Some(second)), None);
        assert_eq!(answers.on_answer(None), None);
        assert_eq!(answers.on_disconnected(), ["first"]);
        assert_eq!(answers.len(), 0);
    }
}
