//! One to many, in process: bounded per subscriber, never waiting for one.

use std::{
    collections::HashMap,
    hash::Hash,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::Stream;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::metrics;

/// Subscribers by key.
pub(super) struct Fan<K, T> {
    /// Items one subscriber may be behind.
    capacity: usize,
    /// What a subscriber hears in place of what it missed; `None`: nothing.
    overflow: Option<T>,
    ears: Mutex<Ears<K, T>>,
}

struct Ears<K, T> {
    by_key: HashMap<K, Vec<Ear<T>>>,
    next_id: u64,
}

struct Ear<T> {
    id: u64,
    sender: mpsc::Sender<T>,
    missed: Arc<AtomicBool>,
}

impl<K: Clone + Eq + Hash, T: Clone> Fan<K, T> {
    pub(super) fn new(capacity: usize, overflow: Option<T>) -> Arc<Self> {
        let ears = Mutex::new(Ears { by_key: HashMap::new(), next_id: 0 });
        Arc::new(Self { capacity: capacity.max(1), overflow, ears })
    }

    /// Everything said to `key` from now on; dropping it leaves.
    pub(super) fn subscribe(self: &Arc<Self>, key: K) -> Subscription<K, T> {
        let (sender, receiver) = mpsc::channel(self.capacity);
        let missed = Arc::new(AtomicBool::new(false));
        let mut ears = self.ears.lock();
        let id = ears.next_id;
        ears.next_id += 1;
        ears.by_key.entry(key.clone()).or_default().push(Ear { id, sender, missed: missed.clone() });
        Subscription { fan: self.clone(), key, id, receiver, missed, untold: 0 }
    }

    /// Says `item` to those who listen to `key`.
    pub(super) fn publish(&self, key: &K, item: &T) {
        if let Some(ears) = self.ears.lock().by_key.get(key) {
            ears.iter().for_each(|ear| ear.hear(item));
        }
    }

    /// Says `item` to all.
    pub(super) fn publish_to_all(&self, item: &T) {
        self.ears.lock().by_key.values().flatten().for_each(|ear| ear.hear(item));
    }

    /// Ends every subscription, after what is already on its way.
    pub(super) fn close(&self) {
        self.ears.lock().by_key.clear();
    }

    #[cfg(test)]
    fn keys(&self) -> usize {
        self.ears.lock().by_key.len()
    }
}

impl<T: Clone> Ear<T> {
    fn hear(&self, item: &T) {
        if self.sender.try_send(item.clone()).is_err() && !self.missed.swap(true, Ordering::AcqRel) {
            ::metrics::counter!(metrics::SLOW_CONSUMER).increment(1);
        }
    }
}

/// One subscriber's end.
pub(super) struct Subscription<K: Eq + Hash, T> {
    fan: Arc<Fan<K, T>>,
    key: K,
    id: u64,
    receiver: mpsc::Receiver<T>,
    missed: Arc<AtomicBool>,
    /// Items that were waiting when the overflow was last told: it is told again only after them.
    untold: usize,
}

impl<K: Eq + Hash, T> Unpin for Subscription<K, T> {}

impl<K: Eq + Hash, T: Clone> Stream for Subscription<K, T> {
    type Item = T;

    /// An item is missed only while the queue is full, so a reader that gets to its end polls again after every miss.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if self.untold == 0
            && self.missed.swap(false, Ordering::AcqRel)
            && let Some(overflow) = &self.fan.overflow
        {
            let overflow = overflow.clone();
            self.untold = self.receiver.len();
            return Poll::Ready(Some(overflow));
        }
        self.untold = self.untold.saturating_sub(1);
        self.receiver.poll_recv(cx)
    }
}

impl<K: Eq + Hash, T> Drop for Subscription<K, T> {
    fn drop(&mut self) {
        let mut ears = self.fan.ears.lock();
        if let Some(of_key) = ears.by_key.get_mut(&self.key) {
            of_key.retain(|ear| ear.id != self.id);
            if of_key.is_empty() {
                ears.by_key.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn a_slow_subscriber_is_told_and_does_not_hold_up_the_others() {
        let fan = Fan::new(2, Some(-1));
        let (mut slow, mut quick) = (fan.subscribe("room"), fan.subscribe("room"));
        let mut heard = Vec::new();
        for item in 0..5 {
            fan.publish(&"room", &item);
            heard.push(quick.next().await.unwrap());
        }
        assert_eq!(heard, [0, 1, 2, 3, 4]);
        fan.close();
        assert_eq!(slow.by_ref().collect::<Vec<_>>().await, [-1, 0, 1]);
    }

    #[tokio::test]
    async fn a_subscriber_that_misses_more_while_it_is_told_still_gets_on() {
        let fan = Fan::new(1, Some(-1));
        let mut slow = fan.subscribe("room");
        let mut heard = Vec::new();
        for item in 0..4 {
            fan.publish(&"room", &item);
            fan.publish(&"room", &item);
            heard.push(slow.next().await.unwrap());
        }
        assert_eq!(heard, [-1, 0, -1, 2]);
    }

    #[tokio::test]
    async fn leaving_leaves_nothing_behind() {
        let fan = Fan::<_, u8>::new(1, None);
        let first = fan.subscribe("room");
        let second = fan.subscribe("room");
        drop(first);
        assert_eq!(fan.keys(), 1);
        drop(second);
        assert_eq!(fan.keys(), 0);
    }
}
