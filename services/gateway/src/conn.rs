//! One socket as the rest of the gateway sees it: who it is, where to write, what it follows.

use std::collections::BTreeSet;
use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicUsize, Ordering},
};

use bytes::Bytes;
use chat_protocol::{
    ConversationId, ErrorCode, SessionId, Shard, SocketId, Timestamp, UserId,
    codec::Codec,
    event::{ConversationAdded, LeftReason},
    frame::{Left, ServerFrame, Want},
};
use parking_lot::Mutex;

use crate::{
    delivery::{self, Delivery},
    heartbeat::{Beat, Heartbeat},
    metrics,
    outbox::{Outbox, Pushed},
    ws,
};

/// News of the feed that wait for the socket's task; a client that is told more than this at once resumes instead.
const NOTICES: usize = 1_000;

/// A socket whose first frame was accepted.
pub struct Conn {
    /// This connection.
    pub socket: SocketId,
    /// Who.
    pub user: UserId,
    /// By which log-in.
    pub session: SessionId,
    /// Which device, as far as this gateway tells them apart: log-in and name.
    pub device: u64,
    /// How frames are written.
    pub codec: Codec,
    /// Where they go.
    pub outbox: Arc<Outbox>,
    /// When its access token was issued, as the revocation list counts (moved by `auth`).
    token_issued_ms: AtomicI64,
    /// When the session next wants to be told the time; nothing wakes it before.
    due_ms: AtomicI64,
    /// When its user last did something here; negative: when it came, and nothing was done yet.
    acted_ms: AtomicI64,
    /// Appends of this socket that are under way.
    sends: AtomicUsize,
    heartbeat: Mutex<Heartbeat>,
    notices: Mutex<Vec<Notice>>,
    /// Where it sits, kept by the rooms: what has to be given up when it ends.
    seats: Mutex<BTreeSet<ConversationId>>,
    /// The ephemeral frames it asked for.
    want: Box<[Want]>,
    /// What is on its screen.
    focus: Mutex<Vec<ConversationId>>,
    /// Shards of which something was not delivered but left to a `resync`: a resume token must not vouch for them.
    unproven: Mutex<BTreeSet<Shard>>,
}

/// What the feed's events ask the socket's task to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Follow it, from before the addition.
    Added(ConversationAdded),
    /// Follow it no longer.
    Removed(ConversationId, LeftReason),
    /// A room took the seat.
    Dismissed(ConversationId),
}

/// Who a socket belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub user: UserId,
    /// By which log-in.
    pub session: SessionId,
    /// On which device.
    pub device: u64,
    /// When the token was issued.
    pub token_issued_at: Timestamp,
    /// When it ends.
    pub token_expires_at: Timestamp,
}

impl Conn {
    /// A socket that was just accepted.
    pub fn new(
        socket: SocketId,
        identity: &Identity,
        now: Timestamp,
        codec: Codec,
        outbox: Arc<Outbox>,
        heartbeat: Heartbeat,
        want: &[Want],
    ) -> Self {
        Self {
            socket,
            user: identity.user,
            session: identity.session,
            device: identity.device,
            codec,
            outbox,
            token_issued_ms: AtomicI64::new(identity.token_issued_at.as_ms()),
            due_ms: AtomicI64::new(i64::MAX),
            acted_ms: AtomicI64::new(-now.as_ms()),
            sends: AtomicUsize::new(0),
            heartbeat: Mutex::new(heartbeat),
            notices: Mutex::default(),
            seats: Mutex::default(),
            want: want.into(),
            focus: Mutex::default(),
            unproven: Mutex::default(),
        }
    }

    /// Several events with one write. A socket that cannot take them is closed as slow.
    pub fn deliver(&self, events: &[Arc<Delivery>]) {
        // What this socket said itself is about to be acknowledged: its task, which does that, writes both at once.
        let own = self.sends.load(Ordering::Relaxed) > 0 && events.iter().any(|event| event.frame.by == self.user);
        let write = |frames: &[Bytes]| if own { self.outbox.hold(frames) } else { self.outbox.push(frames) };
        let pushed = match events {
            [one] => write(std::slice::from_ref(one.message(self.codec))),
            many => write(&many.iter().map(|event| event.message(self.codec).clone()).collect::<Vec<_>>()),
        };
        if pushed == Pushed::Held {
            self.outbox.poke();
        }
        if pushed == Pushed::Refused {
            self.close(ErrorCode::Slow, "outbox full");
        }
    }

    /// An append of this socket begins.
    pub fn begin_send(&self) {
        self.sends.fetch_add(1, Ordering::Relaxed);
    }

    /// It ended.
    pub fn end_send(&self) {
        self.sends.fetch_sub(1, Ordering::Relaxed);
    }

    /// A control frame.
    pub fn send(&self, frame: &ServerFrame) {
        if self.outbox.push(&[delivery::message(self.codec, frame)]) == Pushed::Refused {
            self.close(ErrorCode::Slow, "outbox full");
        }
    }

