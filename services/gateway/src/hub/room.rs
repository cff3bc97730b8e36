//! One conversation on this gateway: takes its events from the log, checks that none is missing, hands them to the
//! sockets that are up to date.

mod listen; // its own task: the chain, gaps, repair

mod fan; // from the log to the sockets

mod members; // the roster: loaded, kept, asked

mod relations; // bans, and blocks between the two of a direct conversation

mod memory; // what of its history is in memory

mod pace; // slow mode: who sent when (pure)

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use chat_protocol::{ConversationId, Seq, Shard, SocketId, Timestamp};
use indexmap::IndexMap;
use parking_lot::RwLock;
use tokio::sync::{Mutex, MutexGuard, Notify};

use self::{pace::Pace, relations::Block};
use super::{Hub, Inner, Roster, Tail};
use crate::{conn::Conn, fault::Fault, history::PageCache};

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
    /// Held while a change is decided on and appended.
    changing: Mutex<()>,
    /// Held while the roster is loaded, so that one load serves all who wait.
    loading: Mutex<()>,
    /// In a direct conversation: whether one of the two blocks the other.
    block: parking_lot::Mutex<Block>,
    /// Who sent last, while slow mode is on and somebody it concerns has sent here.
    pace: parking_lot::Mutex<Option<Pace>>,
    /// Held while what the pace does not know is read, so that one read serves all who wait.
    pacing: Mutex<()>,
    /// A head the log is known to have; the room catches up to it.
    wanted: AtomicU64,
    /// The newest position this gateway acknowledged to a sender.
    acked: AtomicU64,
    /// The head, for whoever does not want to wait for a fan-out to end.
    reached: AtomicU64,
    /// The newest messages as they are now, where somebody reads them.
    pages: RwLock<Option<PageCache>>,
    /// Somebody did since that was looked at last.
    pages_read: AtomicBool,
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
            changing: Mutex::default(),
            loading: Mutex::new(()),
            block: parking_lot::Mutex::default(),
            pace: parking_lot::Mutex::default(),
            pacing: Mutex::default(),
            wanted: AtomicU64::new(head.get()),
            acked: AtomicU64::new(0),
            reached: AtomicU64::new(head.get()),
            pages: RwLock::new(None),
            pages_read: AtomicBool::new(false),
            poke: Notify::new(),
            moved: Notify::new(),
            used_ms: AtomicI64::new(now.as_ms()),
            active_ms: AtomicI64::new(now.as_ms()),
            audit_ms: AtomicI64::new(now.plus_ms(SECOND_LOOK_MS).as_ms()),
            closed: AtomicBool::new(false),
            verifying: AtomicBool::new(false),
        });
        tokio::spawn(listen::run(Arc::clone(&room), Arc::clone(&inner.log), live));
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

    /// Held by whoever decides on the roster and appends what was decided.
    pub async fn one_change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().await
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
        let acked = self.acked.load(Ordering::Acquire);
        if self.reached.load(Ordering::Acquire) < acked {
            let acked = Seq::new(acked).unwrap_or(Seq::ZERO);
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
