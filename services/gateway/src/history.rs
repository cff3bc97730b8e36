//! Reading back: the store and the log's tail, merged, so that what is acknowledged is readable at once however far
//! persisting lags.
//!
//! Memory answers first, then the log, then the store; equal reads of the store share one query. What is newest is read
//! once for as long as it is asked for, and kept right by the events that come.

mod additions; // reactions and pins, merged in the same way
pub mod blank; // what deleted messages keep (pure)
mod events; // what happened, as it happened
mod overlay; // what the tail says about messages (pure)
mod page_cache; // the newest messages as they are now (pure)
mod pages; // as readers see them
mod recent; // the newest events straight from the log
mod shared; // one query, many waiters

use std::sync::Arc;

use chat_protocol::{ErrorCode, MessageId, Seq, event::Event, model::Message};
use chat_store::{Cursor, MessagePage};

pub use events::deletions;
pub use pages::ShownPage;
pub use shared::SharedReads;

use self::shared::Asked;
pub use self::{
    overlay::Overlay,
    page_cache::{Found, Kept, PageCache, Shown},
};
use crate::{app::App, fault::Fault, hub::Room, metrics};

/// Events of the log read at once.
const TAIL_PAGE: usize = 1_000;
/// Events the log may hold beyond what is settled before reading them all is refused: persisting is far behind then.
const TAIL_EVENTS_MAX: usize = 50_000;

impl App {
    /// A page of messages, without reactions and pins; [`App::page`] makes `Around` of two of these.
    pub async fn history(&self, room: &Arc<Room>, cursor: Cursor, size: usize) -> Result<MessagePage, Fault> {
        room.reach_acknowledged().await;
        if let Some((messages, more)) = room.page_in_memory(cursor, size).await {
            metrics::tail_hit();
            let messages = messages.iter().map(|kept| kept.message().clone()).collect();
            return Ok(MessagePage { messages, more });
        }
        match self.merged(room, cursor, size).await {
            Ok(Merged { page, .. }) => Ok(page),
            // Without the store, what is recent can still be read from the log.
            Err(fault) if fault.code == ErrorCode::StoreUnavailable => {
                let recent = self.recent(room).await?;
                recent.page(cursor, size).ok_or(fault)
            }
            Err(fault) => Err(fault),
        }
    }

    /// One message.
    pub async fn message(&self, room: &Arc<Room>, seq: Seq) -> Result<Option<Message>, Fault> {
        let page = self.history(room, Cursor::Before(seq.next()), 1).await?;
        Ok(page.messages.into_iter().find(|message| message.seq == seq))
    }

    async fn merged(&self, room: &Room, cursor: Cursor, size: usize) -> Result<Merged, Fault> {
        // The tail first: whatever is settled then is in the store when it is read below.
        let Unsettled { overlay, asked, .. } = self.unsettled(room).await?;
        let stored = self.reads.messages(&self.store, asked, cursor, size).await?;
        Ok(Merged { page: overlay.merge(stored, cursor, size), overlay, asked })
    }

    /// Everything the store may lack.
    async fn unsettled(&self, room: &Room) -> Result<Unsettled, Fault> {
        let settled = self.reads.settled(&self.log, room.shard).await?;
        let asked = Asked { of: room.conversation, settled };
        if let Some((overlay, head)) = room.overlay_after(settled).await {
            return Ok(Unsettled { overlay, head, asked });
        }
        // Before the log is read: it holds all that was heard of it.
        let head = room.head().await;
        let mut overlay = Overlay::new(room.conversation, room.shard);
        let (mut after, mut read) = (settled, 0);
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
                return Ok(Unsettled { overlay, head: after.max(head), asked });
            }
            if read >= TAIL_EVENTS_MAX {
                return Err(Fault::new(ErrorCode::StoreUnavailable, "persisting is far behind, try again"));
            }
        }
    }
}

/// What the log says after what is settled.
struct Unsettled {
    overlay: Overlay,
    /// Up to here nothing is missing.
    head: Seq,
    /// What the store is asked about then.
    asked: Asked,
}

/// A page of the store with the log's tail over it, and what is needed to ask the store for more of it.
struct Merged {
    page: MessagePage,
    overlay: Overlay,
    asked: Asked,
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
