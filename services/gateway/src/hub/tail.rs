//! The last events of one conversation, in memory: contiguous up to its head.

use std::{collections::VecDeque, sync::Arc};

use chat_protocol::{Seq, limits};

use crate::{delivery::Delivery, history::blank};

/// Holds everything in `(from, head]`, at most [`limits::TAIL_EVENTS`].
pub struct Tail {
    from: Seq,
    head: Seq,
    events: VecDeque<Arc<Delivery>>,
}

impl Tail {
    /// Nothing but a position.
    pub const fn at(head: Seq) -> Self {
        Self { from: head, head, events: VecDeque::new() }
    }

    /// The newest position.
    pub const fn head(&self) -> Seq {
        self.head
    }

    /// Everything after this position is here.
    pub const fn from(&self) -> Seq {
        self.from
    }

    /// Whether everything after `cursor` is here.
    pub fn covers(&self, cursor: Seq) -> bool {
        cursor >= self.from
    }

    /// What is here after `cursor`, oldest first.
    pub fn after(&self, cursor: Seq) -> impl DoubleEndedIterator<Item = &Arc<Delivery>> {
        let start = self.events.partition_point(|event| event.seq() <= cursor);
        self.events.range(start..)
    }

    /// Everything that is here, oldest first.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Arc<Delivery>> {
        self.events.iter()
    }

    /// The event at the head. What a deletion concerns is replayed from here without what was written in it.
    pub fn push(&mut self, event: Arc<Delivery>) {
        let deleted = blank::deletions(std::iter::once(&event.frame.body));
        if !deleted.is_empty() {
            let written = self.events.iter_mut().filter(|held| blank::holds_content(&held.frame, &deleted));
            written.for_each(|held| *held = Arc::new(held.blanked()));
        }
        self.head = event.seq();
        self.events.push_back(event);
        if self.events.len() > limits::TAIL_EVENTS
            && let Some(oldest) = self.events.pop_front()
        {
            self.from = oldest.seq();
        }
    }

    /// The head moved past something that cannot be delivered.
    pub fn skip_to(&mut self, head: Seq) {
        self.head = self.head.max(head);
    }
}
