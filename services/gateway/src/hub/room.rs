//! One conversation on this gateway: takes its events from the log, checks that none is missing, hands them to the
//! sockets that are up to date.

mod members; // the roster: loaded, kept, asked
mod memory; // what of its history is in memory

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use chat_bus::{Live, LiveStream, Log, Logged, Prev, Replay};
use chat_protocol::{
    ConversationId, Seq, Shard, SocketId, Timestamp, UserId,
    event::{Body, LeftReason},
    frame::{Resync, ResyncReason, ServerFrame},
};
use futures_util::StreamExt;
use indexmap::IndexMap;
use parking_lot::RwLock;
use tokio::sync::{Mutex, MutexGuard, Notify};

use super::{Hub, Inner, Roster, Tail};
use crate::{
    conn::{Conn, Notice},
    delivery::Delivery,
    fault::Fault,
    metrics,
};

/// Events taken from the subscription in one turn: each socket is written once for all of them.
const TURN_EVENTS: usize = 64;
/// Sockets written before other tasks get a turn.
const SLICE_SOCKETS: usize = 256;
/// Events asked of the log at once while a gap is repaired.
const REPAIR_EVENTS: usize = 500;
/// How long a repair tries before the sockets are told to resync.
const REPAIR_DEADLINE: Duration = Duration::from_secs(30);
const REPAIR_PAUSE: Duration = Duration::from_millis(100);
/// How long a read waits for what this gateway itself acknowledged.
const ACKED_DEADLINE: Duration = Duration::from_secs(2);
/// The log says what interest is known where only after a moment: heads are compared once more after it.
const SECOND_LOOK_MS: i64 = 1_000;

/// Shared by everybody who reads or follows the conversation here.
pub struct Room {
    /// Which.
    pub conversation: ConversationId,
    /// Its shard.
    pub shard: Shard,
    hub: Weak<Inner>,
    state: Mutex<State>,
    roster: RwLock<Option<Arc<Roster>>>,
    /// Held while the roster is loaded, so that one load serves all who wait.
    loading: Mutex<()>,
    /// A head the log is known to have; the room catches up to it.
    wanted: AtomicU64,
    /// The newest position this gateway acknowledged to a sender.
    acked: AtomicU64,
    poke: Notify,
    /// The head moved.
    moved: Notify,
    used_ms: AtomicI64,
    active_ms: AtomicI64,
    audit_ms: AtomicI64,
    closed: AtomicBool,
    /// The roster is being loaded to check the seats.
    verifying: AtomicBool,
}

/// What only one may change at a time, held over a whole fan-out so that a joining socket sees all of it or nothing.
pub(super) struct State {
    pub tail: Tail,
    /// The last event that was delivered: `tail.head()` unless an undecodable one came after it.
    delivered: Seq,
    pub seats: IndexMap<SocketId, Arc<Conn>>,
}

impl Room {
    /// Subscribes, reads the head after that, and starts to listen.
    pub(super) async fn open(hub: &Hub, conversation: ConversationId) -> Result<Arc<Self>, Fault> {
        let inner = &hub.inner;
        let live = inner.log.live(conversation).await?;
        let heads = inner.log.heads(&[conversation], true).await?;
        let head = heads.first().copied().flatten().unwrap_or(Seq::ZERO);
        let now = inner.clock.now();
        let room = Arc::new(Self {
            conversation,
            shard: inner.log.shard_of(conversation),
            hub: Arc::downgrade(inner),
            state: Mutex::new(State { tail: Tail::at(head), delivered: head, seats: IndexMap::new() }),
            roster: RwLock::new(None),
            loading: Mutex::new(()),
            wanted: AtomicU64::new(head.get()),
            acked: AtomicU64::new(0),
            poke: Notify::new(),
            moved: Notify::new(),
            used_ms: AtomicI64::new(now.as_ms()),
            active_ms: AtomicI64::new(now.as_ms()),
            audit_ms: AtomicI64::new(now.plus_ms(SECOND_LOOK_MS).as_ms()),
            closed: AtomicBool::new(false),
            verifying: AtomicBool::new(false),
        });
        tokio::spawn(run(Arc::clone(&room), Arc::clone(&inner.log), live));
        Ok(room)
    }

