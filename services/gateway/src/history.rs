//! Reading back: the store and the log's tail, merged, so that what is acknowledged is readable at once however far
//! persisting lags.
//!
//! Memory answers first, then the log, then the store; equal reads of the store share one query.

mod additions; // reactions and pins, merged in the same way
pub mod blank; // what deleted messages keep (pure)
mod events; // what happened, as it happened
mod overlay; // what the tail says about messages (pure)
mod recent; // the newest events straight from the log
mod shared; // one query, many waiters

use std::sync::Arc;

use chat_protocol::{ErrorCode, MessageId, Seq, event::Event, model::Message};
use chat_store::{Cursor, MessagePage};

pub use events::deletions;
pub use shared::SharedReads;

pub use self::overlay::Overlay;
use crate::{app::App, fault::Fault, hub::Room, metrics};

/// Events of the log read at once.
const TAIL_PAGE: usize = 1_000;
/// Events the log may hold beyond what is settled before reading them all is refused: persisting is far behind then.
const TAIL_EVENTS_MAX: usize = 50_000;

impl App {
    /// A page of messages.
    pub async fn history(&self, room: &Arc<Room>, cursor: Cursor, size: usize) -> Result<MessagePage, Fault> {
        room.reach_acknowledged().await;
        if let Some(page) = room.in_memory(cursor, size).await {
            metrics::tail_hit();
            return Ok(page);
        }
        match self.merged(room, cursor, size).await {
            // Without the store, what is recent can still be read from the log.
            Err(fault) if fault.code == ErrorCode::StoreUnavailable => {
                let recent = self.recent(room).await?;
                recent.page(cursor, size).ok_or(fault)
            }
            page => page,
        }
    }

    /// One message.
    pub async fn message(&self, room: &Arc<Room>, seq: Seq) -> Result<Option<Message>, Fault> {
        let page = self.history(room, Cursor::Before(seq.next()), 1).await?;
        Ok(page.messages.into_iter().find(|message| message.seq == seq))
    }

    async fn merged(&self, room: &Arc<Room>, cursor: Cursor, size: usize) -> Result<MessagePage, Fault> {
        if let Cursor::Around(seq) = cursor {
            // Newest first, itself included: what is newer, then itself and what is older.
            let newer = size / 2;
            let above = Box::pin(self.history(room, Cursor::After(seq), newer.max(1))).await?;
            let below = Box::pin(self.history(room, Cursor::Before(seq.next()), size - newer)).await?;
            let mut messages: Vec<Message> = above.messages.into_iter().take(newer).rev().collect();
            messages.extend(below.messages);
            return Ok(MessagePage { messages, more: below.more });
        }
        // The tail first: whatever is settled then is in the store when it is read below.
        let settled = self.log.shard_state(room.shard).await?.settled;
        let overlay = self.unsettled(room, settled).await?;
        let stored = self.reads.messages(&self.store, settled, room.conversation, cursor, size).await?;
        Ok(overlay.merge(stored, cursor, size))
    }

    /// Everything the store may lack.
    async fn unsettled(&self, room: &Room, settled: Seq) -> Result<Overlay, Fault> {
        let mut after = settled;
        if let Some(overlay) = room.overlay_after(after).await {
            return Ok(overlay);
        }
        let mut overlay = Overlay::new(room.conversation, room.shard);
        let mut read = 0;
        loop {
            let events = self.log.tail(room.conversation, after, TAIL_PAGE).await?;
            for logged in &events {
                after = logged.seq;
                if let Ok(event) = Event::decode(&logged.event) {
                    overlay.add(logged.seq, event);
                }
            }
            read += events.len();
            if events.len() < TAIL_PAGE {
                return Ok(overlay);
            }
            if read >= TAIL_EVENTS_MAX {
                return Err(Fault::new(ErrorCode::StoreUnavailable, "persisting is far behind, try again"));
            }
        }
    }
}

/// The message that an event created.
pub fn message_of(
    room: (chat_protocol::ConversationId, chat_protocol::Shard),
    seq: Seq,
    event: &Event,
) -> Option<Message> {
    let chat_protocol::event::Body::MessageCreated(created) = &event.body else { return None };
    Some(Message {
        id: MessageId::new(room.1, seq),
        conversation: room.0,
        seq,
        at: event.at,
        by: event.by,
        client_id: created.client_id,
        kind: created.kind,
        content: created.content.clone(),
        mentions: created.mentions.clone(),
        reactions: Vec::new(),
        pinned: false,
        edited_at: None,
        version: seq,
        deleted: created.deleted,
    })
}
