//! One user: what is known, what was said of it, and when to look again.

use chat_protocol::{
    NodeId, Timestamp, UserId,
    model::{Presence, PresenceState, Status, StatusState},
    presence::Lease,
};

use super::{Rules, Step};

/// Long before anything happened.
const NEVER: Timestamp = Timestamp::EPOCH;
/// For a status that is being loaded: looked at again, in case the answer never comes.
const LOAD_MS: i64 = 5_000;

/// One user.
#[derive(Debug)]
pub(super) struct Person {
    leases: Vec<Held>,
    /// When the last lease ended; counts while there is none.
    gone_at: Timestamp,
    /// When the user last did something on any device.
    acted_at: Timestamp,
    /// The last sign of life that others may know of.
    seen_at: Timestamp,
    /// What of it was written, and when.
    written: Timestamp,
    written_at: Timestamp,
    /// `None`: not known yet.
    status: Option<Status>,
    stated_at: Timestamp,
    told: Shown,
    told_at: Timestamp,
    /// When it is looked at next, as the tracker noted it.
    pub due: Option<Timestamp>,
}

#[derive(Debug)]
struct Held {
    gateway: NodeId,
    device: u64,
    until: Timestamp,
}

/// How a user is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    state: PresenceState,
    text: Option<String>,
}

impl Person {
    pub fn new(now: Timestamp) -> Self {
        Self {
            leases: Vec::new(),
            gone_at: NEVER,
            acted_at: NEVER,
            seen_at: NEVER,
            written: NEVER,
            written_at: now,
            status: None,
            stated_at: NEVER,
            told: Shown { state: PresenceState::Offline, text: None },
            told_at: NEVER,
            due: None,
        }
    }

    pub fn renew(&mut self, gateway: NodeId, lease: Lease, now: Timestamp, rules: &Rules) {
        let idle_since = now.plus_ms(-i64::from(lease.idle_s) * 1_000);
        // Who comes is not idle, however they came; who only comes back does nothing by that.
        if lease.acted || !self.is_present(now, rules) {
            self.acted_at = self.acted_at.max(idle_since);
        }
        let until = now.plus_ms(rules.lease_ms);
        match self.leases.iter_mut().find(|held| held.gateway == gateway && held.device == lease.device) {
            Some(held) => held.until = until,
            None => self.leases.push(Held { gateway, device: lease.device, until }),
        }
        self.is_seen(now);
    }

    pub fn end(&mut self, gateway: NodeId, device: u64, now: Timestamp) {
        let ended = |held: &Held| held.gateway == gateway && held.device == device;
        if self.leases.iter().any(ended) {
            self.is_seen(now);
            self.leases.retain(|held| !ended(held));
            self.is_gone_if_last(now);
        }
    }

    pub fn end_all(&mut self, gateway: NodeId, now: Timestamp) {
        self.is_seen(now);
        self.leases.retain(|held| held.gateway != gateway);
        self.is_gone_if_last(now);
    }

    pub fn state(&mut self, status: Status, at: Timestamp, now: Timestamp) {
        if self.status.is_none() || at >= self.stated_at {
            let there = !self.leases.is_empty();
            // Who becomes invisible is seen to leave now; who no longer is, to come now.
            if there {
                self.is_seen(now);
            }
            self.status = Some(status);
            self.stated_at = at;
            if there {
                self.is_seen(now);
            }
        }
    }

    pub fn stood_still(&mut self, ms: i64) {
        self.leases.iter_mut().for_each(|held| held.until = held.until.plus_ms(ms));
        if self.gone_at != NEVER {
            self.gone_at = self.gone_at.plus_ms(ms);
        }
    }

    pub fn is_at(&self, gateway: NodeId) -> bool {
        self.leases.iter().any(|held| held.gateway == gateway)
    }

    pub fn is_known(&self) -> bool {
        self.status.is_some()
    }

    pub fn leases(&self) -> usize {
        self.leases.len()
    }

    pub fn told_state(&self) -> PresenceState {
        self.told.state
    }

