//! From the log to the sockets: each event decoded once, each socket written once.

use std::sync::{Arc, atomic::Ordering};

use chat_bus::Logged;
use chat_protocol::{
    UserId,
    event::{Body, LeftReason},
};

use chat_service::traces::{self, Span};

use super::{Room, State};
use crate::{
    conn::{Conn, Notice},
    delivery::Delivery,
    metrics,
};

/// Sockets written before other tasks get a turn.
const SLICE_SOCKETS: usize = 256;

impl Room {
    /// Hands events that chain to every seat, each socket once.
    pub(super) async fn deliver(&self, state: &mut State, logged: Vec<Logged>) {
        let seats = i64::try_from(state.seats.len()).unwrap_or(i64::MAX);
        let _traces = traced(&logged, seats);
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
        self.remember(state, &events);
        self.moved.notify_waiters();
        self.apply_control(&events);
        self.hear_pace(&events);
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
                self.send_away(conn, reason);
            }
            stays
        });
    }

    /// Tells one socket, whose seat is taken by the caller.
    pub(super) fn send_away(&self, conn: &Conn, reason: LeftReason) {
        conn.sits(self.conversation, false);
        conn.left(self.conversation, reason);
        conn.notice(Notice::Dismissed(self.conversation));
    }
}

/// The part of delivering in the traces that events belong to. Nothing is allocated where none does.
fn traced(logged: &[Logged], seats: i64) -> Vec<Span> {
    let traced = logged.iter().filter(|logged| logged.trace.is_some());
    let mut spans: Vec<Span> = traced.filter_map(|logged| traces::go_on("deliver", logged.trace.as_deref())).collect();
    spans.iter_mut().for_each(|span| span.note("chat.sockets", seats));
    spans
}

fn dismisses(event: &Delivery) -> bool {
    matches!(event.frame.body, Body::MemberLeft(_) | Body::ConversationDeleted(_))
}
