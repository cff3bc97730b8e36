//! Changes on their way to the gateways: the newest of each user, so many a second. Pure.

use std::collections::{HashMap, VecDeque};

use chat_protocol::{Timestamp, UserId, model::Presence};

/// Users whose change waits; beyond it changes are dropped, and gateways ask anew.
const WAITING: usize = 200_000;

/// So many in a second, however the time is cut.
#[derive(Debug)]
pub struct Budget {
    per_s: u32,
    /// In thousandths.
    left: u64,
    at: Timestamp,
}

impl Budget {
    /// A full second's.
    pub fn new(per_s: u32, now: Timestamp) -> Self {
        Self { per_s, left: u64::from(per_s) * 1_000, at: now }
    }

    /// Takes up to so many; how many there were.
    pub fn take(&mut self, wanted: usize, now: Timestamp) -> usize {
        let passed = u64::try_from(now.as_ms() - self.at.as_ms()).unwrap_or(0);
        self.at = self.at.max(now);
        let most = u64::from(self.per_s) * 1_000;
        self.left = self.left.saturating_add(passed.saturating_mul(self.per_s.into())).min(most);
        let taken = usize::try_from(self.left / 1_000).unwrap_or(usize::MAX).min(wanted);
        self.left -= taken as u64 * 1_000;
        taken
    }
}

/// What waits.
#[derive(Debug)]
pub struct Out {
    budget: Budget,
    order: VecDeque<UserId>,
    newest: HashMap<UserId, Presence>,
}

impl Out {
    /// Nothing.
    pub fn new(per_s: u32, now: Timestamp) -> Self {
        Self { budget: Budget::new(per_s, now), order: VecDeque::new(), newest: HashMap::new() }
    }

    /// A user changed; whether there was room.
    pub fn push(&mut self, presence: Presence) -> bool {
        let user = presence.user;
        if self.newest.len() >= WAITING && !self.newest.contains_key(&user) {
            return false;
        }
        if self.newest.insert(user, presence).is_none() {
            self.order.push_back(user);
        }
        true
    }

    /// What may be told now, at most `most`.
    pub fn take(&mut self, most: usize, now: Timestamp) -> Vec<Presence> {
        let count = self.budget.take(most.min(self.order.len()), now);
        self.order.drain(..count).filter_map(|user| self.newest.remove(&user)).collect()
    }
}

#[cfg(test)]
mod tests {
    use chat_protocol::model::PresenceState;

    use super::*;

    fn presence(user: u128, state: PresenceState) -> Presence {
        Presence { user: UserId::from_u128(user), state, text: None, last_seen: None }
    }

    #[test]
    fn the_newest_of_each_and_no_more_than_the_budget() {
        let at = Timestamp::from_ms;
        let mut out = Out::new(10, at(0));
        for user in 0..30 {
            assert!(out.push(presence(user, PresenceState::Online)));
        }
        out.push(presence(0, PresenceState::Offline));
        let first = out.take(100, at(0));
        assert_eq!((first.len(), first[0].state), (10, PresenceState::Offline), "told once, as it is now");
        assert_eq!(out.take(100, at(99)).len(), 0);
        assert_eq!(out.take(100, at(500)).len(), 5);
        assert_eq!(out.take(2, at(5_000)).len(), 2);
        assert_eq!(out.take(100, at(9_000)).len(), 10, "what was not used is not saved up");
    }
}
