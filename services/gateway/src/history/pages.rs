//! Pages as readers see them: with reactions and pins. The newest ones are kept in memory by who reads them, and cost
//! nothing more than that once; older ones come from the store, under what the log's tail says.

use std::sync::Arc;

use chat_protocol::{ErrorCode, UserId, limits};
use chat_store::{Cursor, MessagePage};

use super::{
    App, Fault, Found, Merged, Room, Unsettled,
    additions::{add, without_store},
    page_cache::{Bounds, PageCache, Read, Shown},
};
use crate::metrics;

/// Messages as one reader sees them, in the order the cursor says, and whether there are more in that direction.
pub struct ShownPage {
    pub messages: Vec<Shown>,
    pub more: bool,
}

impl ShownPage {
    fn of((messages, more): Found, viewer: UserId) -> Self {
        Self { messages: messages.into_iter().map(|kept| Shown::of(kept, viewer)).collect(), more }
    }
}

impl App {
    /// A page as one reader sees it.
    pub async fn page(
        self: &Arc<Self>,
        room: &Arc<Room>,
        viewer: UserId,
        cursor: Cursor,
        size: usize,
    ) -> Result<ShownPage, Fault> {
        if let Cursor::Around(seq) = cursor {
            // Newest first, itself included: what is newer, then itself and what is older.
            let newer = size / 2;
            let above = Box::pin(self.page(room, viewer, Cursor::After(seq), newer.max(1))).await?;
            let below = Box::pin(self.page(room, viewer, Cursor::Before(seq.next()), size - newer)).await?;
            let mut messages: Vec<Shown> = above.messages.into_iter().take(newer).collect();
            messages.reverse();
            messages.extend(below.messages);
            return Ok(ShownPage { messages, more: below.more });
        }
        room.reach_acknowledged().await;
        if let Some(found) = room.page_in_memory(cursor, size).await {
            metrics::tail_hit();
            return Ok(ShownPage::of(found, viewer));
        }
        let read = match cursor {
            Cursor::Newest if size <= limits::CACHE_FILL && !room.keeps_pages() => {
                let filled = self.fill(room).await;
                if let Some(found) = room.page_in_memory(cursor, size).await {
                    return Ok(ShownPage::of(found, viewer));
                }
                filled
            }
            _ => Ok(()),
        };
        let merged = match read {
            Ok(()) => self.merged(room, cursor, size).await,
            Err(fault) => Err(fault),
        };
        let MessagePage { messages, more } = match merged {
            Ok(Merged { mut page, overlay, asked }) => {
                let stored = self.stored_additions(room, asked, &page.messages).await.or_else(without_store)?;
                add(&overlay, stored, viewer, &mut page.messages);
                page
            }
            // Without the store, what is recent can still be read from the log.
            Err(fault) if fault.code == ErrorCode::StoreUnavailable => {
                let mut page = self.recent(room).await?.page(cursor, size).ok_or(fault)?;
                self.add_additions(room, viewer, &mut page.messages).await?;
                page
            }
            Err(fault) => return Err(fault),
        };
        Ok(ShownPage { messages: messages.into_iter().map(Shown::from).collect(), more })
    }

    /// Reads the newest messages for the room to keep: once, however many ask.
    async fn fill(self: &Arc<Self>, room: &Arc<Room>) -> Result<(), Fault> {
        let (app, place) = (Arc::clone(self), Arc::clone(room));
        self.reads.fills.join(room.conversation, async move { app.read_newest(&place).await }).await
    }

    async fn read_newest(&self, room: &Room) -> Result<(), Fault> {
        if room.keeps_pages() {
            return Ok(());
        }
        let size = limits::CACHE_FILL;
        // The tail first: whatever is settled then is in the store when it is read below.
        let Unsettled { overlay, head, asked } = self.unsettled(room).await?;
        let stored = self.reads.messages(&self.store, asked, Cursor::Newest, size).await?;
        // Only of those: what is added to a message that the tail itself created is in the tail.
        let (reactions, pins) = self.stored_additions(room, asked, &stored.messages).await?;
        // The log may have let go of all there was, and the room then knows no head: what is settled is in the store.
        let head = head.max(asked.settled);
        let read = Read { overlay, head, stored, size, reactions, pins };
        room.keep(PageCache::of_read((room.conversation, room.shard), Bounds::default(), read)).await;
        metrics::cache_filled();
        Ok(())
    }
}