    /// Marks the room as used; `false` if it was given up already.
    pub(super) fn touch(&self, now: Timestamp) -> bool {
        self.used_ms.store(now.as_ms(), Ordering::Relaxed);
        !self.closed.load(Ordering::Acquire)
    }

    /// Gives the room up if nobody sits in it and nobody used it lately.
    pub(super) fn close_if_unused(&self, now: Timestamp, linger: Duration) -> bool {
        let Ok(state) = self.state.try_lock() else { return false };
        let linger_ms = i64::try_from(linger.as_millis()).unwrap_or(i64::MAX);
        let idle_ms = now.as_ms() - self.used_ms.load(Ordering::Relaxed);
        if !state.seats.is_empty() || idle_ms < linger_ms {
            return false;
        }
        self.close();
        true
    }

    /// Ends the room's task.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.poke.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) async fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().await
    }

    /// The last position this room knows of.
    pub async fn head(&self) -> Seq {
        self.lock().await.tail.head()
    }

    /// The log has this head: the room catches up if it lags.
    pub fn want(&self, head: Seq) {
        if self.wanted.fetch_max(head.get(), Ordering::AcqRel) < head.get() {
            self.poke.notify_one();
        }
    }

    /// Waits until the room has everything up to `head`.
    pub async fn reach(&self, head: Seq) {
        loop {
            let mut moved = std::pin::pin!(self.moved.notified());
            moved.as_mut().enable();
            if self.head().await >= head {
                return;
            }
            moved.await;
        }
    }

    /// When the head is to be compared next, given how busy the room is.
    pub(super) fn audited(&self, now: Timestamp, active: Duration, quiet: Duration) {
        let busy = now.as_ms() - self.active_ms.load(Ordering::Relaxed) < 60_000;
        let pause = if busy { active } else { quiet };
        let next = now.plus_ms(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
        self.audit_ms.store(next.as_ms(), Ordering::Relaxed);
    }

    /// Seats of sockets that ended while they were being brought up to date.
    pub(super) fn clear_dead_seats(&self) {
        if let Ok(mut state) = self.state.try_lock() {
            state.seats.retain(|_, conn| !conn.outbox.is_closing());
        }
    }

    /// The head could not be compared: at the next opportunity.
    pub(super) fn not_audited(&self) {
        self.audit_ms.store(0, Ordering::Relaxed);
    }

    /// The head, unless the room is at work.
    pub(super) fn try_head(&self) -> Option<Seq> {
        self.state.try_lock().ok().map(|state| state.tail.head())
    }

    pub(super) fn audit_is_due(&self, now: Timestamp) -> bool {
        self.audit_ms.load(Ordering::Relaxed) <= now.as_ms()
    }

    /// Events may have been missed: compare the head now.
    pub(super) fn doubt(&self) {
        self.audit_ms.store(0, Ordering::Relaxed);
        if let Some(hub) = self.hub.upgrade() {
            hub.doubt.notify_one();
        }
    }

    /// A socket that has everything up to the head takes its seat, unless it is known to be a stranger's.
    pub(super) fn take_seat(&self, state: &mut State, conn: &Arc<Conn>) -> Seat {
        if self.is_closed() {
            return Seat::Closed;
        }
        if self.is_stranger(conn.user) {
            return Seat::Stranger;
        }
        state.seats.insert(conn.socket, Arc::clone(conn));
        conn.sits(self.conversation, true);
        Seat::Taken
    }

    /// A socket follows no longer; whether it did.
    pub async fn unseat(&self, conn: &Conn) -> bool {
        let mut state = self.lock().await;
        conn.sits(self.conversation, false);
        state.seats.swap_remove(&conn.socket).is_some()
    }

    /// An append of this gateway was acknowledged: reads here wait for it.
    pub fn acknowledged(&self, seq: Seq) {
        self.acked.fetch_max(seq.get(), Ordering::AcqRel);
    }

    /// Everything this gateway acknowledged is in the room.
    pub async fn reach_acknowledged(&self) {
        let acked = Seq::new(self.acked.load(Ordering::Acquire)).unwrap_or(Seq::ZERO);
        if self.head().await < acked {
            self.want(acked);
            let _ = tokio::time::timeout(ACKED_DEADLINE, self.reach(acked)).await;
        }
    }

    /// The newest position of the conversation anywhere; the room is on its way there.
    pub async fn fresh_head(&self, hub: &Hub) -> Result<Seq, Fault> {
        let heads = hub.inner.log.heads(&[self.conversation], true).await?;
        let fresh = heads.first().copied().flatten().unwrap_or(Seq::ZERO);
        self.want(fresh);
        Ok(fresh)
    }

    pub(super) fn wanted_head(&self) -> Seq {
        Seq::new(self.wanted.load(Ordering::Acquire)).unwrap_or(Seq::ZERO)
    }

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
        self.forget_roster();
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

    /// Hands events that chain to every seat, each socket once.
    pub(super) async fn deliver(&self, state: &mut State, logged: Vec<Logged>) {
        let mut events = Vec::with_capacity(logged.len());
        for logged in &logged {
            match Delivery::new(self.conversation, self.shard, logged, state.delivered) {
                Ok(event) => {
                    let event = Arc::new(event);
                    state.delivered = event.seq();
                    state.tail.push(Arc::clone(&event));
                    events.push(event);
                }
                Err(err) => {
                    // The persister puts it in quarantine; everything behind it still arrives.
                    tracing::error!(conversation = %self.conversation, seq = %logged.seq, error = %err, "event skipped");
                    state.tail.skip_to(logged.seq);
                }
            }
        }
        self.wanted.fetch_max(state.tail.head().get(), Ordering::AcqRel);
        self.moved.notify_waiters();
        self.apply_control(&events);
        // Whoever an event sends away does not get the ones after it.
        for part in events.split_inclusive(|event| dismisses(event)) {
            self.fan_out(state, part).await;
            part.iter().for_each(|event| self.after_delivery(state, event));
        }
    }

    async fn fan_out(&self, state: &State, events: &[Arc<Delivery>]) {
        let started = tokio::time::Instant::now();
        let mut index = 0;
        while let Some((_, conn)) = state.seats.get_index(index) {
            conn.deliver(events);
            index += 1;
            if index.is_multiple_of(SLICE_SOCKETS) {
                tokio::task::yield_now().await;
            }
        }
        if index > 0 {
            metrics::delivered(events.len() * index, started.elapsed());
        } else {
            metrics::unwanted(events.len());
        }
    }

    /// What an event does to the sockets themselves.
    fn after_delivery(&self, state: &mut State, event: &Delivery) {
        match &event.frame.body {
            Body::MemberLeft(left) => self.dismiss(state, Some(left.user), left.reason),
            Body::ConversationDeleted(_) => self.dismiss(state, None, LeftReason::Deleted),
            Body::ConversationAdded(added) => {
                state.seats.values().for_each(|conn| conn.notice(Notice::Added(*added)));
            }
            Body::ConversationRemoved(removed) => {
                let notice = Notice::Removed(removed.conversation, removed.reason);
                state.seats.values().for_each(|conn| conn.notice(notice));
            }
            _ => {}
        }
    }

    /// Takes the seats of one user, or of all, and says so.
    fn dismiss(&self, state: &mut State, user: Option<UserId>, reason: LeftReason) {
        state.seats.retain(|_, conn| {
            let stays = user.is_some_and(|user| user != conn.user);
            if !stays {
                conn.sits(self.conversation, false);
                conn.left(self.conversation, reason);
                conn.notice(Notice::Removed(self.conversation, reason));
            }
            stays
        });
    }

    /// Up to where everything of this shard was delivered here.
    fn settled(&self) -> Seq {
        let hub = self.hub.upgrade();
        hub.and_then(|hub| hub.settled.lock().get(usize::from(self.shard.get())).copied()).unwrap_or(Seq::ZERO)
    }

    fn now(&self) -> Timestamp {
        self.hub.upgrade().map_or(Timestamp::EPOCH, |hub| hub.clock.now())
    }
}

/// Whether there is a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    /// There is.
    Taken,
    /// The user is no member.
    Stranger,
    /// The room was given up; another one takes its place.
    Closed,
}

fn dismisses(event: &Delivery) -> bool {
    matches!(event.frame.body, Body::MemberLeft(_) | Body::ConversationDeleted(_))
}

/// Listens for as long as the room is open.
async fn run(room: Arc<Room>, log: Arc<dyn Log>, live: LiveStream) {
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
}
