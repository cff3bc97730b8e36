//! Who is there, as a value: leases, statuses and the time go in, announcements come out. No I/O, no clock of its own.
//!
//! Online at once; offline when the last lease has been over for the grace; the best device counts; whoever did nothing
//! on any device for a while is away; nobody changes more than once in the pause. Nothing is said of a user whose
//! status is not known yet: they may want to be invisible.

mod person; // one user

use std::collections::{BTreeSet, HashMap};

use chat_protocol::{
    NodeId, Timestamp, UserId,
    model::{Presence, PresenceState, Status},
    presence::{End, Lease, Partitions, Stated},
};

use self::person::Person;

/// The times that count, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// A lease lasts so long after it was heard.
    pub lease_ms: i64,
    /// Who has no lease is still there for so long.
    pub grace_ms: i64,
    /// Who did nothing for so long is away.
    pub away_ms: i64,
    /// Between two changes of one user.
    pub pause_ms: i64,
    /// Between two writes of when a user was last seen.
    pub seen_ms: i64,
    /// The same while the user is there all the time.
    pub seen_online_ms: i64,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Tell how a user is now.
    Announce(Presence),
    /// Find out what a user set, then [`Tracker::on_loaded`].
    Load(UserId),
    /// Write when a user was last seen.
    Seen(UserId, Timestamp),
}

/// Everybody who is there, or was a moment ago.
#[derive(Debug)]
pub struct Tracker {
    rules: Rules,
    people: HashMap<UserId, Person>,
    /// When somebody is to be looked at; at most one entry each, never later than it matters.
    due: BTreeSet<(Timestamp, UserId)>,
}

impl Tracker {
    /// Nobody.
    pub fn new(rules: Rules) -> Self {
        Self { rules, people: HashMap::new(), due: BTreeSet::new() }
    }

    /// A device is there.
    pub fn on_lease(&mut self, gateway: NodeId, lease: Lease, now: Timestamp) -> Vec<Step> {
        let mut steps = Vec::new();
        let person = self.people.entry(lease.user).or_insert_with(|| Person::new(now));
        person.renew(gateway, lease, now, &self.rules);
        self.settle(lease.user, now, &mut steps);
        steps
    }

    /// A device left.
    pub fn on_end(&mut self, gateway: NodeId, end: End, now: Timestamp) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(person) = self.people.get_mut(&end.user) {
            person.end(gateway, end.device, now);
            self.settle(end.user, now, &mut steps);
        }
        steps
    }

    /// A gateway stopped: all its sessions end.
    pub fn on_leaving(&mut self, gateway: NodeId, now: Timestamp) -> Vec<Step> {
        let mut steps = Vec::new();
        let there: Vec<UserId> =
            self.people.iter().filter(|(_, person)| person.is_at(gateway)).map(|(user, _)| *user).collect();
        for user in there {
            if let Some(person) = self.people.get_mut(&user) {
                person.end_all(gateway, now);
                self.settle(user, now, &mut steps);
            }
        }
        steps
    }

    /// A user set their status. Of who is not there it is in the store.
    pub fn on_stated(&mut self, stated: Stated, now: Timestamp) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(person) = self.people.get_mut(&stated.user) {
            person.state(stated.status, stated.at, now);
            self.settle(stated.user, now, &mut steps);
        }
        steps
    }

    /// What the store knows of a user's status; what was heard meanwhile is newer.
    pub fn on_loaded(&mut self, user: UserId, status: Status, now: Timestamp) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(person) = self.people.get_mut(&user)
            && !person.is_known()
        {
            person.state(status, Timestamp::EPOCH, now);
            self.settle(user, now, &mut steps);
        }
        steps
    }

    /// Time has passed. At most `most` users are looked at; the others are next.
    pub fn on_tick(&mut self, now: Timestamp, most: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        for _ in 0..most {
            let Some((at, user)) = self.due.first().copied().filter(|(at, _)| *at <= now) else { break };
            self.due.remove(&(at, user));
            if let Some(person) = self.people.get_mut(&user) {
                person.due = None;
                self.settle(user, now, &mut steps);
            }
        }
        steps
    }

    /// Nothing was heard for so long, and nothing was there to be heard: no lease and no grace ran meanwhile.
    pub fn stood_still(&mut self, ms: i64) {
        self.people.values_mut().for_each(|person| person.stood_still(ms));
    }

    /// Users of these parts are somebody else's.
    pub fn forget(&mut self, parts: Partitions) {
        self.people.retain(|user, person| {
            let stays = !parts.has(*user);
            if !stays && let Some(at) = person.due {
                self.due.remove(&(at, *user));
            }
            stays
        });
    }

    /// How a user was last said to be; `None` for who is not known, or not well enough.
    pub fn presence(&self, user: UserId) -> Option<Presence> {
        self.people.get(&user).and_then(|person| person.told(user))
    }

    /// Whether a user was last said to be there.
    pub fn is_there(&self, user: UserId) -> bool {
        self.people.get(&user).is_some_and(|person| person.told_state() != PresenceState::Offline)
    }

    /// Leases of the users of these parts.
    pub fn leases(&self, parts: Partitions) -> usize {
        self.people.iter().filter(|(user, _)| parts.has(**user)).map(|(_, person)| person.leases()).sum()
    }

    /// Does for one user what is due, and notes when to look again.
    fn settle(&mut self, user: UserId, now: Timestamp, steps: &mut Vec<Step>) {
        let Some(person) = self.people.get_mut(&user) else { return };
        person.settle(user, now, &self.rules, steps);
        let next = person.next(now, &self.rules);
        match (next, person.due) {
            (None, due) => {
                due.map(|at| self.due.remove(&(at, user)));
                self.people.remove(&user);
            }
            // A look that comes too early finds nothing to do and notes the next: renewals need not move anything.
            (Some(next), Some(due)) if due <= next => {}
            (Some(next), due) => {
                due.map(|at| self.due.remove(&(at, user)));
                person.due = Some(next);
                self.due.insert((next, user));
            }
        }
    }
}

#[cfg(test)]
pub mod tests;
