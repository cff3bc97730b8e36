//! From a cursor to a seat: subscribe first, replay what is missing, join at the room's position. The same way for a
//! new socket, a resume, a `follow` and a conversation that was just joined.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chat_bus::{Logged, Replay};
use chat_protocol::{
    ConversationId, ErrorCode, Seq, Shard,
    event::{Body, LeftReason},
    frame::{Ref, Resync, ResyncReason, ServerFrame},
    limits,
};
use tokio::time::timeout;

use super::{Hub, Room, room::State};
use crate::{
    conn::{Conn, Notice},
    delivery::Delivery,
    fault::Fault,
};

/// Events replayed between two looks at the outbox.
const PAGE: usize = 100;
/// Replay waits while more than this waits for the socket: it is paced by the socket and never "slow".
const PACE_BYTES: usize = 64 * 1024;
/// A socket that takes nothing for this long while it is replayed to is given up.
const PACE_DEADLINE: Duration = Duration::from_secs(10);
/// Until everything is in its place for one conversation.
const FOLLOW_DEADLINE: Duration = Duration::from_secs(20);

/// How it ended. Unless the user is no longer a member, the socket has its seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// Every event up to the head has been sent.
    Recovered(Seq),
    /// What lies between has not, and the `resync` that says so has: it goes before any live event.
    Resync,
    /// The user was removed meanwhile; the removal was the last event that was sent.
    Left(LeftReason),
}

/// What a client proves to have, beside its cursor.
#[derive(Debug, Clone, Default)]
pub struct Proof {
    /// From a resume token: everything of a shard up to here was delivered.
    pub settled: BTreeMap<Shard, Seq>,
    /// Whether the store may be asked for a conversation's head (not on a resume).
    pub store: bool,
    /// What a `resync` answers.
    pub reference: Option<Ref>,
}

/// How many events one resume may still replay, over all its conversations.
#[derive(Debug)]
pub struct Budget {
    left: AtomicUsize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: AtomicUsize::new(limits::RESUME_EVENTS_ALL) }
    }
}

impl Budget {
    fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    /// Conversations that are replayed at once may overdraw it by one page each; that bounds it well enough.
    fn spend(&self, events: usize) {
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(events)));
    }
}

impl Hub {
    /// Gives `conn` a seat in a conversation, with everything after `after` sent before; `None` = from now on.
    ///
    /// The caller has authorised it, or trusts a resume token (`proof.settled` not empty): then the seat is checked
    /// against the roster in the background.
    pub async fn follow(
        &self,
        conn: &Arc<Conn>,
        conversation: ConversationId,
        after: Option<Seq>,
        proof: &Proof,
        budget: &Budget,
    ) -> Result<Followed, Fault> {
        let followed = timeout(FOLLOW_DEADLINE, self.try_follow(conn, conversation, after, proof, budget)).await;
        followed.unwrap_or_else(|_| Err(Fault::new(ErrorCode::LogUnavailable, "the log is slow, try again")))
    }

    async fn try_follow(
        &self,
        conn: &Arc<Conn>,
        conversation: ConversationId,
        after: Option<Seq>,
        proof: &Proof,
        budget: &Budget,
    ) -> Result<Followed, Fault> {
        let room = self.room(conversation).await?;
        let settled = proof.settled.get(&room.shard).copied();
        if !proof.settled.is_empty() && conversation != ConversationId::feed(conn.user) {
            room.verify_seats();
        }
        let Some(mut cursor) = after.or(settled) else { return self.join_now(conn, &room, proof).await };
        let from = after.unwrap_or(cursor);
        // The client's own chain: where the token proves more than the cursor says, nothing of it lies between.
        let mut delivered = from;
        let mut left = limits::RESUME_EVENTS.min(budget.left());
        loop {
            {
                let mut state = room.lock().await;
                if room.is_closed() {
                    drop(state);
                    return Box::pin(self.try_follow(conn, conversation, after, proof, budget)).await;
                }
                let head = state.tail.head();
                if cursor > head && head > Seq::ZERO {
                    // Another gateway may be ahead of this room; a log that went back is behind for good.
                    let fresh = self.inner.log.heads(&[conversation], true).await?;
                    let fresh = fresh.first().copied().flatten().unwrap_or(Seq::ZERO);
                    room.catch_up(&mut state, &*self.inner.log, fresh).await;
                }
                let head = state.tail.head();
                if cursor > head && head > Seq::ZERO {
                    return Ok(join_behind(
                        &mut state,
                        conn,
                        proof.resync(conversation, from, head, ResyncReason::Ahead),
                    ));
                }
                if cursor == head {
                    state.seat(conn);
                    return Ok(Followed::Recovered(head));
                }
                if cursor < head && state.tail.covers(cursor) {
                    let missing: Vec<Arc<Delivery>> = state.tail.after(cursor).cloned().collect();
                    if missing.len() > left {
                        let resync = proof.resync(conversation, from, head, ResyncReason::TooMany);
                        return Ok(join_behind(&mut state, conn, resync));
                    }
                    if conn.outbox.backlog() <= PACE_BYTES && fits(&missing, conn) {
                        if let Some(reason) = deliver(conn, missing.iter().cloned()) {
                            return Ok(Followed::Left(reason));
                        }
                        state.seat(conn);
                        budget.spend(missing.len());
                        return Ok(Followed::Recovered(head));
                    }
                }
            }
            // Too much for one go, or not in memory: some of it from the log, then look again.
            self.pace(conn).await?;
            match self.inner.log.replay(conversation, cursor, PAGE.min(left + 1)).await? {
                Replay::Recovered(events) | Replay::More(events) if events.is_empty() => {
                    let mut state = room.lock().await;
                    if state.tail.head() <= cursor {
                        // Nothing newer, and the log reaches back: the cursor is the truth.
                        state.seat(conn);
                        return Ok(Followed::Recovered(cursor));
                    }
                }
                Replay::Recovered(events) | Replay::More(events) => {
                    if events.len() > left {
                        return Ok(self.join_behind(conn, &room, from, ResyncReason::TooMany, proof).await);
                    }
                    left -= events.len();
                    budget.spend(events.len());
                    if let Some(reason) = deliver(conn, decode(&room, &events, delivered).into_iter()) {
                        return Ok(Followed::Left(reason));
                    }
                    cursor = events.last().map_or(cursor, |last| last.seq);
                    delivered = cursor;
                }
                Replay::TooOld { first, head } => {
                    // The token may prove more than the cursor says.
                    if let Some(settled) = settled
                        && settled.next() >= first
                        && cursor < settled
                    {
                        cursor = settled;
                        if head <= settled {
                            let mut state = room.lock().await;
                            if state.tail.head() <= settled {
                                state.seat(conn);
                                return Ok(Followed::Recovered(from.max(head)));
                            }
                        }
                        continue;
                    }
                    if proof.store && head <= cursor && self.stored_head(conversation).await? == Some(cursor) {
                        let mut state = room.lock().await;
                        if state.tail.head() <= cursor {
                            state.seat(conn);
                            return Ok(Followed::Recovered(cursor));
                        }
                    }
                    return Ok(self.join_behind(conn, &room, from, ResyncReason::TooOld, proof).await);
                }
                Replay::Ahead { .. } => {
                    return Ok(self.join_behind(conn, &room, from, ResyncReason::Ahead, proof).await);
                }
            }
        }
    }

