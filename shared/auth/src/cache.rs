//! Verified tokens by digest, bounded: two generations, the older of which is dropped when the younger is full.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::access::Access;

type Digest = [u8; 32];

/// Holds between `capacity / 2` and `capacity` of the most recently used tokens. Costs O(1) at every size.
pub(crate) struct Cache {
    per_generation: usize,
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Digest, Access>,
    old: HashMap<Digest, Access>,
}

impl Cache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { per_generation: (capacity / 2).max(1), generations: Mutex::default() }
    }

    pub(crate) fn get(&self, digest: &Digest) -> Option<Access> {
        let generations = self.generations.lock();
        generations.young.get(digest).or_else(|| generations.old.get(digest)).copied()
    }

    /// Remembers a token, or that it was just used.
    pub(crate) fn put(&self, digest: Digest, access: Access) {
        let mut generations = self.generations.lock();
        if generations.young.contains_key(&digest) {
            return;
        }
        if generations.young.len() >= self.per_generation {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(digest, access);
    }
}

#[cfg(test)]
mod tests {
    use chat_protocol::{SessionId, Timestamp, UserId, id::TokenId};

    use super::*;

    fn access(user: u128) -> Access {
        Access {
            user: UserId::from_u128(user),
            session: SessionId::from_u128(1),
            token: TokenId::from_u128(user),
            issued_at: Timestamp::EPOCH,
            expires_at: Timestamp::MAX,
        }
    }

    #[test]
    fn keeps_what_is_used_and_never_grows_beyond_its_bound() {
        let cache = Cache::new(8);
        for n in 0..100_u8 {
            cache.put([n; 32], access(n.into()));
            cache.put([0; 32], access(0));
            let generations = cache.generations.lock();
            assert!(generations.young.len() + generations.old.len() <= 8);
        }
        assert_eq!(cache.get(&[0; 32]), Some(access(0)));
        assert_eq!(cache.get(&[99; 32]), Some(access(99)));
        assert_eq!(cache.get(&[50; 32]), None);
    }
}
