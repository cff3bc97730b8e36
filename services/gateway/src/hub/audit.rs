//! What a room cannot notice by itself: heads are compared with the log's, unused rooms are given up, and the
//! position up to which everything was delivered moves on.

use std::{sync::Arc, time::Duration};

use chat_protocol::{ConversationId, Seq, Shard, Timestamp};

use super::{Hub, Room};
use crate::metrics;

/// How often rooms are looked at.
const TICK: Duration = Duration::from_secs(1);
/// Conversations in one comparison.
const BATCH: usize = 1_000;
/// Between two moves of the settled positions.
const SETTLE_MS: i64 = 30_000;

impl Hub {
    /// Before the first socket: each begins at a head not older than the positions read here.
    pub async fn begin(&self) {
        let positions = self.positions().await;
        *self.inner.settled.lock() = positions;
    }

    /// Keeps the hub's promises; ends never. Dropping the future stops it.
    pub async fn run(&self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut round = Round { begun: self.inner.clock.now(), positions: self.inner.settled.lock().clone() };
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.inner.doubt.notified() => {}
            }
            let now = self.inner.clock.now();
            self.give_up_unused(now);
            self.compare_due(now).await;
            if now.as_ms() - round.begun.as_ms() >= SETTLE_MS {
                self.settle(&mut round, now).await;
            }
            metrics::rooms(self.rooms());
        }
    }

    fn give_up_unused(&self, now: Timestamp) {
        // What could not be opened and nobody waits for.
        self.inner.rooms.lock().retain(|_, cell| cell.initialized() || Arc::strong_count(cell) > 1);
        for room in self.open_rooms() {
            if room.close_if_unused(now, self.inner.options.linger) {
                let mut rooms = self.inner.rooms.lock();
                let same = rooms.get(&room.conversation).and_then(|cell| cell.get());
                if same.is_some_and(|present| Arc::ptr_eq(present, &room)) {
                    rooms.remove(&room.conversation);
                }
            }
        }
    }

    async fn compare_due(&self, now: Timestamp) {
        let due: Vec<Arc<Room>> = self.open_rooms().into_iter().filter(|room| room.audit_is_due(now)).collect();
        for room in &due {
            room.clear_dead_seats();
            room.forget_unread_pages();
        }
        for batch in due.chunks(BATCH) {
            // Before asking: a doubt that is raised while the answer is on its way counts.
            let options = &self.inner.options;
            batch.iter().for_each(|room| room.audited(now, options.audit_active, options.audit_quiet));
            if !self.compare(batch, false).await {
                batch.iter().for_each(|room| room.not_audited());
            }
        }
    }

    /// Tells every room that lags what it lacks; `false` if the log could not be asked.
    async fn compare(&self, rooms: &[Arc<Room>], fresh: bool) -> bool {
        let ids: Vec<ConversationId> = rooms.iter().map(|room| room.conversation).collect();
        match self.inner.log.heads(&ids, fresh).await {
            Ok(heads) => {
                for (room, head) in rooms.iter().zip(heads) {
                    head.into_iter().for_each(|head| room.want(head));
                }
                true
            }
            Err(_) => false,
        }
    }

    /// Everything up to the positions read a round ago has been delivered, once every room was compared since.
    async fn settle(&self, round: &mut Round, now: Timestamp) {
        let positions = self.positions().await;
        for batch in self.open_rooms().chunks(BATCH) {
            // From the leaders: a copy that lags would let the settled position claim too much.
            if !self.compare(batch, true).await {
                return;
            }
            // A room that is at work, or lags, settles with the next round.
            if batch.iter().any(|room| room.try_head().is_none_or(|head| head < room.wanted_head())) {
                return;
            }
        }
        let mut settled = self.inner.settled.lock();
        for (settled, position) in settled.iter_mut().zip(&round.positions) {
            *settled = (*settled).max(*position);
        }
        drop(settled);
        *round = Round { begun: now, positions };
    }

    async fn positions(&self) -> Vec<Seq> {
        let shards = (0..self.inner.log.shards()).filter_map(Shard::new);
        let states = shards.map(|shard| self.inner.log.shard_state(shard));
        let states = futures_util::future::join_all(states).await;
        states.into_iter().map(|state| state.map_or(Seq::ZERO, |state| state.last)).collect()
    }
}

/// What was the end of each shard when the round began.
struct Round {
    begun: Timestamp,
    positions: Vec<Seq>,
}