    /// How the user was last said to be.
    pub fn told(&self, user: UserId) -> Option<Presence> {
        self.status.as_ref()?;
        let Shown { state, text } = self.told.clone();
        let last_seen = (state == PresenceState::Offline && self.seen_at != NEVER).then_some(self.seen_at);
        Some(Presence { user, state, text, last_seen })
    }

    /// Ends what is over, says what changed, writes what is due.
    pub fn settle(&mut self, user: UserId, now: Timestamp, rules: &Rules, steps: &mut Vec<Step>) {
        if let Some(last) = self.leases.iter().map(|held| held.until).max() {
            self.leases.retain(|held| held.until > now);
            if self.leases.is_empty() {
                self.gone_at = last;
            }
        }
        let Some(shown) = self.shown(now, rules) else {
            // Asked at the first lease, and again when no answer came.
            if self.due.is_none() {
                steps.push(Step::Load(user));
            }
            return;
        };
        if shown != self.told && now >= self.told_at.plus_ms(rules.pause_ms) {
            self.told = shown;
            self.told_at = now;
            steps.extend(self.told(user).map(Step::Announce));
        }
        if self.seen_at > self.written && now >= self.write_at(rules) {
            self.written = self.seen_at;
            self.written_at = now;
            steps.push(Step::Seen(user, self.seen_at));
        }
    }

    /// When to look again; `None`: there is nothing left to remember.
    pub fn next(&self, now: Timestamp, rules: &Rules) -> Option<Timestamp> {
        if self.status.is_none() {
            // Whoever left meanwhile was never said to be there.
            return self.is_present(now, rules).then(|| now.plus_ms(LOAD_MS));
        }
        let mut next = Vec::with_capacity(6);
        next.extend(self.leases.iter().map(|held| held.until).min());
        let over = self.gone_at.plus_ms(rules.grace_ms);
        if self.leases.is_empty() && over > now {
            next.push(over);
        }
        if self.is_present(now, rules) {
            next.push(self.acted_at.plus_ms(rules.away_ms));
            next.extend(self.status.as_ref().and_then(|status| status.until));
        }
        // What is told next waits for the pause, and who is to be forgotten too: the pause holds for who comes back.
        next.push(self.told_at.plus_ms(rules.pause_ms));
        if self.seen_at > self.written {
            next.push(self.write_at(rules));
        }
        next.retain(|at| *at > now);
        next.into_iter().min()
    }

    /// As seen now; `None` while the status is not known.
    fn shown(&self, now: Timestamp, rules: &Rules) -> Option<Shown> {
        let status = self.status.as_ref()?;
        let counts = status.until.is_none_or(|until| until > now);
        let (said, text) = if counts { (status.state, status.text.clone()) } else { (StatusState::Auto, None) };
        let state = match said {
            StatusState::Invisible => return Some(Shown { state: PresenceState::Offline, text: None }),
            _ if !self.is_present(now, rules) => PresenceState::Offline,
            StatusState::Dnd => PresenceState::Dnd,
            StatusState::Auto if now >= self.acted_at.plus_ms(rules.away_ms) => PresenceState::Away,
            StatusState::Auto => PresenceState::Online,
        };
        Some(Shown { state, text })
    }

    fn is_present(&self, now: Timestamp, rules: &Rules) -> bool {
        self.leases.iter().any(|held| held.until > now)
            || (self.gone_at != NEVER && now < self.gone_at.plus_ms(rules.grace_ms))
    }

    /// Nobody is told when an invisible user was last there.
    fn is_seen(&mut self, now: Timestamp) {
        let hidden = self.status.as_ref().is_none_or(|status| {
            status.state == StatusState::Invisible && status.until.is_none_or(|until| until > now)
        });
        if !hidden {
            self.seen_at = self.seen_at.max(now);
        }
    }

    fn is_gone_if_last(&mut self, now: Timestamp) {
        if self.leases.is_empty() && self.gone_at < now {
            self.gone_at = now;
        }
    }

    fn write_at(&self, rules: &Rules) -> Timestamp {
        let there = self.told.state != PresenceState::Offline;
        self.written_at.plus_ms(if there { rules.seen_online_ms } else { rules.seen_ms })
    }
}
