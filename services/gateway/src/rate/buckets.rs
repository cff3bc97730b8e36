//! Many buckets of one quota, by key; bounded, and nothing is kept of who is idle.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
};

use chat_protocol::Timestamp;
use parking_lot::Mutex;

use super::quota::Quota;
use crate::bucket::Bucket;

/// Locks; two callers seldom meet at one.
const SHARDS: usize = 16;
/// Keys of one shard. Beyond it whoever was idle long enough is forgotten, which changes nothing, then anybody.
const KEYS: usize = 4_096;
/// Between two looks through a shard that is full: everybody in it was busy a moment ago.
const LOOK_MS: i64 = 1_000;

/// Tokens were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// They were there, or are in so many milliseconds.
    pub outcome: Result<(), u64>,
    /// Those that are left.
    pub left: u32,
    /// Milliseconds until the bucket is full again.
    pub full_in_ms: u64,
}

/// Buckets by key.
pub struct Buckets<K> {
    quota: Quota,
    hasher: RandomState,
    shards: Vec<Mutex<Shard<K>>>,
}

struct Shard<K> {
    buckets: HashMap<K, Bucket>,
    looked_ms: i64,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// All full.
    pub fn new(quota: Quota) -> Self {
        let shard = || Mutex::new(Shard { buckets: HashMap::new(), looked_ms: i64::MIN / 2 });
        Self { quota, hasher: RandomState::new(), shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    /// Of each.
    pub const fn quota(&self) -> &Quota {
        &self.quota
    }

    /// Takes so many tokens of a key's bucket, or none.
    pub fn take(&self, key: K, tokens: u32, now: Timestamp) -> Taken {
        let place = usize::try_from(self.hasher.hash_one(&key) % SHARDS as u64).unwrap_or(0);
        let Some(shard) = self.shards.get(place) else {
            return Taken { outcome: Ok(()), left: self.quota.burst(), full_in_ms: 0 };
        };
        let mut shard = shard.lock();
        if !shard.buckets.contains_key(&key) {
            shard.make_room(now);
        }
        let bucket = shard.buckets.entry(key).or_insert_with(|| self.quota.bucket(now));
        let outcome = bucket.take_many(tokens, now);
        Taken { outcome, left: bucket.left(), full_in_ms: bucket.full_in_ms() }
    }

    /// Forgets whoever was idle long enough that it changes nothing.
    pub fn expire(&self, now: Timestamp) {
        self.shards.iter().for_each(|shard| shard.lock().expire(now));
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().buckets.len()).sum()
    }
}

impl<K: Hash + Eq + Clone> Shard<K> {
    fn make_room(&mut self, now: Timestamp) {
        if self.buckets.len() < KEYS {
            return;
        }
        if now.as_ms() - self.looked_ms >= LOOK_MS {
            self.expire(now);
        }
        if self.buckets.len() >= KEYS
            && let Some(any) = self.buckets.keys().next().cloned()
        {
            self.buckets.remove(&any);
        }
    }

    fn expire(&mut self, now: Timestamp) {
        self.looked_ms = now.as_ms();
        self.buckets.retain(|_, bucket| !bucket.is_full(now));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    #[test]
    fn keys_do_not_share_and_idle_ones_are_forgotten() {
        let buckets = Buckets::new("2/1s".parse().unwrap());
        assert_eq!(buckets.take(1, 1, at(0)), Taken { outcome: Ok(()), left: 1, full_in_ms: 500 });
        assert_eq!(buckets.take(1, 1, at(0)), Taken { outcome: Ok(()), left: 0, full_in_ms: 1_000 });
        assert_eq!(buckets.take(1, 1, at(0)).outcome, Err(500));
        assert_eq!(buckets.take(2, 1, at(0)).outcome, Ok(()));
        buckets.expire(at(999));
        assert_eq!(buckets.len(), 1, "2 is full again");
        buckets.expire(at(1_000));
        assert_eq!(buckets.len(), 0);
    }

    #[test]
    fn a_flood_of_keys_fills_no_memory() {
        let buckets = Buckets::new("1/1h".parse().unwrap());
        for key in 0..SHARDS * KEYS * 2 {
            buckets.take(key, 1, at(0));
        }
        assert!(buckets.len() <= SHARDS * KEYS);
    }

    proptest! {
        /// Whatever the times and however often idle buckets are forgotten: in no window are more allowed than what is
        /// regained in it and one burst; and who waits as told is allowed.
        #[test]
        fn never_more_than_the_quota(rate in 1_u32..20, burst in 1_u32..20, waits in prop::collection::vec((0_i64..400, any::<bool>()), 1..200)) {
            let buckets = Buckets::new(format!("{rate}/1s:{burst}").parse().unwrap());
            let (mut now, mut allowed) = (0, Vec::new());
            for (wait, expires) in waits {
                now += wait;
                if expires { buckets.expire(at(now)); }
                match buckets.take((), 1, at(now)).outcome {
                    Ok(()) => allowed.push(now),
                    Err(wait_ms) => {
                        now += i64::try_from(wait_ms).unwrap();
                        prop_assert!(wait_ms > 0 && buckets.take((), 1, at(now)).outcome.is_ok());
                        allowed.push(now);
                    }
                }
            }
            for (first, from) in allowed.iter().enumerate() {
                for (last, to) in allowed.iter().enumerate().skip(first) {
                    let most = i64::from(burst) * 1_000 + (to - from) * i64::from(rate);
                    prop_assert!((last - first + 1) as i64 * 1_000 <= most);
                }
            }
        }
    }
}
