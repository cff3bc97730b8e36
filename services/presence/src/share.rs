//! Which worker answers for which users, as a value: signs of life and the time go in, claims come out. Pure.
//!
//! Every worker decides alone, from whom it hears of, and all come to the same: a part is **owned** by the heaviest
//! ([`weight`]) of the workers that have followed it for a whole lease time (that are **warm**), and followed by the
//! heaviest of all, whether warm or not, so that somebody is warm when the owner is lost. A worker gives up what two
//! warm ones are heavier for. Nothing is handed over: whoever follows a part hears the same leases as its owner.

use std::collections::HashMap;

use chat_protocol::{
    NodeId, Timestamp,
    presence::{News, PARTITIONS, Partitions, weight},
};

/// Who follows a part beside its owner.
const FOLLOWERS: usize = 2;

/// This worker's view of all of them.
#[derive(Debug)]
pub struct Share {
    me: NodeId,
    lease_ms: i64,
    /// A worker that was not heard for so long is gone.
    lost_ms: i64,
    others: HashMap<NodeId, Other>,
    /// Since when a part is followed here.
    since: Vec<Option<Timestamp>>,
    claims: Claims,
}

#[derive(Debug, Clone, Copy)]
struct Other {
    heard_at: Timestamp,
    warm: Partitions,
}

/// What this worker does now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Claims {
    /// Parts it answers for and announces changes of.
    pub owned: Partitions,
    /// Parts it knows everybody of.
    pub warm: Partitions,
    /// Parts it follows.
    pub followed: Partitions,
}

impl Share {
    /// A worker that has just started, alone as far as it knows. `whole`: nobody can be there yet, so it knows everybody.
    pub fn new(me: NodeId, lease_ms: i64, lost_ms: i64, whole: bool, now: Timestamp) -> Self {
        let since = Some(if whole { Timestamp::EPOCH } else { now });
        let mut share = Self {
            me,
            lease_ms,
            lost_ms,
            others: HashMap::new(),
            since: vec![since; PARTITIONS.into()],
            claims: Claims::default(),
        };
        share.on_tick(now);
        share
    }

    /// What it does now.
    pub const fn claims(&self) -> Claims {
        self.claims
    }

    /// Another worker was heard.
    pub fn on_news(&mut self, news: &News, now: Timestamp) {
        if news.worker == self.me {
            return;
        }
        if news.leaving {
            self.others.remove(&news.worker);
        } else {
            self.others.insert(news.worker, Other { heard_at: now, warm: news.warm });
        }
    }

    /// Decides anew; whether anything is different from before.
    pub fn on_tick(&mut self, now: Timestamp) -> bool {
        self.others.retain(|_, other| now < other.heard_at.plus_ms(self.lost_ms));
        let before = self.claims;
        let mut claims = Claims::default();
        for part in 0..PARTITIONS {
            let mine = weight(self.me, part);
            let heavier = |(node, _): &(&NodeId, &Other)| weight(**node, part) > mine;
            let warm = |(_, other): &(&NodeId, &Other)| other.warm.contains(part);
            let warm_above = self.others.iter().filter(heavier).filter(warm).count();
            let any_warm = self.others.iter().any(|other| warm(&other));
            let Some(since) = self.since.get_mut(usize::from(part)) else { continue };
            if warm_above >= FOLLOWERS {
                *since = None;
                continue;
            }
            let since = *since.get_or_insert(now);
            claims.followed = claims.followed.with(part);
            let is_warm = now >= since.plus_ms(self.lease_ms);
            if is_warm {
                claims.warm = claims.warm.with(part);
            }
            // Without anybody who knows, the heaviest answers with what it has.
            let owns = if is_warm { warm_above == 0 } else { !any_warm && !self.others.iter().any(|o| heavier(&o)) };
            if owns {
                claims.owned = claims.owned.with(part);
            }
        }
        self.claims = claims;
        claims != before
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEASE_MS: i64 = 30_000;
    const LOST_MS: i64 = 6_000;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(1_000_000 + ms)
    }

    fn node(n: u64) -> NodeId {
        NodeId::ulid(n, u128::from(n))
    }

    /// Workers that hear each other every two seconds.
    struct Workers {
        alive: Vec<(NodeId, Share)>,
        now: i64,
        next: u64,
    }

    impl Workers {
        fn new(count: usize) -> Self {
            let mut workers = Self { alive: Vec::new(), now: 0, next: 1 };
            (0..count).for_each(|_| workers.add());
            workers
        }

        fn add(&mut self) {
            let me = node(self.next);
            self.next += 1;
            self.alive.push((me, Share::new(me, LEASE_MS, LOST_MS, false, at(self.now))));
        }

