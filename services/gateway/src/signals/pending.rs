//! Markers between a client and the store: merged by maximum, written at most once in [`limits::MARK_INTERVAL`], the
//! last one always. Pure.

use std::collections::{BTreeSet, HashMap};

use chat_protocol::{ConversationId, Seq, SocketId, Timestamp, UserId, limits, model::Marker};

/// Whose marker of what.
pub type Key = (UserId, ConversationId);

const INTERVAL_MS: i64 = limits::MARK_INTERVAL.as_millis() as i64;
/// A marker that no longer moves is remembered for so long: its reader's next step needs no look at the store.
const REMEMBERED_MS: i64 = 60_000;

/// Markers that were moved here lately.
#[derive(Debug)]
pub struct Pending {
    most: usize,
    entries: HashMap<Key, Entry>,
    /// Those that are to be written, by when.
    queue: BTreeSet<(Timestamp, Key)>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    marker: Marker,
    /// The socket that moved it last.
    from: Option<SocketId>,
    state: State,
    /// Not written again before this.
    due: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The store has it.
    Stored,
    /// The store is to have it.
    Moved,
    /// It is being written.
    Writing,
    /// It moved again while it was being written.
    MovedAgain,
}

/// What became of a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raised {
    /// It was there already, or further.
    Known,
    /// It will be written.
    Moved,
    /// Too many wait.
    Full,
}

impl Pending {
    /// Of at most so many markers.
    pub fn new(most: usize) -> Self {
        Self { most, entries: HashMap::new(), queue: BTreeSet::new() }
    }

    /// The newest that is known here.
    pub fn known(&self, key: Key) -> Option<Marker> {
        self.entries.get(&key).map(|entry| entry.marker)
    }

    /// Whether everything that was said of it here is in the store.
    pub fn is_stored(&self, key: Key) -> bool {
        self.entries.get(&key).is_none_or(|entry| entry.state == State::Stored)
    }

    /// What the store said; whoever knows more keeps it.
    pub fn learn(&mut self, key: Key, stored: Marker, now: Timestamp) {
        if self.entries.len() < self.most || self.make_room(now) {
            let entry = Entry { marker: stored, from: None, state: State::Stored, due: now };
            self.entries
                .entry(key)
                .and_modify(|known| {
                    known.marker.read = known.marker.read.max(stored.read);
                    known.marker.delivered = known.marker.delivered.max(stored.delivered);
                })
                .or_insert(entry);
        }
    }

    /// A user has come so far; `read` implies `delivered`.
    pub fn raise(&mut self, key: Key, read: Seq, delivered: Seq, from: Option<SocketId>, now: Timestamp) -> Raised {
        let delivered = delivered.max(read);
        if !self.entries.contains_key(&key) && self.entries.len() >= self.most && !self.make_room(now) {
            return Raised::Full;
        }
        let nothing = Marker { user: key.0, read: Seq::ZERO, delivered: Seq::ZERO, at: now };
        let entry = self.entries.entry(key).or_insert(Entry { marker: nothing, from, state: State::Stored, due: now });
        if read <= entry.marker.read && delivered <= entry.marker.delivered {
            return Raised::Known;
        }
        entry.marker.read = entry.marker.read.max(read);
        entry.marker.delivered = entry.marker.delivered.max(delivered);
        entry.marker.at = now;
        entry.from = from;
        entry.state = match entry.state {
            State::Stored => {
                self.queue.insert((entry.due, key));
                State::Moved
            }
            State::Writing => State::MovedAgain,
            state => state,
        };
        Raised::Moved
    }

