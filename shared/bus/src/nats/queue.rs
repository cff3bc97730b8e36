//! A bounded queue that never blocks whoever fills it: when it is full the newest item is dropped and the reader is
//! told. It holds nothing while nothing waits, because a node has one for each conversation somebody watches.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{Stream, task::AtomicWaker};
use parking_lot::Mutex;

use crate::Doubt;

/// Above this an emptied queue gives its memory back.
const KEEP: usize = 64;

/// The filling end; shared.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    reader: AtomicWaker,
    capacity: usize,
}

struct State<T> {
    items: VecDeque<T>,
    doubts: [bool; 3],
    closed: bool,
}

/// What a reader gets.
pub(super) enum Next<T> {
    Item(T),
    Doubt(Doubt),
}

const DOUBTS: [Doubt; 3] = [Doubt::Disconnect, Doubt::Overflow, Doubt::NewLeader];

impl<T> Queue<T> {
    pub(super) fn new(capacity: usize) -> Arc<Self> {
        let state = State { items: VecDeque::new(), doubts: [false; 3], closed: false };
        Arc::new(Self { state: Mutex::new(state), reader: AtomicWaker::new(), capacity })
    }

    /// Adds an item, or drops it; says whether this was the drop that filled the reader with doubt.
    pub(super) fn push(&self, item: T) -> bool {
        let mut state = self.state.lock();
        let newly_full = if state.items.len() < self.capacity {
            state.items.push_back(item);
            false
        } else {
            state.set_doubt(Doubt::Overflow)
        };
        drop(state);
        self.reader.wake();
        newly_full
    }

    /// Tells the reader, before anything that waits: equal doubts that wait together are told once.
    pub(super) fn doubt(&self, doubt: Doubt) {
        self.state.lock().set_doubt(doubt);
        self.reader.wake();
    }

    /// Ends the reader's stream after what waits.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.reader.wake();
    }

    fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<Next<T>>> {
        // Registered first, so that what comes between the look and the return wakes.
        self.reader.register(cx.waker());
        let mut state = self.state.lock();
        if let Some(doubt) = state.take_doubt() {
            return Poll::Ready(Some(Next::Doubt(doubt)));
        }
        match state.items.pop_front() {
            Some(item) => {
                if state.items.is_empty() && state.items.capacity() > KEEP {
                    state.items.shrink_to(KEEP);
                }
                Poll::Ready(Some(Next::Item(item)))
            }
            None if state.closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl<T> State<T> {
    fn set_doubt(&mut self, doubt: Doubt) -> bool {
        let flags = DOUBTS.iter().zip(self.doubts.iter_mut());
        flags.filter(|(kind, _)| **kind == doubt).any(|(_, flag)| !std::mem::replace(flag, true))
    }

    fn take_doubt(&mut self) -> Option<Doubt> {
        let mut flags = DOUBTS.iter().zip(self.doubts.iter_mut());
        flags.find_map(|(kind, flag)| std::mem::take(flag).then_some(*kind))
    }
}

/// The reading end; `leave` runs when it is dropped.
pub(super) struct Reader<T, L: FnMut()> {
    queue: Arc<Queue<T>>,
    leave: L,
}

impl<T, L: FnMut()> Reader<T, L> {
    pub(super) const fn new(queue: Arc<Queue<T>>, leave: L) -> Self {
        Self { queue, leave }
    }
}

impl<T, L: FnMut() + Unpin> Stream for Reader<T, L> {
    type Item = Next<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Next<T>>> {
        self.queue.poll_next(cx)
    }
}

impl<T, L: FnMut()> Drop for Reader<T, L> {
    fn drop(&mut self) {
        (self.leave)();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn a_full_queue_drops_the_newest_and_says_so_once() {
        let queue = Queue::new(2);
        let mut reader = Reader::new(queue.clone(), || {});
        let drops: Vec<bool> = (1..=5).map(|item| queue.push(item)).collect();
        assert_eq!(drops, [false, false, true, false, false]);

        assert!(matches!(reader.next().await, Some(Next::Doubt(Doubt::Overflow))));
        assert!(matches!(reader.next().await, Some(Next::Item(1))));
        assert!(matches!(reader.next().await, Some(Next::Item(2))));
        assert!(!queue.push(6));
        assert!(matches!(reader.next().await, Some(Next::Item(6))));
        queue.close();
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken_by_a_doubt() {
        let queue = Queue::<()>::new(1);
        let mut reader = Reader::new(queue.clone(), || {});
        let waiting = tokio::spawn(async move { reader.next().await });
        tokio::task::yield_now().await;
        queue.doubt(Doubt::NewLeader);
        assert!(matches!(waiting.await.unwrap(), Some(Next::Doubt(Doubt::NewLeader))));
    }
}