        /// Time passes; all hear each other, and each decides.
        fn pass(&mut self, ms: i64) {
            let end = self.now + ms;
            while self.now < end {
                self.now += 2_000;
                let said: Vec<News> = self
                    .alive
                    .iter()
                    .map(|(worker, share)| News { worker: *worker, warm: share.claims().warm, ..News::default() })
                    .collect();
                for (_, share) in &mut self.alive {
                    said.iter().for_each(|news| share.on_news(news, at(self.now)));
                    share.on_tick(at(self.now));
                }
            }
        }

        fn owners(&self, part: u8) -> usize {
            self.alive.iter().filter(|(_, share)| share.claims().owned.contains(part)).count()
        }

        fn warm(&self, part: u8) -> usize {
            self.alive.iter().filter(|(_, share)| share.claims().warm.contains(part)).count()
        }
    }

    #[test]
    fn a_worker_alone_owns_all_and_knows_all_after_one_lease() {
        let mut share = Share::new(node(1), LEASE_MS, LOST_MS, false, at(0));
        assert_eq!((share.claims().owned, share.claims().warm), (Partitions::ALL, Partitions::NONE));
        assert!(!share.on_tick(at(LEASE_MS - 1)));
        assert!(share.on_tick(at(LEASE_MS)));
        assert_eq!(share.claims().warm, Partitions::ALL);
        let whole = Share::new(node(1), LEASE_MS, LOST_MS, true, at(0));
        assert_eq!(whole.claims().warm, Partitions::ALL);
    }

    #[test]
    fn parts_of_a_lost_worker_are_owned_by_warm_ones_within_ten_seconds() {
        let mut workers = Workers::new(3);
        workers.pass(60_000);
        assert!((0..PARTITIONS).all(|part| workers.owners(part) == 1 && workers.warm(part) == FOLLOWERS));
        let (_, lost) = workers.alive.remove(0);
        let orphans = lost.claims().owned;
        assert!(orphans.len() > 5);
        workers.pass(10_000);
        assert!((0..PARTITIONS).all(|part| workers.owners(part) == 1 && workers.warm(part) >= 1));
    }

    #[test]
    fn a_new_worker_takes_its_share_only_when_it_knows_everybody() {
        let mut workers = Workers::new(2);
        workers.pass(60_000);
        workers.add();
        workers.pass(LEASE_MS - 2_000);
        assert!(workers.alive[2].1.claims().owned.is_empty(), "not before one lease time");
        workers.pass(10_000);
        assert!(workers.alive[2].1.claims().owned.len() > 5);
        assert!((0..PARTITIONS).all(|part| workers.owners(part) == 1 && workers.warm(part) == FOLLOWERS));
    }

    #[test]
    fn who_says_that_it_leaves_is_replaced_at_once() {
        let mut share = Share::new(node(1), LEASE_MS, LOST_MS, false, at(0));
        let other = News { worker: node(2), warm: Partitions::ALL, ..News::default() };
        share.on_news(&other, at(LEASE_MS));
        share.on_tick(at(LEASE_MS));
        assert!(share.claims().owned.len() < 60);
        share.on_news(&News { leaving: true, ..other }, at(LEASE_MS + 1));
        share.on_tick(at(LEASE_MS + 1));
        assert_eq!(share.claims().owned, Partitions::ALL);
    }

    proptest! {
        /// Workers come and go as they like: after ten quiet seconds every part has an owner, for a moment two where a
        /// new one has just got to know everybody, and in the end one; and one loss at a time leaves no part without
        /// somebody who knows everybody.
        #[test]
        fn every_part_has_one_owner(steps in prop::collection::vec((0_u8..3, 2_000_i64..50_000), 1..25)) {
            let mut workers = Workers::new(2);
            workers.pass(60_000);
            for (step, quiet) in steps {
                let settled = (0..PARTITIONS).all(|part| workers.warm(part) >= 2);
                match step {
                    0 => workers.add(),
                    1 if workers.alive.len() > 2 && settled => { workers.alive.remove(workers.next as usize % 2); }
                    _ => {}
                }
                workers.pass(quiet);
                prop_assert!((0..PARTITIONS).all(|part| workers.warm(part) >= 1));
                if quiet >= 10_000 {
                    prop_assert!((0..PARTITIONS).all(|part| (1..=2).contains(&workers.owners(part))));
                }
            }
            workers.pass(2 * LEASE_MS);
            for part in 0..PARTITIONS {
                prop_assert_eq!(workers.owners(part), 1, "part {}", part);
            }
        }
    }
}