    /// What is to be written now, with the socket that moved it; `all` = without waiting, for there is no later.
    pub fn take_due(&mut self, now: Timestamp, all: bool) -> Vec<(Key, Marker, Option<SocketId>)> {
        let mut taken = Vec::new();
        while let Some((due, key)) = self.queue.pop_first() {
            if due > now && !all {
                self.queue.insert((due, key));
                break;
            }
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.state = State::Writing;
                entry.due = now.plus_ms(INTERVAL_MS);
                taken.push((key, entry.marker, entry.from));
            }
        }
        taken
    }

    /// A write ended. What could not be written is tried again.
    pub fn on_written(&mut self, key: Key, stored: bool) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.state = match (entry.state, stored) {
            (State::Writing, true) => State::Stored,
            (State::Writing | State::MovedAgain, _) => {
                self.queue.insert((entry.due, key));
                State::Moved
            }
            (state, _) => state,
        };
    }

    /// How many are not in the store yet.
    pub fn unstored(&self) -> usize {
        self.entries.values().filter(|entry| entry.state != State::Stored).count()
    }

    /// Forgets what has not moved for a while.
    pub fn expire(&mut self, now: Timestamp) {
        self.entries.retain(|_, entry| entry.state != State::Stored || now.as_ms() - entry.due.as_ms() < REMEMBERED_MS);
    }

    /// Forgets what the store has and may be written again; whether there is room now.
    fn make_room(&mut self, now: Timestamp) -> bool {
        self.entries.retain(|_, entry| entry.state != State::Stored || entry.due > now);
        self.entries.len() < self.most
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: Key = (UserId::from_u128(1), ConversationId::from_u128(2));

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    fn seq(n: u64) -> Seq {
        Seq::new(n).unwrap()
    }

    #[test]
    fn the_first_is_written_at_once_and_the_last_of_many_two_seconds_later() {
        let mut pending = Pending::new(10);
        assert_eq!(pending.raise(KEY, seq(1), Seq::ZERO, None, at(0)), Raised::Moved);
        let due = pending.take_due(at(0), false);
        assert_eq!((due.len(), due[0].1.read, due[0].1.delivered), (1, seq(1), seq(1)));
        pending.on_written(KEY, true);
        for n in 2..9 {
            assert_eq!(pending.raise(KEY, seq(n), Seq::ZERO, None, at(100)), Raised::Moved);
            assert!(pending.take_due(at(1_999), false).is_empty());
        }
        assert_eq!(pending.raise(KEY, seq(3), seq(8), None, at(100)), Raised::Known);
        assert_eq!(pending.take_due(at(2_000), false)[0].1.read, seq(8));
    }

    #[test]
    fn beyond_the_bound_it_is_full_until_something_is_stored() {
        let mut pending = Pending::new(1);
        let other = (UserId::from_u128(9), KEY.1);
        pending.raise(KEY, seq(1), Seq::ZERO, None, at(0));
        assert_eq!(pending.raise(other, seq(1), Seq::ZERO, None, at(0)), Raised::Full);
        pending.take_due(at(0), false);
        pending.on_written(KEY, true);
        assert_eq!(pending.raise(other, seq(1), Seq::ZERO, None, at(1_000)), Raised::Full, "two writes in two seconds");
        assert_eq!(pending.raise(other, seq(1), Seq::ZERO, None, at(2_000)), Raised::Moved);
    }

    proptest! {
        /// However marks, ticks, failures and successes mix: writes of one marker are two seconds apart, none goes
        /// back, and after a last flush the store has the highest that was said.
        #[test]
        fn the_last_one_is_never_lost(steps in prop::collection::vec((0_i64..1_500, 1_u64..50, 0_u64..50, any::<bool>(), any::<bool>()), 1..60)) {
            let mut pending = Pending::new(10);
            let (mut now, mut writing, mut last_write) = (0, None::<Marker>, i64::MIN / 2);
            let (mut read, mut delivered) = (Seq::ZERO, Seq::ZERO);
            let mut stored = (Seq::ZERO, Seq::ZERO);
            for (pass, r, d, ends, fails) in steps {
                now += pass;
                let (r, d) = (seq(r), Seq::new(d).unwrap_or(Seq::ZERO));
                prop_assert_ne!(pending.raise(KEY, r, d, None, at(now)), Raised::Full);
                (read, delivered) = (read.max(r), delivered.max(d).max(r));
                if ends && let Some(marker) = writing.take() {
                    if !fails { stored = (marker.read, marker.delivered); }
                    pending.on_written(KEY, !fails);
                }
                for (_, marker, _) in pending.take_due(at(now), false) {
                    prop_assert!(writing.is_none() && now - last_write >= INTERVAL_MS);
                    prop_assert!(marker.read >= stored.0 && marker.delivered >= stored.1);
                    (writing, last_write) = (Some(marker), now);
                }
                pending.expire(at(now));
            }
            if let Some(marker) = writing { stored = (marker.read, marker.delivered); pending.on_written(KEY, true); }
            for (_, marker, _) in pending.take_due(at(now), true) { stored = (marker.read, marker.delivered); pending.on_written(KEY, true); }
            prop_assert_eq!(stored, (read, delivered));
            prop_assert_eq!(pending.unstored(), 0);
        }
    }
}
