//! What of a conversation's history is in memory.

use std::{collections::HashSet, sync::Arc};

use chat_protocol::{Seq, event::Event, frame::EventFrame, model::Message};
use chat_store::{Cursor, MessagePage};

use super::Room;
use crate::{
    delivery::Delivery,
    history::{Overlay, blank},
};

impl Room {
    /// A page of messages, if the tail in memory is enough to know it.
    pub async fn in_memory(&self, cursor: Cursor, size: usize) -> Option<MessagePage> {
        let events: Vec<Arc<Delivery>> = self.lock().await.tail.events().cloned().collect();
        self.overlay(&events).page(cursor, size)
    }

    /// Everything after `after`, if the tail in memory reaches back to it.
    pub async fn overlay_after(&self, after: Seq) -> Option<Overlay> {
        let events: Vec<Arc<Delivery>> = {
            let state = self.lock().await;
            if !state.tail.covers(after) {
                return None;
            }
            state.tail.after(after).cloned().collect()
        };
        Some(self.overlay(&events))
    }

    /// The messages of the tail in memory, oldest first.
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
