//! From a cursor to a seat: subscribe first, replay what is missing, join at the room's position. The same way for a
//! new socket, a resume, a `follow` and a conversation that was just joined.

mod proof; // what a client proves to have, and how much may be replayed

use std::{collections::HashSet, sync::Arc, time::Duration};

use chat_bus::{Logged, Replay};
use chat_protocol::{
    ConversationId, ErrorCode, Seq,
    event::{Body, LeftReason},
    frame::{ResyncReason, ServerFrame},
    limits,
};
use tokio::time::timeout;

use super::{
    Hub, Room,
    room::{Seat, State},
};
use crate::{
    conn::{Conn, Notice},
    delivery::Delivery,
    fault::Fault,
    history::{blank, deletions},
    metrics,
};

pub use proof::{Budget, Proof};

/// Events read from the log at once.
const PAGE: usize = 100;
/// Bytes written between two looks at the outbox.
const CHUNK_BYTES: usize = 32 * 1024;
/// Replay waits while more than this waits for the socket: it is paced by the socket and never "slow".
const PACE_BYTES: usize = 64 * 1024;
/// A socket that takes nothing for this long while it is replayed to is given up.
const PACE_DEADLINE: Duration = Duration::from_secs(10);
/// Until a room that lags has caught up with another gateway's.
const REACH_DEADLINE: Duration = Duration::from_secs(10);

/// How it ended. Unless the user is no longer a member, the socket has its seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// Every event up to the head has been sent.
    Recovered(Seq),
    /// What lies between has not, and the `resync` that says so has: it goes before any live event.
    Resync,
    /// The user is no member; where that was an event, it was the last one sent.
    Left(LeftReason),
}

impl Hub {
    /// Gives `conn` a seat in a conversation, with everything after `after` sent before; `None` = from now on.
    ///
    /// The caller has authorised it, or trusts a resume token: the seat is checked against the roster, at once if it
    /// is known, else as soon as it is. After an error there is no seat.
    pub async fn follow(
        &self,
        conn: &Arc<Conn>,
        conversation: ConversationId,
        after: Option<Seq>,
        proof: &Proof,
        budget: &Budget,
    ) -> Result<Followed, Fault> {
        loop {
            let room = self.room(conversation).await?;
            let follow = Follow { hub: self, room: &room, conn, proof, budget };
            match follow.run(after).await {
                // It was given up before the seat was taken.
                Ok(None) => {}
                Ok(Some(followed)) => {
                    if !matches!(followed, Followed::Left(_)) {
                        room.verify_seat(conn);
                    }
                    return Ok(followed);
                }
                Err(fault) => {
                    room.unseat(conn).await;
                    return Err(fault);
                }
            }
        }
    }

    async fn stored_head(&self, conversation: ConversationId) -> Result<Option<Seq>, Fault> {
        Ok(self.inner.store.stored_heads(&[conversation]).await?.first().copied().flatten())
    }
}

/// One socket on its way to one seat.
struct Follow<'a> {
    hub: &'a Hub,
    room: &'a Arc<Room>,
    conn: &'a Arc<Conn>,
    proof: &'a Proof,
    budget: &'a Budget,
}

/// `None`: the room was given up meanwhile.
type Outcome = Result<Option<Followed>, Fault>;

