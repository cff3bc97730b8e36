//! The newest events of a conversation straight from the log, which can only be read forwards: look back a little,
//! then twice as far, until there is enough.

use std::sync::Arc;

use chat_protocol::{Seq, event::Event, limits};

use super::{App, Fault, Overlay, Room};

/// Positions looked back at first. They are the shard's, so a quiet conversation needs more of them.
const STEP: u64 = 1_024;
/// Events read in one look.
const LOOK_EVENTS: usize = 2_000;

impl App {
    pub(super) async fn recent(&self, room: &Arc<Room>) -> Result<Overlay, Fault> {
        let state = self.log.shard_state(room.shard).await?;
        let head = room.head().await;
        let mut back = STEP;
        loop {
            let after = head.get().saturating_sub(back).max(state.first.get().saturating_sub(1));
            let at_start = after < state.first.get();
            let after = Seq::new(after).unwrap_or(Seq::ZERO);
            let events = self.log.tail(room.conversation, after, LOOK_EVENTS).await?;
            if at_start || events.len() > limits::PAGE_MAX {
                let mut overlay = Overlay::new(room.conversation, room.shard);
                for logged in &events {
                    if let Ok(event) = Event::decode(&logged.event) {
                        overlay.add(logged.seq, event);
                    }
                }
                // A look that was cut short has not reached the head: nothing is known of the newest ones.
                if events.len() == LOOK_EVENTS {
                    return Ok(Overlay::new(room.conversation, room.shard));
                }
                return Ok(overlay);
            }
            back = back.saturating_mul(4);
        }
    }
}
