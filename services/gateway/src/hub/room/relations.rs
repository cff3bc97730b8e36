//! What stands between users here: bans of the conversation, and blocks between the two of a direct one.
//!
//! A ban is an event of the conversation, so the roster hears of it. A block is an event of its user's feed, which the
//! other's gateway does not hear: it is read from the store, kept for a minute, and dropped when a signal says that it
//! changed.

use std::sync::Arc;

use chat_auth::Action;
use chat_protocol::{ErrorCode, Timestamp, UserId, model::Kind};

use super::Room;
use crate::{
    fault::Fault,
    hub::{Inner, Roster},
};

/// How long a block that was read counts: a signal that was lost is made up for by then.
const BLOCK_KEPT_MS: i64 = 60_000;

/// Whether one of the two blocks the other, as last read.
#[derive(Debug, Default)]
pub(super) struct Block {
    known: Option<(bool, Timestamp)>,
    /// Grows with every change: an answer that was asked for before it does not count.
    changes: u64,
}

impl Room {
    /// Whether a user who is no member is kept out.
    pub async fn is_banned(&self, roster: &Roster, user: UserId) -> Result<bool, Fault> {
        let hub = self.hub.upgrade().ok_or(ErrorCode::Draining)?;
        let now = hub.clock.now();
        if let Some(banned) = roster.ban(user, now) {
            return Ok(banned);
        }
        let ban = hub.store.ban(self.conversation, user).await?;
        Ok(ban.is_some_and(|ban| ban.until.is_none_or(|until| now < until)))
    }

    /// Whether a block stops this action here.
    pub(super) async fn is_blocked(&self, roster: &Roster, user: UserId, action: Action) -> Result<bool, Fault> {
        let direct = roster.conversation().is_some_and(|conversation| conversation.kind == Kind::Direct);
        let heard = matches!(action, Action::Send | Action::React | Action::Edit { .. });
        let other = roster.members().map(|member| member.user).find(|member| *member != user);
        match other {
            Some(other) if direct && heard => self.block_between(user, other).await,
            _ => Ok(false),
        }
    }

    async fn block_between(&self, user: UserId, other: UserId) -> Result<bool, Fault> {
        let hub = self.hub.upgrade().ok_or(ErrorCode::Draining)?;
        let (known, changes) = {
            let block = self.block.lock();
            (block.known, block.changes)
        };
        let now = hub.clock.now();
        if let Some((blocked, at)) = known
            && now.as_ms() - at.as_ms() < BLOCK_KEPT_MS
        {
            return Ok(blocked);
        }
        match (self.read_block(&hub, user, other).await, known) {
            (Ok(blocked), _) => {
                let mut block = self.block.lock();
                if block.changes == changes {
                    block.known = Some((blocked, now));
                }
                Ok(blocked)
            }
            // Without the store the two go on as they were.
            (Err(_), Some((blocked, _))) => Ok(blocked),
            (Err(fault), None) => Err(fault),
        }
    }

    async fn read_block(&self, hub: &Arc<Inner>, user: UserId, other: UserId) -> Result<bool, Fault> {
        Ok(!hub.store.blocked_between(user, &[other]).await?.is_empty())
    }

    /// One of the two blocked the other, or no longer does: then the store says whether the other still does.
    pub fn block_changed(&self, blocked: bool, now: Timestamp) {
        let mut block = self.block.lock();
        block.changes += 1;
        block.known = blocked.then_some((true, now));
    }
}