impl Follow<'_> {
    async fn run(&self, after: Option<Seq>) -> Outcome {
        let settled = self.proof.settled.get(&self.room.shard).copied();
        let Some(start) = after.or(settled) else { return self.join_now().await };
        let from = after.unwrap_or(start);
        // The client's own chain: where the token proves more than the cursor says, nothing of it lies between.
        let (mut cursor, mut delivered) = (start, from);
        let mut left = limits::RESUME_EVENTS.min(self.budget.left());
        let (mut compared, mut clamped) = (false, false);
        loop {
            let mut missing = Vec::new();
            {
                let mut state = self.room.lock().await;
                let head = state.tail.head();
                let no_cursor = after.is_none() && head <= cursor;
                if cursor == head || no_cursor {
                    return Ok(self.seat(&mut state, Followed::Recovered(head)));
                }
                if cursor > head && head > Seq::ZERO && compared {
                    return Ok(self.join_behind(&mut state, from, head, ResyncReason::Ahead));
                }
                if cursor < head && state.tail.covers(cursor) {
                    missing = state.tail.after(cursor).cloned().collect();
                    let trusted = clamped || !self.is_old(missing.first().map(|event| event.seq()));
                    if missing.len() > left {
                        return Ok(self.join_behind(&mut state, from, head, ResyncReason::TooMany));
                    }
                    if trusted
                        && self.conn.outbox.backlog() <= PACE_BYTES
                        && bytes_of(&missing, self.conn) <= CHUNK_BYTES
                    {
                        if let Some(reason) = deliver(self.conn, &missing) {
                            return Ok(Some(Followed::Left(reason)));
                        }
                        self.budget.spend(missing.len());
                        return Ok(self.seat(&mut state, Followed::Recovered(head)));
                    }
                }
            }
            if !compared && self.room.head().await < cursor {
                // What was just read from the log, or seen through another gateway, may be ahead of this room; a log
                // that went back is behind for good.
                compared = true;
                self.catch_up().await?;
                continue;
            }
            if missing.is_empty() {
                match self.read(cursor, left).await? {
                    Replay::Recovered(events) | Replay::More(events) if events.is_empty() => {
                        let mut state = self.room.lock().await;
                        if state.tail.head() <= cursor {
                            // Nothing newer, and the log reaches back: the cursor is the truth.
                            return Ok(self.seat(&mut state, Followed::Recovered(cursor)));
                        }
                    }
                    Replay::Recovered(events) | Replay::More(events) => {
                        missing = self.decode(&events, delivered).await;
                    }
                    Replay::TooOld { first, .. } => match self.beyond(cursor, first, settled).await? {
                        Some(further) if further > cursor => cursor = further,
                        Some(_) => {
                            let mut state = self.room.lock().await;
                            if state.tail.head() <= cursor {
                                return Ok(self.seat(&mut state, Followed::Recovered(cursor)));
                            }
                        }
                        None => return self.fall_behind(from, ResyncReason::TooOld).await,
                    },
                    Replay::Ahead { .. } => return self.fall_behind(from, ResyncReason::Ahead).await,
                }
            }
            let Some(last) = missing.last().map(|event| event.seq()) else { continue };
            if !clamped && self.is_old(missing.first().map(|event| event.seq())) {
                // A token does not say from where on its user may read: that is asked before anything old is sent.
                clamped = true;
                cursor = cursor.max(self.readable_from().await?);
                continue;
            }
            if missing.len() > left {
                return self.fall_behind(from, ResyncReason::TooMany).await;
            }
            left -= missing.len();
            self.budget.spend(missing.len());
            if !self.leave_out_deleted(&mut missing, last, left).await? {
                return self.fall_behind(from, ResyncReason::TooMany).await;
            }
            if let Some(reason) = self.send_paced(&missing).await? {
                return Ok(Some(Followed::Left(reason)));
            }
            (cursor, delivered, compared) = (last, last, false);
        }
    }

    /// Whether a replay on a resume token's word begins with something the token says was delivered already.
    fn is_old(&self, first: Option<Seq>) -> bool {
        let settled = self.proof.settled.get(&self.room.shard).copied().unwrap_or(Seq::MAX);
        self.proof.resumed && !self.is_feed() && first.is_some_and(|first| first <= settled)
    }

    fn is_feed(&self) -> bool {
        self.room.conversation == ConversationId::feed(self.conn.user)
    }

    async fn readable_from(&self) -> Result<Seq, Fault> {
        let roster = self.room.roster().await?;
        self.room.readable_since(&roster, self.conn.user).await
    }

    /// The room's own task brings it to the newest position.
    async fn catch_up(&self) -> Result<(), Fault> {
        let fresh = self.room.fresh_head(self.hub).await?;
        timeout(REACH_DEADLINE, self.room.reach(fresh))
            .await
            .map_err(|_| Fault::new(ErrorCode::LogUnavailable, "the log is slow, try again"))
    }

    async fn read(&self, cursor: Seq, left: usize) -> Result<Replay, Fault> {
        Ok(self.hub.inner.log.replay(self.room.conversation, cursor, PAGE.min(left + 1)).await?)
    }

    /// From where on a cursor that is older than the log is complete after all; `None` if it is not.
    async fn beyond(&self, cursor: Seq, first: Seq, settled: Option<Seq>) -> Result<Option<Seq>, Fault> {
        if let Some(settled) = settled.filter(|settled| *settled > cursor && settled.next() >= first) {
            return Ok(Some(settled));
        }
        if self.proof.store && self.hub.stored_head(self.room.conversation).await? == Some(cursor) {
            return Ok(Some(cursor));
        }
        Ok(None)
    }

    /// From now on.
    async fn join_now(&self) -> Outcome {
        let mut state = self.room.lock().await;
        let head = state.tail.head();
        let seated = self.seat(&mut state, Followed::Recovered(head));
        drop(state);
        if head == Seq::ZERO && self.proof.store && seated.is_some_and(|followed| followed == Followed::Recovered(head))
        {
            let stored = self.hub.stored_head(self.room.conversation).await?;
            return Ok(Some(Followed::Recovered(stored.unwrap_or(head))));
        }
        Ok(seated)
    }

    /// A seat although something is missing.
    async fn fall_behind(&self, from: Seq, reason: ResyncReason) -> Outcome {
        // Only where the log holds nothing of it; without the store zero is left, and the client reads it all anew.
        let stored = match self.room.head().await {
            Seq::ZERO if self.proof.store => self.hub.stored_head(self.room.conversation).await.ok().flatten(),
            _ => None,
        };
        let mut state = self.room.lock().await;
        let head = state.tail.head().max(stored.unwrap_or(Seq::ZERO));
        Ok(self.join_behind(&mut state, from, head, reason))
    }

    /// Says what is missing, then gives the seat: under one lock, so that no live event comes first.
    fn join_behind(&self, state: &mut State, from: Seq, head: Seq, reason: ResyncReason) -> Option<Followed> {
        self.seat(state, Followed::Resync).inspect(|followed| {
            if *followed == Followed::Resync {
                let resync = self.proof.resync(self.room.conversation, from, head, reason);
                self.conn.unproven(self.room.shard);
                self.conn.send(&ServerFrame::Resync(resync));
            }
        })
    }

    fn seat(&self, state: &mut State, followed: Followed) -> Option<Followed> {
        match self.room.take_seat(state, self.conn) {
            Seat::Taken => Some(followed),
            Seat::Stranger => Some(Followed::Left(LeftReason::Removed)),
            Seat::Closed => None,
        }
    }

    /// Sends replayed events as fast as the socket takes them.
    async fn send_paced(&self, events: &[Arc<Delivery>]) -> Result<Option<LeftReason>, Fault> {
        let mut rest = events;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take_while(|event| {
                bytes += event.message(self.conn.codec).len();
                bytes <= CHUNK_BYTES
            });
            let (chunk, later) = rest.split_at(fits.count().max(1));
            self.pace().await?;
            if let Some(reason) = deliver(self.conn, chunk) {
                return Ok(Some(reason));
            }
            rest = later;
        }
        Ok(None)
    }

    /// Waits until little waits for the socket; gives it up when it takes nothing at all for too long.
    async fn pace(&self) -> Result<(), Fault> {
        let outbox = &self.conn.outbox;
        while outbox.backlog() > PACE_BYTES {
            if timeout(PACE_DEADLINE, outbox.progress()).await.is_err() {
                self.conn.close(ErrorCode::Slow, "no progress");
            }
            if outbox.is_closing() {
                break;
            }
        }
        if outbox.is_closing() { Err(ErrorCode::Slow.into()) } else { Ok(()) }
    }

    /// Without what was written in messages whose deletion is known here.
    async fn decode(&self, events: &[Logged], mut prev: Seq) -> Vec<Arc<Delivery>> {
        let mut decoded = Vec::with_capacity(events.len());
        for logged in events {
            match Delivery::new(self.room.conversation, self.room.shard, logged, prev) {
                Ok(event) => {
                    prev = logged.seq;
                    decoded.push(Arc::new(event));
                }
                Err(err) => tracing::error!(seq = %logged.seq, error = %err, "event skipped"),
            }
        }
        let mut deleted = self.room.deleted_in_memory().await;
        deleted.extend(blank::deletions(decoded.iter().map(|event| &event.frame.body)));
        leave_out(&mut decoded, &deleted);
        decoded
    }

    /// What comes behind these events may delete some of them; `false` if that is more than may be sent at all.
    async fn leave_out_deleted(&self, events: &mut [Arc<Delivery>], last: Seq, left: usize) -> Result<bool, Fault> {
        if self.room.remembers(last).await {
            return Ok(true);
        }
        let behind = self.hub.inner.log.tail(self.room.conversation, last, left + 1).await?;
        leave_out(events, &deletions(&behind));
        Ok(behind.len() <= left)
    }
}

