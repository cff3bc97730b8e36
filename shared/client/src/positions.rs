//! Where this client is in every conversation, and what each frame means for that. Pure.
//!
//! An event is told once and in order: one at or below the last position was told before; one whose `prev` is not the
//! last position shows a gap, which a `follow` from the last position closes. What the server does not send
//! (`resync`) is read by REST, and a `follow` then joins it to what is live.

use std::collections::BTreeMap;

use chat_protocol::{
    ConversationId, Seq,
    frame::{Cursors, EventFrame, Recovered, Ref, Resync, ResyncReason},
    limits,
};

/// What is to be done, in order.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// From here on everything is told.
    Following(ConversationId, Seq),
    /// Tell this event.
    Tell(Box<EventFrame>),
    /// Ask the gateway for what comes after.
    Follow { reference: Ref, conversation: ConversationId, after: Seq },
    /// Read events after this position by REST.
    Read { conversation: ConversationId, after: Seq },
    /// Events that exist no more, or were never told as they are now: the view has to be loaded anew.
    Skipped { conversation: ConversationId, from: Seq, head: Seq },
}

/// The last position of each conversation.
#[derive(Debug)]
pub(crate) struct Positions {
    places: BTreeMap<ConversationId, Place>,
    references: u64,
    repairs: bool,
}

#[derive(Debug)]
struct Place {
    last: Seq,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The next event follows the last one.
    Chained,
    /// Something is missing; this `follow` asked for it.
    Asked(Ref),
    /// The server does not send what is missing up to here; REST does.
    Reading(Seq),
}

impl Positions {
    /// With these cursors. Without `repairs` gaps are passed over: a negative control of tests.
    pub(crate) fn new(cursors: Cursors, repairs: bool) -> Self {
        let place = |last| Place { last, state: State::Chained };
        let places = cursors.into_iter().map(|(conversation, last)| (conversation, place(last))).collect();
        Self { places, references: 0, repairs }
    }

    /// What a `hello` or `resume` says; the highest, if there are more than one may hold.
    pub(crate) fn cursors(&self) -> Cursors {
        let mut all: Vec<_> = self.places.iter().map(|(conversation, place)| (*conversation, place.last)).collect();
        if all.len() > limits::CURSORS {
            all.sort_by_key(|(_, last)| std::cmp::Reverse(*last));
            all.truncate(limits::CURSORS);
        }
        all.into_iter().collect()
    }

    /// The socket is gone, and every question with it.
    pub(crate) fn on_disconnected(&mut self) {
        self.places.values_mut().for_each(|place| place.state = State::Chained);
    }

    pub(crate) fn on_event(&mut self, event: Box<EventFrame>) -> Vec<Step> {
        let EventFrame { conversation, seq, prev, .. } = *event;
        let Some(place) = self.places.get_mut(&conversation) else {
            self.places.insert(conversation, Place { last: seq, state: State::Chained });
            return vec![Step::Following(conversation, prev), Step::Tell(event)];
        };
        if seq <= place.last {
            return Vec::new();
        }
        if prev == place.last || prev == Seq::ZERO || !self.repairs {
            place.last = seq;
            return vec![Step::Tell(event)];
        }
        match place.state {
            State::Chained => vec![self.ask(conversation)].into_iter().flatten().collect(),
            // What is missing comes first, and brings this one again.
            State::Asked(_) | State::Reading(_) => Vec::new(),
        }
    }

    pub(crate) fn on_recovered(&mut self, recovered: &Recovered) -> Vec<Step> {
        let mut steps = Vec::new();
        for (conversation, head) in &recovered.heads {
            let Some(place) = self.places.get_mut(conversation) else {
                self.places.insert(*conversation, Place { last: *head, state: State::Chained });
                steps.push(Step::Following(*conversation, *head));
                continue;
            };
            let answers = match place.state {
                State::Asked(reference) => recovered.reference == Some(reference),
                State::Chained => true,
                State::Reading(_) => false,
            };
            if answers {
                *place = Place { last: place.last.max(*head), state: State::Chained };
            }
        }
        steps
    }

    pub(crate) fn on_resync(&mut self, resync: &Resync) -> Vec<Step> {
        let Resync { conversation, from, head, reason, .. } = *resync;
        let place = self.places.entry(conversation).or_insert(Place { last: from, state: State::Chained });
        if reason == ResyncReason::Ahead {
            let from = std::mem::replace(&mut place.last, head);
            place.state = State::Chained;
            return vec![Step::Skipped { conversation, from, head }];
        }
        place.state = State::Reading(head);
        vec![Step::Read { conversation, after: place.last }]
    }

    /// One page that was asked for, oldest first; `more` = it does not end the list.
    pub(crate) fn on_read(&mut self, conversation: ConversationId, events: Vec<EventFrame>, more: bool) -> Vec<Step> {
        let Some(place) = self.places.get_mut(&conversation) else { return Vec::new() };
        let State::Reading(head) = place.state else { return Vec::new() };
        let mut steps = Vec::new();
        for event in events {
            if event.seq > place.last {
                place.last = event.seq;
                steps.push(Step::Tell(Box::new(event)));
            }
        }
        if more && place.last < head {
            steps.push(Step::Read { conversation, after: place.last });
        } else {
            steps.extend(self.ask(conversation));
        }
        steps
    }

    /// What was to be read is not there for this user: go on from the head.
    pub(crate) fn on_unreadable(&mut self, conversation: ConversationId) -> Vec<Step> {
        let Some(place) = self.places.get_mut(&conversation) else { return Vec::new() };
        let State::Reading(head) = place.state else { return Vec::new() };
        let from = std::mem::replace(&mut place.last, head);
        place.state = State::Chained;
        vec![Step::Skipped { conversation, from, head }]
    }

    /// A `follow` failed for now: the conversation whose question it was.
    pub(crate) fn asked_by(&self, reference: Ref) -> Option<ConversationId> {
        let asked = self.places.iter().find(|(_, place)| place.state == State::Asked(reference));
        asked.map(|(conversation, _)| *conversation)
    }

    /// Asks again for what comes after the last position.
    pub(crate) fn ask(&mut self, conversation: ConversationId) -> Option<Step> {
        let place = self.places.get_mut(&conversation)?;
        self.references += 1;
        let reference = Ref::new(self.references).unwrap_or_default();
        place.state = State::Asked(reference);
        Some(Step::Follow { reference, conversation, after: place.last })
    }

    /// The user is in this conversation no longer.
    pub(crate) fn on_left(&mut self, conversation: ConversationId) -> bool {
        self.places.remove(&conversation).is_some()
    }
}

#[cfg(test)]
mod tests;
