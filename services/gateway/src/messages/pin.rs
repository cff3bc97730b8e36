//! Pins: at most a hundred messages that a conversation wants to find again.

use std::sync::Arc;

use chat_auth::Action;
use chat_protocol::{
    ConversationId, ErrorCode, MessageId, Seq, UserId,
    event::{Body, Event, PinChanged},
    limits,
    model::Message,
};
use chat_store::Pin;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{app::App, fault::Fault, hub::Room};

/// Messages looked at together.
const AT_ONCE: usize = 8;

impl App {
    /// Pins a message or unpins it; answers the position of the change: none if nothing changed.
    pub async fn pin(
        &self,
        by: UserId,
        of: ConversationId,
        id: MessageId,
        present: bool,
    ) -> Result<Option<Seq>, Fault> {
        let room = self.hub.room(of).await?;
        let roster = room.authorize(by, Action::Pin).await?;
        if present {
            self.living(&room, &roster, by, id).await?;
        } else {
            self.readable(&room, &roster, by, id).await?;
        }
        let pins = self.pins(&room).await?;
        if pins.iter().any(|pin| pin.message == id.seq()) == present {
            return Ok(None);
        }
        // Those that were deleted since do not count; they are only looked at when it matters.
        if present && pins.len() >= limits::PINS && self.pinned(&room, pins).await?.len() >= limits::PINS {
            return Err(Fault::new(ErrorCode::LimitReached, format!("at most {} pins", limits::PINS)));
        }
        let pin = PinChanged { message: id };
        let body = if present { Body::PinAdded(pin) } else { Body::PinRemoved(pin) };
        self.append_change(&room, Event { at: self.now(), by, body }).await.map(Some)
    }

    /// The pinned messages that are no tombstones, the last pinned first, each with its pin.
    pub async fn pinned(&self, room: &Arc<Room>, mut pins: Vec<Pin>) -> Result<Vec<(Pin, Message)>, Fault> {
        pins.sort_by_key(|pin| std::cmp::Reverse((pin.at, pin.message)));
        let found: Vec<Option<(Pin, Message)>> =
            stream::iter(pins).map(|pin| self.with_message(room, pin)).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn with_message(&self, room: &Arc<Room>, pin: Pin) -> Result<Option<(Pin, Message)>, Fault> {
        let message = self.message(room, pin.message).await?;
        Ok(message.filter(|message| !message.deleted).map(|message| (pin, message)))
    }
}
