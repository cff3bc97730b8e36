//! What the writer remembers to append without reading: recent nonces and recent heads. Both bounded.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use chat_protocol::{ConversationId, Seq};
use tokio::time::Instant;

/// Nonces of the dedupe window and the positions they got.
pub(super) struct Nonces {
    window: Duration,
    most: usize,
    places: HashMap<u128, Seq>,
    order: VecDeque<(Instant, u128)>,
}

impl Nonces {
    pub(super) fn new(window: Duration, most: usize) -> Self {
        Self { window, most, places: HashMap::new(), order: VecDeque::new() }
    }

    /// Whether `more` further ones fit.
    pub(super) fn has_room_for(&self, more: usize) -> bool {
        self.places.len() + more <= self.most
    }

    pub(super) fn get(&self, nonce: u128) -> Option<Seq> {
        self.places.get(&nonce).copied()
    }

    pub(super) fn remember(&mut self, nonce: u128, seq: Seq, now: Instant) {
        if self.places.insert(nonce, seq).is_none() {
            self.order.push_back((now, nonce));
        }
    }

    /// Forgets what is older than the window. Takes the monotonic clock: a step of the wall clock must not end a window.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((since, nonce)) = self.order.front()
            && now.duration_since(*since) > self.window
        {
            self.places.remove(nonce);
            self.order.pop_front();
        }
    }
}

/// Heads of the conversations that were used last: two generations, the older one dropped when the younger is full.
pub(super) struct Heads {
    most: usize,
    young: HashMap<ConversationId, Option<Seq>>,
    old: HashMap<ConversationId, Option<Seq>>,
}

impl Heads {
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.div_ceil(2), young: HashMap::new(), old: HashMap::new() }
    }

    /// `None`: not known here; `Some(None)`: the log holds nothing of it.
    pub(super) fn get(&mut self, of: ConversationId) -> Option<Option<Seq>> {
        if let Some(head) = self.young.get(&of) {
            return Some(*head);
        }
        let head = self.old.remove(&of)?;
        self.set(of, head);
        Some(head)
    }

    pub(super) fn set(&mut self, of: ConversationId, head: Option<Seq>) {
        if self.young.len() >= self.most {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(of, head);
    }

    /// The log no longer holds this event.
    pub(super) fn dropped(&mut self, of: ConversationId, seq: Seq) {
        for heads in [&mut self.young, &mut self.old] {
            if let Some(head) = heads.get_mut(&of)
                && *head == Some(seq)
            {
                *head = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_known_exactly_as_long_as_the_window() {
        let mut nonces = Nonces::new(Duration::from_secs(120), 2);
        let start = Instant::now();
        nonces.remember(1, Seq::ZERO.next(), start);
        nonces.expire(start + Duration::from_secs(120));
        assert_eq!(nonces.get(1), Some(Seq::ZERO.next()));
        assert!(nonces.has_room_for(1) && !nonces.has_room_for(2));
        nonces.expire(start + Duration::from_secs(121));
        assert_eq!(nonces.get(1), None);
        assert!(nonces.has_room_for(2));
    }

    #[test]
    fn heads_stay_bounded_and_keep_what_is_used() {
        let mut heads = Heads::new(8);
        let of = |n: u128| ConversationId::from_u128(n);
        for n in 0..1_000 {
            heads.set(of(n), Seq::new(n as u64));
            assert_eq!(heads.get(of(0)), Some(Some(Seq::ZERO)), "used all the time, so never dropped");
            assert!(heads.young.len() + heads.old.len() <= 8);
        }
        assert_eq!(heads.get(of(1)), None);
    }
}
