//! Who sent last, while slow mode is on.

use std::{collections::HashMap, sync::Arc};

use chat_protocol::{ClientId, Timestamp, UserId, event::Body, limits, model::MessageKind};
use tokio::sync::MutexGuard;

use super::Room;
use crate::delivery::Delivery;

/// Senders that are remembered: as many as a group has members. Beyond it the one who waited longest is forgotten.
const SENDERS: usize = limits::MEMBERS;
/// Between two tries to read what was sent before.
const EXCUSED_MS: i64 = 10_000;

/// When everybody sent last, as far back as is known. Pure.
#[derive(Debug)]
pub(super) struct Pace {
    /// Everything that was sent from then on was heard or read.
    since: Timestamp,
    /// It could not be read: until then what is known is enough.
    excused_until: Timestamp,
    last: HashMap<UserId, Sent>,
    /// A message that is being appended: nobody sends a second one beside it.
    pending: HashMap<UserId, ClientId>,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    client_id: ClientId,
    at: Timestamp,
}

impl Pace {
    /// Everything is heard from now on.
    fn new(now: Timestamp) -> Self {
        Self { since: now, excused_until: now, last: HashMap::new(), pending: HashMap::new() }
    }

    /// Whether everything that was sent from then on is known, or need not be asked for now.
    fn knows(&self, since: Timestamp, now: Timestamp) -> bool {
        self.since <= since || now < self.excused_until
    }

    /// What was sent from then on was read.
    fn known_since(&mut self, since: Timestamp) {
        self.since = self.since.min(since);
    }

    /// A message is in the log. Another gateway's clock may be ahead: nobody waits longer for that.
    fn sent(&mut self, user: UserId, client_id: ClientId, at: Timestamp, now: Timestamp) {
        let at = at.min(now);
        if self.last.get(&user).is_some_and(|last| last.at >= at) {
            return;
        }
        if self.last.len() >= SENDERS
            && !self.last.contains_key(&user)
            && let Some(oldest) = self.last.iter().min_by_key(|(_, last)| last.at).map(|(user, _)| *user)
        {
            self.last.remove(&oldest);
        }
        self.last.insert(user, Sent { client_id, at });
    }

    /// Takes the turn for a message, or says how long it is until there is one. Of one message it can be taken again.
    fn take(&mut self, user: UserId, client_id: ClientId, now: Timestamp, pause_ms: i64) -> Result<(), u64> {
        if let Some(last) = self.last.get(&user) {
            let left_ms = last.at.plus_ms(pause_ms).as_ms() - now.as_ms();
            match u64::try_from(left_ms) {
                Ok(left_ms) if left_ms > 0 && last.client_id != client_id => return Err(left_ms),
                _ => {}
            }
        }
        match self.pending.get(&user) {
            Some(pending) if *pending != client_id => Err(u64::try_from(pause_ms).unwrap_or(0)),
            _ => {
                self.pending.insert(user, client_id);
                Ok(())
            }
        }
    }

    /// The message is sent, or never will be.
    fn give_back(&mut self, user: UserId, client_id: ClientId) {
        if self.pending.get(&user) == Some(&client_id) {
            self.pending.remove(&user);
        }
    }
}

impl Room {
    /// Whether everything that was sent from then on is known here.
    pub fn knows_pace(&self, since: Timestamp) -> bool {
        let now = self.now();
        self.pace.lock().as_ref().is_some_and(|pace| pace.knows(since, now))
    }