    /// From now on.
    async fn join_now(&self, conn: &Arc<Conn>, room: &Room, proof: &Proof) -> Result<Followed, Fault> {
        let mut head = {
            let mut state = room.lock().await;
            state.seat(conn);
            state.tail.head()
        };
        if head == Seq::ZERO && proof.store {
            head = self.stored_head(room.conversation).await?.unwrap_or(Seq::ZERO);
        }
        Ok(Followed::Recovered(head))
    }

    /// A seat although something is missing.
    async fn join_behind(
        &self,
        conn: &Arc<Conn>,
        room: &Room,
        from: Seq,
        reason: ResyncReason,
        proof: &Proof,
    ) -> Followed {
        // Only where the log holds nothing of it; a store that is away leaves zero, and the client reads it all anew.
        let stored = match room.head().await {
            Seq::ZERO => self.stored_head(room.conversation).await.ok().flatten(),
            _ => None,
        };
        let mut state = room.lock().await;
        let head = state.tail.head().max(stored.unwrap_or(Seq::ZERO));
        join_behind(&mut state, conn, proof.resync(room.conversation, from, head, reason))
    }

    async fn stored_head(&self, conversation: ConversationId) -> Result<Option<Seq>, Fault> {
        Ok(self.inner.store.stored_heads(&[conversation]).await?.first().copied().flatten())
    }

    /// Waits until the socket took what it was sent before.
    async fn pace(&self, conn: &Conn) -> Result<(), Fault> {
        let drained = async {
            while conn.outbox.backlog() > PACE_BYTES && !conn.outbox.is_closing() {
                conn.outbox.flush().await;
            }
        };
        timeout(PACE_DEADLINE, drained).await.map_err(|_| {
            conn.close(ErrorCode::Slow, "no progress");
            Fault::from(ErrorCode::Slow)
        })
    }
}

impl Proof {
    fn resync(&self, conversation: ConversationId, from: Seq, head: Seq, reason: ResyncReason) -> Resync {
        Resync { reference: self.reference, conversation, from, head, reason }
    }
}

/// Says what is missing, then gives the seat: under one lock, so that no live event comes first.
fn join_behind(state: &mut State, conn: &Arc<Conn>, resync: Resync) -> Followed {
    conn.send(&ServerFrame::Resync(resync));
    state.seat(conn);
    Followed::Resync
}

/// Sends replayed events, up to the one that removed this user, if there is one.
fn deliver(conn: &Conn, events: impl Iterator<Item = Arc<Delivery>>) -> Option<LeftReason> {
    let mut ready = Vec::new();
    let mut left = None;
    for event in events {
        if let Body::MemberLeft(gone) = &event.frame.body
            && gone.user == conn.user
        {
            left = Some(gone.reason);
        }
        // A feed says what to follow, whether it is heard live or replayed.
        match &event.frame.body {
            Body::ConversationAdded(added) => conn.notice(Notice::Added(*added)),
            Body::ConversationRemoved(removed) => {
                conn.notice(Notice::Removed(removed.conversation, removed.reason));
            }
            _ => {}
        }
        ready.push(event);
        if left.is_some() {
            break;
        }
    }
    conn.deliver(&ready);
    left
}

fn decode(room: &Room, events: &[Logged], mut cursor: Seq) -> Vec<Arc<Delivery>> {
    let mut decoded = Vec::with_capacity(events.len());
    for logged in events {
        match Delivery::new(room.conversation, room.shard, logged, cursor) {
            Ok(event) => {
                cursor = logged.seq;
                decoded.push(Arc::new(event));
            }
            Err(err) => tracing::error!(seq = %logged.seq, error = %err, "event skipped"),
        }
    }
    decoded
}

fn fits(events: &[Arc<Delivery>], conn: &Conn) -> bool {
    let bytes: usize = events.iter().map(|event| event.message(conn.codec).len()).sum();
    bytes <= PACE_BYTES
}
