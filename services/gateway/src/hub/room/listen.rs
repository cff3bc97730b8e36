//! A room's own task: takes what the log says, checks the chain, repairs what is missing.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chat_bus::{Live, LiveStream, Log, Prev, Replay};
use chat_protocol::{
    Seq,
    frame::{Resync, ResyncReason, ServerFrame},
};
use futures_util::StreamExt;

use super::{Room, State, Tail};
use crate::metrics;

/// Events taken from the subscription in one turn: each socket is written once for all of them.
const TURN_EVENTS: usize = 64;
/// Events asked of the log at once while a gap is repaired.
const REPAIR_EVENTS: usize = 500;
/// How long a repair tries before the sockets are told to resync.
const REPAIR_DEADLINE: Duration = Duration::from_secs(30);
const REPAIR_PAUSE: Duration = Duration::from_millis(100);

/// Listens for as long as the room is open.
pub(super) async fn run(room: Arc<Room>, log: Arc<dyn Log>, live: LiveStream) {
    let mut turns = live.ready_chunks(TURN_EVENTS);
    while !room.is_closed() {
        tokio::select! {
            turn = turns.next() => match turn {
                Some(items) => room.on_turn(items, &*log).await,
                None => turns = room.subscribe_again(&*log).await.ready_chunks(TURN_EVENTS),
            },
            () = room.poke.notified() => room.on_poke(&*log).await,
        }
    }
}

impl Room {
    async fn on_turn(self: &Arc<Self>, items: Vec<Live>, log: &dyn Log) {
        let now = self.now();
        self.active_ms.store(now.as_ms(), Ordering::Relaxed);
        let mut state = self.lock().await;
        let mut ready = Vec::with_capacity(items.len());
        let mut head = state.tail.head();
        let repairs = self.hub.upgrade().is_none_or(|hub| hub.options.gap_repair);
        for item in items {
            let logged = match item {
                Live::Event(logged) if logged.seq > head => logged,
                Live::Event(_) => continue,
                Live::Doubtful(_) => {
                    self.doubt();
                    continue;
                }
            };
            let chained = match logged.prev {
                Prev::Known(prev) => prev == head,
                // Nothing of it is left in the log; that is the beginning only if nothing was seen here either.
                Prev::AskTheLog => head == Seq::ZERO,
            };
            if chained || !repairs {
                head = logged.seq;
                ready.push(logged);
            } else {
                self.deliver(&mut state, std::mem::take(&mut ready)).await;
                metrics::gap("live");
                self.catch_up(&mut state, log, logged.seq).await;
                head = state.tail.head();
            }
        }
        self.deliver(&mut state, ready).await;
    }

    /// The log ended the subscription: what it missed is compared once there is a new one.
    async fn subscribe_again(&self, log: &dyn Log) -> LiveStream {
        loop {
            match log.live(self.conversation).await {
                Ok(live) => {
                    self.doubt();
                    return live;
                }
                Err(err) => {
                    tracing::warn!(conversation = %self.conversation, error = %err, "subscription ended");
                    tokio::time::sleep(REPAIR_PAUSE).await;
                    if self.is_closed() {
                        return futures_util::stream::pending().boxed();
                    }
                }
            }
        }
    }

    async fn on_poke(self: &Arc<Self>, log: &dyn Log) {
        let wanted = self.wanted_head();
        let mut state = self.lock().await;
        if state.tail.head() < wanted {
            metrics::gap("audit");
            self.catch_up(&mut state, log, wanted).await;
        }
    }

    /// Reads from the log until the room has everything up to `until`, or tells the sockets that it cannot.
    async fn catch_up(self: &Arc<Self>, state: &mut State, log: &dyn Log, until: Seq) {
        let started = tokio::time::Instant::now();
        let mut from = state.tail.head();
        while state.tail.head() < until {
            from = from.max(state.tail.head());
            match log.replay(self.conversation, from, REPAIR_EVENTS).await {
                Ok(Replay::Recovered(events) | Replay::More(events)) if !events.is_empty() => {
                    self.deliver(state, events).await;
                }
                // After a long silence the log no longer reaches back to the head, but nothing lies between.
                Ok(Replay::TooOld { first, .. }) if from < self.settled() && self.settled().next() >= first => {
                    from = self.settled();
                }
                Ok(Replay::TooOld { head, .. } | Replay::Ahead { head }) => {
                    return self.give_up(state, head.max(until)).await;
                }
                // A replica that lags, or a log that is away.
                Ok(Replay::Recovered(_) | Replay::More(_)) | Err(_) if started.elapsed() < REPAIR_DEADLINE => {
                    tokio::time::sleep(REPAIR_PAUSE).await;
                }
                Ok(Replay::Recovered(_) | Replay::More(_)) | Err(_) => {
                    return self.give_up(state, until).await;
                }
            }
        }
        metrics::repaired("repaired", started.elapsed());
    }

    /// The gap stays: every socket is told to read the conversation by REST, and events chain from `head` on.
    async fn give_up(self: &Arc<Self>, state: &mut State, head: Seq) {
        let from = state.delivered;
        state.tail = Tail::at(head);
        state.delivered = head;
        self.forget_pages(state);
        self.forget_roster();
        self.forget_pace();
        metrics::repaired("resync", Duration::ZERO);
        let reason = ResyncReason::Unrepairable;
        let frame =
            ServerFrame::Resync(Resync { reference: None, conversation: self.conversation, from, head, reason });
        for conn in state.seats.values() {
            conn.unproven(self.shard);
            conn.send(&frame);
        }
        self.moved.notify_waiters();
        // Who left inside the gap is found by the roster that is read anew.
        self.verify_seats();
    }

    /// Up to where everything of this shard was delivered here.
    fn settled(&self) -> Seq {
        let hub = self.hub.upgrade();
        hub.and_then(|hub| hub.settled.lock().get(usize::from(self.shard.get())).copied()).unwrap_or(Seq::ZERO)
    }
}