    /// A finished ephemeral frame: dropped by a socket that is behind, which neither closes it nor delays anything.
    /// Whether it was taken.
    pub fn show(&self, message: &Bytes, name: &'static str) -> bool {
        let taken = self.outbox.push_ephemeral(message) == Pushed::Taken;
        if taken {
            metrics::shown(name);
        } else {
            metrics::shed(name);
        }
        taken
    }

    /// Its user did something.
    pub fn act(&self, now: Timestamp) {
        self.acted_ms.store(now.as_ms(), Ordering::Relaxed);
    }

    /// Whether its user did anything here.
    pub fn has_acted(&self) -> bool {
        self.acted_ms.load(Ordering::Relaxed) >= 0
    }

    /// Since when its user has done nothing here.
    pub fn idle_since(&self) -> Timestamp {
        Timestamp::from_ms(self.acted_ms.load(Ordering::Relaxed).saturating_abs())
    }

    /// Whether it asked for such frames.
    pub fn wants(&self, want: Want) -> bool {
        self.want.contains(&want)
    }

    /// What is on its screen from now on; answers what was.
    pub fn set_focus(&self, conversations: Vec<ConversationId>) -> Vec<ConversationId> {
        std::mem::replace(&mut self.focus.lock(), conversations)
    }

    /// The last frame of a conversation.
    pub fn left(&self, conversation: ConversationId, reason: LeftReason) {
        self.send(&ServerFrame::Left(Left { conversation, reason }));
    }

    /// Closes for a reason that has a close code; once.
    pub fn close(&self, code: ErrorCode, reason: &str) {
        let number = code.close().unwrap_or(4000);
        if !self.outbox.is_closing() {
            metrics::closed(number, code);
            self.outbox.close(ws::close(number, reason));
        }
    }

    /// Leaves work for the socket's task.
    pub fn notice(&self, notice: Notice) {
        let mut notices = self.notices.lock();
        if notices.len() >= NOTICES {
            drop(notices);
            return self.close(ErrorCode::Slow, "too many changes at once");
        }
        notices.push(notice);
        drop(notices);
        self.outbox.poke();
    }

    /// The work left for the socket's task.
    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.notices.lock())
    }

    /// A room gave it a seat, or took it.
    pub fn sits(&self, conversation: ConversationId, seated: bool) {
        let mut seats = self.seats.lock();
        if seated {
            seats.insert(conversation)
        } else {
            seats.remove(&conversation)
        };
    }

    /// Whether it sits there.
    pub fn is_seated(&self, conversation: ConversationId) -> bool {
        self.seats.lock().contains(&conversation)
    }

    /// Where it sits.
    pub fn seats(&self) -> Vec<ConversationId> {
        self.seats.lock().iter().copied().collect()
    }

    /// Something of this shard was left to a `resync`.
    pub fn unproven(&self, shard: Shard) {
        self.unproven.lock().insert(shard);
    }

    /// Whether everything of this shard was delivered.
    pub fn is_proven(&self, shard: Shard) -> bool {
        !self.unproven.lock().contains(&shard)
    }

    /// When the access token was issued.
    pub fn token_issued_at(&self) -> Timestamp {
        Timestamp::from_ms(self.token_issued_ms.load(Ordering::Relaxed))
    }

    /// A newer access token was accepted.
    pub fn renew(&self, token_issued_at: Timestamp) {
        self.token_issued_ms.store(token_issued_at.as_ms(), Ordering::Relaxed);
    }

    /// Wakes the socket's task at that time, at the sweeper's precision of a second.
    pub fn wake_at(&self, at: Timestamp) {
        self.due_ms.store(at.as_ms(), Ordering::Relaxed);
    }

    /// Whether the time asked for has come.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due_ms.load(Ordering::Relaxed) <= now.as_ms()
    }

    /// The other side answered.
    pub fn on_pong(&self) {
        self.heartbeat.lock().on_pong();
    }

    /// Pings when due; closes when the pong did not come. Called by the sweeper about once a second.
    pub fn beat(&self, now: Timestamp) {
        let beat = self.heartbeat.lock().on_tick(now);
        match beat {
            Beat::Nothing => {}
            Beat::Ping => {
                if self.outbox.push(&[ws::ping()]) == Pushed::Refused {
                    self.close(ErrorCode::Slow, "outbox full");
                }
            }
            Beat::Lost => self.close(ErrorCode::NoPong, "no pong"),
        }
    }
}

/// What tells a user's devices apart: log-in and name, by FNV-1a. It leaves the process in leases, so it is the same in
/// every build. Whoever makes two names meet has made one device of two of their own.
pub fn device_key(session: SessionId, name: &str) -> u64 {
    let bytes = session.as_u128().to_be_bytes().into_iter().chain(name.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |key, byte| (key ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_the_same_key_in_every_build() {
        let session = SessionId::from_u128(7);
        assert_eq!(device_key(session, "pixel-9"), PINNED);
        assert_ne!(device_key(session, "pixel-8"), PINNED);
        assert_ne!(device_key(SessionId::from_u128(8), "pixel-9"), PINNED);
    }

    const PINNED: u64 = 0xa261_e73d_7dd2_6b32;
}
