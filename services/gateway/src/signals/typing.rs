//! Who is about to say something: told at most once in a while, to those who look at the conversation.

use std::collections::HashMap;

use chat_auth::Action;
use chat_bus::Topic;
use chat_protocol::{
    ConversationId, ErrorCode, Timestamp, UserId,
    frame::{Typing, TypingState},
    limits,
};
use parking_lot::Mutex;

use super::{are_shown, wire::Signal};
use crate::{app::App, fault::Fault, metrics};

/// Users typing at once on one gateway; those beyond it are not shown.
const TYPISTS: usize = 50_000;
const INTERVAL_MS: i64 = limits::TYPING_INTERVAL.as_millis() as i64;

/// When each was last told, a start and a stop apart: a stop is due however short the typing was.
#[derive(Default)]
pub struct Typists {
    told: Mutex<HashMap<(UserId, ConversationId, TypingState), Timestamp>>,
}

impl Typists {
    /// Whether it may be told now.
    fn take(&self, by: UserId, typing: Typing, now: Timestamp) -> bool {
        let mut told = self.told.lock();
        let key = (by, typing.conversation, typing.state);
        let recent = |at: &Timestamp| now.as_ms() - at.as_ms() < INTERVAL_MS;
        if told.get(&key).is_some_and(recent) {
            return false;
        }
        if told.len() >= TYPISTS {
            told.retain(|_, at| recent(at));
            if told.len() >= TYPISTS {
                metrics::shed("typing");
                return false;
            }
        }
        told.insert(key, now);
        true
    }
}

impl App {
    /// Shows that a user types, or no longer. Of what they may not see nothing is said; too often is no error either.
    pub async fn typing(&self, by: UserId, typing: Typing) -> Result<(), Fault> {
        let room = self.hub.room(typing.conversation).await?;
        let roster = match room.authorize(by, Action::Send).await {
            Ok(roster) => roster,
            Err(fault) if matches!(fault.code, ErrorCode::NotFound | ErrorCode::NotAMember) => return Ok(()),
            Err(fault) => return Err(fault),
        };
        if are_shown(&roster) && self.signals.typists.take(by, typing, self.now()) {
            let signal = Signal::Typing { user: by, state: typing.state };
            // One that is lost is lost.
            if self.log.emit(&Topic::Conversation(typing.conversation), signal.encode()).await.is_err() {
                metrics::shed("typing");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_and_a_stop_in_four_seconds() {
        let typists = Typists::default();
        let take = |user, state, ms| {
            let typing = Typing { conversation: ConversationId::from_u128(1), state };
            typists.take(UserId::from_u128(user), typing, Timestamp::from_ms(ms))
        };
        assert!(take(1, TypingState::Start, 0));
        assert!(!take(1, TypingState::Start, 3_999));
        assert!(take(2, TypingState::Start, 3_999), "others are not held back");
        assert!(take(1, TypingState::Stop, 3_999));
        assert!(take(1, TypingState::Start, 4_000));
    }
}
