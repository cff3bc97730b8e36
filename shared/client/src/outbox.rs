//! Sends that wait for their acknowledgement: what goes out, in which order, and what goes out again. Pure.
//!
//! Time is how long the client has run. A send keeps its `client_id` over all its tries, so that trying again is
//! always safe. Sends to one conversation keep their order: none goes out while an earlier one waits to be tried again.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use chat_protocol::{ClientId, ConversationId, ErrorCode, error::Retry, frame::Send};

/// Without an answer for this long a send is tried again.
const ACK_TIMEOUT: Duration = Duration::from_secs(10);
/// Sends without an answer on one socket: a gateway queues more than these.
const IN_FLIGHT: usize = 64;
/// Between two tries of a send that failed without being told when to come again.
const PAUSE: Duration = Duration::from_millis(200);

/// Why a message was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Refused for good; it is not in the conversation, unless an earlier try of the same `client_id` is.
    #[error("refused: {code}: {detail}")]
    Refused {
        /// The stable code.
        code: ErrorCode,
        /// For people.
        detail: String,
    },
    /// Tried for as long as the settings say; it may be in the conversation or not. Sending again with the same
    /// `client_id` stays safe.
    #[error("not acknowledged in time{}", .last.map(|code| format!(", at last: {code}")).unwrap_or_default())]
    GaveUp {
        /// What the last try heard.
        last: Option<ErrorCode>,
    },
    /// The client has ended; it may be in the conversation or not.
    #[error("the client has ended")]
    Ended,
}

/// Sends in the order they were made; `T` is whoever waits for the answer.
#[derive(Debug)]
pub(crate) struct Outbox<T> {
    sends: VecDeque<Waiting<T>>,
    give_up_after: Duration,
}

#[derive(Debug)]
struct Waiting<T> {
    send: Send,
    waiter: T,
    since: Duration,
    state: State,
    last: Option<ErrorCode>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be sent, not before this.
    Due(Duration),
    /// Sent then.
    Sent(Duration),
}

/// What an error means for a send.
#[derive(Debug, PartialEq)]
pub(crate) enum Failed<T> {
    /// It will be tried again.
    Again(Send),
    /// It will not.
    Refused(Send, T),
}

impl<T> Outbox<T> {
    /// Empty; gives a send up that has waited for so long.
    pub(crate) const fn new(give_up_after: Duration) -> Self {
        Self { sends: VecDeque::new(), give_up_after }
    }

    pub(crate) fn len(&self) -> usize {
        self.sends.len()
    }

    pub(crate) fn push(&mut self, send: Send, waiter: T, now: Duration) {
        self.sends.push_back(Waiting { send, waiter, since: now, state: State::Due(now), last: None });
    }

    /// What goes out now, in this order.
    pub(crate) fn take_due(&mut self, now: Duration) -> Vec<Send> {
        let mut free = IN_FLIGHT.saturating_sub(self.in_flight().count());
        let mut held: HashSet<ConversationId> = HashSet::new();
        let mut due = Vec::new();
        for waiting in &mut self.sends {
            if let State::Sent(at) = waiting.state
                && now >= at + ACK_TIMEOUT
            {
                waiting.state = State::Due(now);
                free += 1;
            }
            let State::Due(at) = waiting.state else { continue };
            if at <= now && free > 0 && !held.contains(&waiting.send.conversation) {
                waiting.state = State::Sent(now);
                free -= 1;
                due.push(waiting.send.clone());
            } else {
                held.insert(waiting.send.conversation);
            }
        }
        due
    }

    /// When there is something to do next, if nothing else happens.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let full = self.in_flight().count() >= IN_FLIGHT;
        let due = |waiting: &Waiting<T>| match waiting.state {
            State::Due(_) if full => waiting.since + self.give_up_after,
            State::Due(at) => at.min(waiting.since + self.give_up_after),
            State::Sent(at) => (at + ACK_TIMEOUT).min(waiting.since + self.give_up_after),
        };
        // What waits behind an earlier one of its conversation is not due before it.
        let mut seen: HashSet<ConversationId> = HashSet::new();
        self.sends
            .iter()
            .filter(|waiting| matches!(waiting.state, State::Sent(_)) || seen.insert(waiting.send.conversation))
            .map(due)
            .min()
    }

    /// The log has it.
    pub(crate) fn on_ack(&mut self, client_id: ClientId) -> Option<(Send, T)> {
        let place = self.sends.iter().position(|waiting| waiting.send.client_id == client_id)?;
        self.sends.remove(place).map(|waiting| (waiting.send, waiting.waiter))
    }

    /// A try failed.
    pub(crate) fn on_failed(
        &mut self,
        client_id: ClientId,
        code: ErrorCode,
        retry_after: Option<Duration>,
        now: Duration,
    ) -> Option<Failed<T>> {
        let place = self.sends.iter().position(|waiting| waiting.send.client_id == client_id)?;
        let gives_up_at = self.sends.get(place)?.since + self.give_up_after;
        match code.retry() {
            // Who waits for a turn in slow mode hears at once that it is further away than they would wait.
            _ if code == ErrorCode::SlowMode && now + retry_after.unwrap_or(PAUSE) >= gives_up_at => {
                self.sends.remove(place).map(|waiting| Failed::Refused(waiting.send, waiting.waiter))
            }
            Retry::Yes | Retry::After => {
                let waiting = self.sends.get_mut(place)?;
                waiting.state = State::Due(now + retry_after.unwrap_or(PAUSE));
                waiting.last = Some(code);
                Some(Failed::Again(waiting.send.clone()))
            }
            Retry::No | Retry::WithChange => {
                self.sends.remove(place).map(|waiting| Failed::Refused(waiting.send, waiting.waiter))
            }
        }
    }

    /// The socket is gone: whatever had no answer goes out again on the next one. Answers what had been sent.
    pub(crate) fn on_disconnected(&mut self, now: Duration) -> Vec<Send> {
        let unanswered: Vec<Send> = self.in_flight().map(|waiting| waiting.send.clone()).collect();
        self.sends.iter_mut().for_each(|waiting| waiting.state = State::Due(now));
        unanswered
    }

    /// What has waited for too long.
    pub(crate) fn give_up(&mut self, now: Duration) -> Vec<(Send, T, Option<ErrorCode>)> {
        let mut given_up = Vec::new();
        while let Some(oldest) = self.sends.front()
            && now >= oldest.since + self.give_up_after
        {
            given_up.extend(self.sends.pop_front().map(|waiting| (waiting.send, waiting.waiter, waiting.last)));
        }
        given_up
    }

    fn in_flight(&self) -> impl Iterator<Item = &Waiting<T>> {
        self.sends.iter().filter(|waiting| matches!(waiting.state, State::Sent(_)))
    }
}

#[cfg(test)]
mod tests;