/// Sends replayed events, up to the one that removed this user, if there is one.
fn deliver(conn: &Conn, events: &[Arc<Delivery>]) -> Option<LeftReason> {
    let mut left = None;
    let mut end = events.len();
    for (place, event) in events.iter().enumerate() {
        match &event.frame.body {
            Body::MemberLeft(gone) if gone.user == conn.user => {
                left = Some(gone.reason);
                end = place + 1;
                break;
            }
            // A feed says what to follow, whether it is heard live or replayed.
            Body::ConversationAdded(added) => conn.notice(Notice::Added(*added)),
            Body::ConversationRemoved(removed) => {
                conn.notice(Notice::Removed(removed.conversation, removed.reason));
            }
            _ => {}
        }
    }
    let events = events.get(..end).unwrap_or(events);
    metrics::replayed(events.len());
    conn.deliver(events);
    left
}

/// Takes out what was written in these messages.
fn leave_out(events: &mut [Arc<Delivery>], deleted: &HashSet<Seq>) {
    let written = events.iter_mut().filter(|event| blank::holds_content(&event.frame, deleted));
    written.for_each(|event| *event = Arc::new(event.blanked()));
}

fn bytes_of(events: &[Arc<Delivery>], conn: &Conn) -> usize {
    events.iter().map(|event| event.message(conn.codec).len()).sum()
}
