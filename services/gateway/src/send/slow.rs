//! Slow mode: a pause between two messages of one member, for all who do not have the right `skip_slow_mode`.
//!
//! A room hears every message of its conversation, whatever gateway it came through, and reads what was sent before it
//! was opened. So neither another gateway nor a restart shortens the pause. Only two messages that are sent through two
//! gateways at the very same moment, before either is stored, can both pass: appending is not serialised for it.

use std::{sync::Arc, time::Duration};

use chat_auth::Action;
use chat_protocol::{
    ClientId, ErrorCode, Seq, Timestamp, UserId, limits,
    model::{Message, MessageKind},
};
use chat_store::Cursor;
use tokio::time::timeout;

use crate::{
    app::App,
    fault::Fault,
    hub::{Room, Roster},
    metrics,
};

/// Pages read at most of what was sent before the room was opened.
const PAGES: usize = 50;
/// For somebody else who reads them.
const READ_DEADLINE: Duration = Duration::from_secs(5);
/// For a room that lags to hear what was sent through another gateway.
const CATCH_UP_DEADLINE: Duration = Duration::from_secs(2);

/// What slow mode says of a message.
pub enum Turn {
    /// It does not concern the sender.
    Free,
    /// It is the sender's turn; nobody else takes it meanwhile.
    Held(Held),
    /// It was sent before, and is here: whose retry it is need not wait.
    Earlier(Seq),
}

/// A turn that is being used; given back if nothing comes of it.
pub struct Held {
    room: Arc<Room>,
    user: UserId,
    client_id: ClientId,
}

impl Turn {
    /// The message is in the log.
    pub fn taken(&self, at: Timestamp) {
        if let Self::Held(Held { room, user, client_id }) = self {
            room.sent_at(*user, *client_id, at);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.give_turn_back(self.user, self.client_id);
    }
}

impl App {
    /// Whether a member may send now. A retry of what is stored always may.
    pub(super) async fn turn(
        &self,
        room: &Arc<Room>,
        roster: &Roster,
        by: UserId,
        client_id: ClientId,
        now: Timestamp,
    ) -> Result<Turn, Fault> {
        let pause_ms = roster.conversation().map_or(0, |known| i64::from(known.settings.slow_mode_s) * 1_000);
        if pause_ms == 0 || self.skips_slow_mode(room, by).await? {
            return Ok(Turn::Free);
        }
        self.know_pace(room, now.plus_ms(-pause_ms)).await;
        match self.take_turn(room, by, client_id, now, pause_ms).await? {
            Ok(held) => Ok(Turn::Held(held)),
            // Also if that cannot be looked up: whoever comes again as told, with the same client id, sends nothing twice.
            Err(left_ms) => match self.first_with(room, by, client_id).await {
                Ok(Some(seq)) => Ok(Turn::Earlier(seq)),
                Ok(None) | Err(_) => Err(refusal(left_ms)),
            },
        }
    }

    async fn skips_slow_mode(&self, room: &Arc<Room>, by: UserId) -> Result<bool, Fault> {
        match room.authorize(by, Action::SkipSlowMode).await {
            Ok(_) => Ok(true),
            Err(fault) if fault.code == ErrorCode::Forbidden => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// The turn, or how long it is until there is one.
    async fn take_turn(
        &self,
        room: &Arc<Room>,
        user: UserId,
        client_id: ClientId,
        now: Timestamp,
        pause_ms: i64,
    ) -> Result<Result<Held, u64>, Fault> {
        if let Err(left_ms) = room.take_turn(user, client_id, now, pause_ms) {
            return Ok(Err(left_ms));
        }
        let held = Held { room: Arc::clone(room), user, client_id };
        // What another gateway acknowledged before this was asked for counts, however late it arrives here.
        let fresh = room.fresh_head(&self.hub).await?;
        let _ = timeout(CATCH_UP_DEADLINE, room.reach(fresh)).await;
        Ok(room.take_turn(user, client_id, now, pause_ms).map(|()| held))
    }

    /// Reads what was sent since then, unless the room knows. Without the store the room knows what it heard itself.
    async fn know_pace(&self, room: &Arc<Room>, since: Timestamp) {
        if room.knows_pace(since) {
            return;
        }
        let one_read = timeout(READ_DEADLINE, room.one_pacing()).await;
        if one_read.is_err() || room.knows_pace(since) {
            return;
        }
        // Listens first, reads then: nothing falls in between.
        room.listen_to_pace();
        let mut cursor = Cursor::Newest;
        for _ in 0..PAGES {
            let page = match self.history(room, cursor, limits::PAGE_MAX).await {
                Ok(page) => page,
                Err(fault) => {
                    room.excuse_pace();
                    tracing::warn!(conversation = %room.conversation, code = %fault.code, "slow mode knows too little");
                    return;
                }
            };
            let texts = page.messages.iter().filter(|message| message.kind == MessageKind::Text);
            texts.for_each(|message: &Message| room.sent_at(message.by, message.client_id, message.at));
            match page.messages.last() {
                Some(last) if page.more && last.at >= since => cursor = Cursor::Before(last.seq),
                _ => break,
            }
        }
        room.paced_since(since);
    }
}

fn refusal(left_ms: u64) -> Fault {
    metrics::rate_limited("slow_mode", "enforced");
    let detail = format!("next message in {} s", left_ms.div_ceil(1_000));
    Fault { retry_after_ms: Some(left_ms), ..Fault::new(ErrorCode::SlowMode, detail) }
}
