//! Who works on what of one shard: claimed, acknowledged, due again. Pure; the time is handed in.
//!
//! Positions of a shard are dense, so everything below `next` that is not pending was acknowledged: acknowledgements
//! out of order cost no memory, and the floor is the position before the first pending one.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chat_protocol::Seq;
use tokio::time::Instant;

/// The shared work of one shard.
pub(super) struct Work {
    /// The first position that was never claimed.
    next: Seq,
    pending: BTreeMap<Seq, Flight>,
    /// The same, in the order in which they are due again.
    due: BTreeSet<(Instant, Seq)>,
}

struct Flight {
    due: Instant,
    /// How often it was claimed.
    claims: u32,
}

/// A position to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) seq: Seq,
    /// How often it was claimed before.
    pub(super) before: u32,
}

/// The bounds of [`Work::claim`].
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) ack_wait: Duration,
    pub(super) in_flight_max: usize,
}

impl Work {
    /// Everything up to `settled` is done.
    pub(super) fn after(settled: Seq) -> Self {
        Self { next: settled.next(), pending: BTreeMap::new(), due: BTreeSet::new() }
    }

    /// Takes up to `most` positions: first what is due again, then new ones up to `last`.
    pub(super) fn claim(&mut self, last: Seq, most: usize, bounds: Bounds, now: Instant) -> Vec<Claim> {
        let mut claims = Vec::new();
        while claims.len() < most
            && let Some((due, seq)) = self.due.first().copied()
            && due <= now
        {
            let before = self.pending.get(&seq).map_or(0, |flight| flight.claims);
            self.put(seq, Flight { due: now + bounds.ack_wait, claims: before.saturating_add(1) });
            claims.push(Claim { seq, before });
        }
        while claims.len() < most && self.next <= last && self.pending.len() < bounds.in_flight_max {
            self.put(self.next, Flight { due: now + bounds.ack_wait, claims: 1 });
            claims.push(Claim { seq: self.next, before: 0 });
            self.next = self.next.next();
        }
        claims
    }

    /// Done for good, whoever did it.
    pub(super) fn ack(&mut self, seq: Seq) {
        if let Some(flight) = self.pending.remove(&seq) {
            self.due.remove(&(flight.due, seq));
        }
    }

    /// Due again at `at`, unless it was acknowledged or claimed anew since.
    pub(super) fn retry(&mut self, claim: Claim, at: Instant) {
        if self.pending.get(&claim.seq).is_some_and(|flight| flight.claims == claim.before.saturating_add(1)) {
            self.put(claim.seq, Flight { due: at, claims: claim.before.saturating_add(1) });
        }
    }

    /// Claimed but never delivered: due at once, and not counted.
    pub(super) fn release(&mut self, claim: Claim, now: Instant) {
        if self.pending.get(&claim.seq).is_some_and(|flight| flight.claims == claim.before.saturating_add(1)) {
            self.put(claim.seq, Flight { due: now, claims: claim.before });
        }
    }

    /// The log dropped everything below `first`: nothing of it can be delivered.
    pub(super) fn dropped_below(&mut self, first: Seq) {
        self.next = self.next.max(first);
        while let Some((seq, _)) = self.pending.first_key_value()
            && *seq < first
        {
            let seq = *seq;
            self.ack(seq);
        }
    }

    /// Everything up to here is done.
    pub(super) fn settled(&self) -> Seq {
        let open = self.pending.first_key_value().map_or(self.next, |(seq, _)| *seq);
        Seq::new(open.get().saturating_sub(1)).unwrap_or_default()
    }

    /// How many up to `last` are not done.
    pub(super) fn open(&self, last: Seq) -> u64 {
        self.pending.len() as u64 + (last.get() + 1).saturating_sub(self.next.get())
    }

    /// How many were claimed and are not done.
    pub(super) fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// When the next one is due again.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    fn put(&mut self, seq: Seq, flight: Flight) {
        let due = flight.due;
        if let Some(old) = self.pending.insert(seq, flight) {
            self.due.remove(&(old.due, seq));
        }
        self.due.insert((due, seq));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { ack_wait: Duration::from_secs(15), in_flight_max: 4 };

    fn seq(n: u64) -> Seq {
        Seq::new(n).unwrap()
    }

    fn seqs(claims: &[Claim]) -> Vec<u64> {
        claims.iter().map(|claim| claim.seq.get()).collect()
    }

    #[test]
    fn acknowledgements_out_of_order_never_move_the_floor_past_a_gap() {
        let mut work = Work::after(seq(9));
        let now = Instant::now();
        assert_eq!(seqs(&work.claim(seq(12), 10, BOUNDS, now)), [10, 11, 12]);
        work.ack(seq(11));
        work.ack(seq(12));
        assert_eq!((work.settled(), work.open(seq(13))), (seq(9), 2));
        work.ack(seq(10));
        assert_eq!((work.settled(), work.open(seq(13))), (seq(12), 1));
    }

    #[test]
    fn what_is_not_settled_comes_again_after_the_wait_and_counts() {
        let mut work = Work::after(seq(0));
        let now = Instant::now();
        work.claim(seq(1), 10, BOUNDS, now);
        assert_eq!(work.claim(seq(1), 10, BOUNDS, now), []);
        let later = now + BOUNDS.ack_wait;
        assert_eq!(work.claim(seq(1), 10, BOUNDS, later), [Claim { seq: seq(1), before: 1 }]);
    }

    #[test]
    fn a_full_window_takes_no_new_work_but_still_what_is_due() {
        let mut work = Work::after(seq(0));
        let now = Instant::now();
        let claims = work.claim(seq(100), 100, BOUNDS, now);
        assert_eq!(claims.len(), BOUNDS.in_flight_max);
        work.retry(*claims.get(2).unwrap(), now);
        assert_eq!(seqs(&work.claim(seq(100), 100, BOUNDS, now)), [3]);
    }

    #[test]
    fn a_late_retry_does_not_take_the_work_from_who_has_it_now() {
        let mut work = Work::after(seq(0));
        let now = Instant::now();
        let first = work.claim(seq(1), 1, BOUNDS, now);
        let later = now + BOUNDS.ack_wait;
        work.claim(seq(1), 1, BOUNDS, later);
        work.retry(*first.first().unwrap(), later);
        assert_eq!(work.next_due(), Some(later + BOUNDS.ack_wait));
    }

    #[test]
    fn what_was_never_delivered_is_released_uncounted() {
        let mut work = Work::after(seq(0));
        let now = Instant::now();
        let claims = work.claim(seq(1), 1, BOUNDS, now);
        work.release(*claims.first().unwrap(), now);
        assert_eq!(work.claim(seq(1), 1, BOUNDS, now), claims);
    }
}
