//! Which workers there are and what they answer for, as far as this gateway hears. Pure.

use std::{collections::HashMap, time::Duration};

use chat_protocol::{
    NodeId,
    presence::{News, PARTITIONS, Partitions},
};
use tokio::time::Instant;

/// A worker that was not heard for so long is not waited for.
const LOST: Duration = Duration::from_secs(10);

/// Everybody who was heard lately.
#[derive(Debug, Default)]
pub struct Workers {
    known: HashMap<NodeId, Known>,
    /// Who last said that they know everybody of a part.
    claims: HashMap<u8, NodeId>,
    /// Parts of which something may have been missed.
    doubtful: Partitions,
}

#[derive(Debug)]
struct Known {
    heard: Instant,
    seq: u64,
    owned: Partitions,
}

impl Workers {
    /// A worker was heard; whether something may have been missed: a message of its changes, or those of another that
    /// answered for a part until now.
    pub fn on_news(&mut self, news: &News, now: Instant) -> bool {
        self.known.retain(|_, known| now.duration_since(known.heard) < LOST);
        if news.leaving {
            self.known.remove(&news.worker);
            return false;
        }
        let answers = news.owned.common(news.warm);
        let known = Known { heard: now, seq: news.seq, owned: news.owned };
        let before = self.known.insert(news.worker, known).map(|known| known.seq);
        let moved = (0..PARTITIONS).filter(|part| answers.contains(*part));
        let moved = Partitions::of(moved.filter(|part| self.claims.insert(*part, news.worker) != Some(news.worker)));
        let expected = |seq: u64| seq + u64::from(!news.changes.is_empty());
        let missed = before.is_some_and(|seq| expected(seq) != news.seq);
        self.doubtful = self.doubtful.and(moved).and(if missed { answers } else { Partitions::NONE });
        !self.doubtful.is_empty()
    }

    /// Parts to ask about anew; from now on they are in no doubt.
    pub fn take_doubtful(&mut self) -> Partitions {
        std::mem::take(&mut self.doubtful)
    }

    /// The questions came to nothing.
    pub fn doubt(&mut self, parts: Partitions) {
        self.doubtful = self.doubtful.and(parts);
    }

    /// How many will answer a question about these parts.
    pub fn answering(&self, parts: Partitions, now: Instant) -> usize {
        let alive = self.known.values().filter(|known| now.duration_since(known.heard) < LOST);
        alive.filter(|known| !known.owned.common(parts).is_empty()).count()
    }
}

#[cfg(test)]
mod tests {
    use chat_protocol::{
        UserId,
        model::{Presence, PresenceState},
    };

    use super::*;

    const A: NodeId = NodeId::from_u128(1);
    const B: NodeId = NodeId::from_u128(2);

    fn news(worker: NodeId, seq: u64, parts: Partitions, changes: usize) -> News {
        let user = UserId::from_u128(1);
        let change = Presence { user, state: PresenceState::Online, text: None, last_seen: None };
        News { worker, seq, owned: parts, warm: parts, changes: vec![change; changes], leaving: false }
    }

    #[test]
    fn what_may_have_been_missed_is_asked_for() {
        let now = Instant::now();
        let mut workers = Workers::default();
        let (low, high) = (Partitions::of(0..32), Partitions::of(32..64));
        assert!(workers.on_news(&news(A, 7, low, 0), now), "who answers now was another one before");
        assert_eq!(workers.take_doubtful(), low);
        assert!(!workers.on_news(&news(A, 8, low, 1), now));
        assert!(!workers.on_news(&news(A, 8, low, 0), now));
        assert!(workers.on_news(&news(A, 10, low, 1), now), "9 was lost");
        assert_eq!(workers.take_doubtful(), low);
        assert!(workers.on_news(&news(A, 11, low, 0), now), "11 was lost, as a sign of life shows");
        workers.take_doubtful();
        workers.on_news(&news(B, 0, high, 0), now);
        workers.take_doubtful();
        assert!(workers.on_news(&news(B, 0, Partitions::ALL, 0), now));
        assert_eq!(workers.take_doubtful(), low, "only what moved");
    }

    #[test]
    fn only_who_lives_and_answers_is_waited_for() {
        let now = Instant::now();
        let mut workers = Workers::default();
        workers.on_news(&news(A, 0, Partitions::of([1]), 0), now);
        workers.on_news(&news(B, 0, Partitions::of([2]), 0), now + Duration::from_secs(8));
        assert_eq!(workers.answering(Partitions::of([1, 2]), now + Duration::from_secs(8)), 2);
        assert_eq!(workers.answering(Partitions::of([1, 2]), now + Duration::from_secs(11)), 1);
        assert_eq!(workers.answering(Partitions::of([3]), now), 0);
        workers.on_news(&News { leaving: true, ..news(B, 0, Partitions::of([2]), 0) }, now);
        assert_eq!(workers.answering(Partitions::of([2]), now), 0);
    }
}