    /// Held by whoever reads what is not known.
    pub async fn one_pacing(&self) -> MutexGuard<'_, ()> {
        self.pacing.lock().await
    }

    /// Messages are heard from now on.
    pub fn listen_to_pace(&self) {
        let now = self.now();
        self.pace.lock().get_or_insert_with(|| Pace::new(now));
    }

    /// What was sent before could not be read: it is asked for again after a while, not with every message.
    pub fn excuse_pace(&self) {
        let until = self.now().plus_ms(EXCUSED_MS);
        self.pace.lock().iter_mut().for_each(|pace| pace.excused_until = until);
    }

    /// What was sent from then on was read.
    pub fn paced_since(&self, since: Timestamp) {
        self.pace.lock().iter_mut().for_each(|pace| pace.known_since(since));
    }

    /// A message that is in the log.
    pub fn sent_at(&self, user: UserId, client_id: ClientId, at: Timestamp) {
        let now = self.now();
        self.pace.lock().iter_mut().for_each(|pace| pace.sent(user, client_id, at, now));
    }

    /// Takes a member's turn to send, or says how many milliseconds it is away.
    pub fn take_turn(&self, user: UserId, client_id: ClientId, now: Timestamp, pause_ms: i64) -> Result<(), u64> {
        self.pace.lock().get_or_insert_with(|| Pace::new(now)).take(user, client_id, now, pause_ms)
    }

    /// The turn was used, or nothing came of it.
    pub fn give_turn_back(&self, user: UserId, client_id: ClientId) {
        self.pace.lock().iter_mut().for_each(|pace| pace.give_back(user, client_id));
    }

    /// Something was missed: what is not known is read anew.
    pub(super) fn forget_pace(&self) {
        *self.pace.lock() = None;
    }

    /// Events that were delivered. In a room without slow mode this looks at nothing.
    pub(super) fn hear_pace(&self, events: &[Arc<Delivery>]) {
        let mut known = self.pace.lock();
        let Some(pace) = &mut *known else { return };
        let (now, mut ended) = (self.now(), false);
        for event in events {
            match &event.frame.body {
                Body::MessageCreated(created) if created.kind == MessageKind::Text => {
                    pace.sent(event.frame.by, created.client_id, event.frame.at, now);
                }
                Body::ConversationUpdated(updated) => ended = updated.settings.slow_mode_s == 0,
                _ => {}
            }
        }
        if ended {
            *known = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ADA: UserId = UserId::from_u128(1);
    const BEN: UserId = UserId::from_u128(2);

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    fn message(number: u64) -> ClientId {
        ClientId::ulid(number, 1)
    }

    #[test]
    fn one_message_a_pause_and_a_retry_at_any_time() {
        let mut pace = Pace::new(at(0));
        assert_eq!(pace.take(ADA, message(1), at(100), 1_000), Ok(()));
        assert_eq!(pace.take(ADA, message(2), at(100), 1_000), Err(1_000), "one is on its way");
        assert_eq!(pace.take(ADA, message(1), at(100), 1_000), Ok(()), "that one");
        assert_eq!(pace.take(BEN, message(3), at(100), 1_000), Ok(()), "somebody else");
        pace.sent(ADA, message(1), at(100), at(110));
        pace.give_back(ADA, message(1));
        assert_eq!(pace.take(ADA, message(2), at(200), 1_000), Err(900));
        assert_eq!(pace.take(ADA, message(1), at(200), 1_000), Ok(()), "a retry of what is there");
        pace.give_back(ADA, message(1));
        assert_eq!(pace.take(ADA, message(2), at(1_100), 1_000), Ok(()));
        pace.give_back(ADA, message(2));
        assert_eq!(pace.take(ADA, message(4), at(1_100), 1_000), Ok(()), "nothing came of the other one");
        assert_eq!(pace.take(ADA, message(4), at(1_100), 5_000), Err(4_000), "a longer pause counts at once");
    }

    #[test]
    fn the_newest_counts_whatever_comes_in_whatever_order() {
        let mut pace = Pace::new(at(1_000));
        assert!(pace.knows(at(1_000), at(1_000)) && !pace.knows(at(999), at(1_000)));
        pace.excused_until = at(2_000);
        assert!(pace.knows(at(999), at(1_999)) && !pace.knows(at(999), at(2_000)), "not asked for with every message");
        pace.sent(ADA, message(2), at(900), at(1_000));
        pace.sent(ADA, message(1), at(500), at(1_000));
        pace.known_since(at(0));
        assert!(pace.knows(at(0), at(2_000)));
        assert_eq!(pace.take(ADA, message(3), at(1_000), 1_000), Err(900));
        pace.sent(BEN, message(4), at(9_000), at(1_000));
        assert_eq!(pace.take(BEN, message(5), at(1_000), 1_000), Err(1_000), "a clock that is ahead costs no more");
    }

    #[test]
    fn a_crowd_fills_no_memory_and_the_last_ones_are_known() {
        let mut pace = Pace::new(at(0));
        for number in 0..SENDERS as i64 + 10 {
            pace.sent(UserId::from_u128(number as u128), message(1), at(number), at(number));
        }
        assert_eq!(pace.last.len(), SENDERS);
        assert!(pace.take(UserId::from_u128(9), message(2), at(1), 1_000_000).is_ok(), "the oldest is forgotten");
        assert!(pace.take(UserId::from_u128(10), message(2), at(1), 1_000_000).is_err());
    }

    proptest! {
        /// Whatever is tried, fails and comes late: no two messages of one sender are nearer than the pause; and who
        /// waits as told may send.
        #[test]
        fn never_nearer_than_the_pause(pause in 1_i64..500, tries in prop::collection::vec((0_i64..300, any::<bool>()), 1..100)) {
            let (mut pace, mut now, mut stored) = (Pace::new(at(0)), 0, Vec::new());
            for (number, (wait, fails)) in tries.into_iter().enumerate() {
                now += wait;
                let client_id = message(number as u64);
                if let Err(left) = pace.take(ADA, client_id, at(now), pause) {
                    now += i64::try_from(left).unwrap();
                    prop_assert_eq!(pace.take(ADA, client_id, at(now), pause), Ok(()));
                }
                if !fails {
                    pace.sent(ADA, client_id, at(now), at(now));
                    stored.push(now);
                }
                pace.give_back(ADA, client_id);
            }
            prop_assert!(stored.windows(2).all(|pair| pair[1] - pair[0] >= pause));
        }
    }
}
