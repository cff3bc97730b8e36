//! What of a conversation's history is in memory: the last events, and where somebody reads, the newest messages as they
//! are now.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
};

use chat_protocol::{
    Seq,
    event::{Body, Event},
    frame::EventFrame,
    model::Message,
};
use chat_store::{Cursor, Pin};

use super::{Room, State};
use crate::{
    delivery::Delivery,
    history::{Found, Kept, Overlay, PageCache, blank},
};

impl Room {
    /// A page of messages, if what is in memory is enough to know it.
    pub async fn page_in_memory(&self, cursor: Cursor, size: usize) -> Option<Found> {
        if let Some(cache) = &*self.pages.read() {
            self.pages_read.store(true, Ordering::Relaxed);
            return cache.page(cursor, size);
        }
        self.page_of_tail(cursor, size).await
    }

    /// From the last events: if they know it they are kept as messages from now on.
    async fn page_of_tail(&self, cursor: Cursor, size: usize) -> Option<Found> {
        let state = self.lock().await;
        let tail = &state.tail;
        let reaches = match cursor {
            Cursor::Newest => true,
            Cursor::Before(end) => tail.covers(end),
            Cursor::After(start) => tail.covers(start),
            Cursor::Around(_) => false,
        };
        if !reaches {
            return None;
        }
        let place = (self.conversation, self.shard);
        let events = tail.events().map(|event| &event.frame);
        let cache = PageCache::of_events(place, tail.from(), tail.head(), events);
        let found = cache.page(cursor, size)?;
        self.pages.write().get_or_insert(cache);
        Some(found)
    }

    /// Every message after a position, oldest first, if they are all kept.
    pub fn kept_after(&self, after: Seq) -> Option<Vec<Arc<Kept>>> {
        Some(self.pages.read().as_ref()?.after(after)?.map(Arc::clone).collect())
    }

    /// Whether as many of the newest messages are kept as can be.
    pub fn keeps_pages(&self) -> bool {
        self.pages.read().as_ref().is_some_and(PageCache::reaches_back)
    }

    /// Keeps what was read of the newest messages, with what happened since; unless that is no longer in memory.
    pub async fn keep(&self, mut cache: PageCache) {
        let state = self.lock().await;
        if state.tail.covers(cache.head()) {
            state.tail.after(cache.head()).for_each(|event| cache.apply(&event.frame));
            cache.reach(state.tail.head());
            *self.pages.write() = Some(cache);
        }
    }

    /// What the room just took from the log. Called with its lock held, before anybody is told that the head moved.
    pub(super) fn remember(&self, state: &State, events: &[Arc<Delivery>]) {
        let mut pages = self.pages.write();
        if let Some(cache) = &mut *pages {
            events.iter().for_each(|event| cache.apply(&event.frame));
            cache.reach(state.tail.head());
        }
        if events.iter().any(|event| matches!(event.frame.body, Body::ConversationDeleted(_))) {
            *pages = None;
        }
        drop(pages);
        self.reached.store(state.tail.head().get(), Ordering::Release);
    }

    /// The chain is broken: what was kept may lack something.
    pub(super) fn forget_pages(&self, state: &State) {
        *self.pages.write() = None;
        self.reached.store(state.tail.head().get(), Ordering::Release);
    }

    /// What nobody has read since this was asked last is not kept.
    pub(in crate::hub) fn forget_unread_pages(&self) {
        if !self.pages_read.swap(false, Ordering::Relaxed) {
            *self.pages.write() = None;
        }
    }

    /// The pins of the conversation, if they are in memory.
    pub fn pins_in_memory(&self) -> Option<Vec<Pin>> {
        self.pages.read().as_ref()?.pins()
    }

    /// Everything after `after`, and up to where, if the tail in memory reaches back to it.
    pub async fn overlay_after(&self, after: Seq) -> Option<(Overlay, Seq)> {
        let (events, head): (Vec<Arc<Delivery>>, Seq) = {
            let state = self.lock().await;
            if !state.tail.covers(after) {
                return None;
            }
            (state.tail.after(after).cloned().collect(), state.tail.head())
        };
        Some((self.overlay(&events), head))
    }

    /// The messages in memory, oldest first.
    pub async fn newest_in_memory(&self) -> Vec<Message> {
        let events: Vec<Arc<Delivery>> = self.lock().await.tail.events().cloned().collect();
        self.overlay(&events).messages().collect()
    }

    /// Whether everything after a position is in memory.
    pub async fn remembers(&self, after: Seq) -> bool {
        self.lock().await.tail.covers(after)
    }

    /// The messages that events in memory delete.
    pub async fn deleted_in_memory(&self) -> HashSet<Seq> {
        blank::deletions(self.lock().await.tail.events().map(|event| &event.frame.body))
    }

    fn overlay(&self, events: &[Arc<Delivery>]) -> Overlay {
        let mut overlay = Overlay::new(self.conversation, self.shard);
        for event in events {
            let EventFrame { seq, at, by, body, .. } = &event.frame;
            overlay.add(*seq, Event { at: *at, by: *by, body: body.clone() });
        }
        overlay
    }
}
