//! The shared work of one shard as a stream of deliveries.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_trait::async_trait;
use chat_protocol::Shard;
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep_until};

use super::{
    Shared,
    tables::Record,
    work::{Bounds, Claim},
};
use crate::{BusError, Delivery, Logged, Prev, Settle, WorkStream};

/// Events claimed at once.
const CLAIM: usize = 256;
/// Before a failed read is tried again.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Deliveries of `shard` until the log is closed.
pub(super) fn consume(shared: Arc<Shared>, shard: Shard) -> WorkStream {
    let hand = Hand { shared, shard, claimed: VecDeque::new() };
    stream::unfold(hand, |mut hand| async move { Some((hand.next().await?, hand)) }).boxed()
}

/// One consumer and what it claimed but did not deliver yet.
struct Hand {
    shared: Arc<Shared>,
    shard: Shard,
    claimed: VecDeque<(Claim, Record)>,
}

impl Hand {
    async fn next(&mut self) -> Option<Delivery> {
        while self.claimed.is_empty() {
            self.claim().await?;
        }
        let (claim, record) = self.claimed.pop_front()?;
        let trace = self.shared.traced.take(self.shard, record.logged.seq);
        Some(Delivery {
            conversation: record.conversation,
            logged: Logged { prev: Prev::AskTheLog, trace, ..record.logged },
            redelivered: claim.before,
            settle: Box::new(Settlement { shared: self.shared.clone(), shard: self.shard, claim }),
        })
    }

    /// Claims what there is, or waits until there may be something; `None` when the log is closed.
    async fn claim(&mut self) -> Option<()> {
        let options = &self.shared.options;
        let bounds = Bounds { ack_wait: options.ack_wait, in_flight_max: options.in_flight_max };
        let of = self.shared.shard_at(self.shard);
        let (mut moved, mut extent_moved) = (of.work_moved(), of.extent_moved());
        let last = extent_moved.borrow_and_update().last;
        let (claims, next_due) = {
            let mut work = of.work();
            (work.claim(last, CLAIM, bounds, Instant::now()), work.next_due())
        };
        if claims.is_empty() {
            let due = async {
                match next_due {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.shared.closed.cancelled() => return None,
                _ = moved.changed() => {}
                _ = extent_moved.changed() => {}
                () = due => {}
            }
            return Some(());
        }
        let mut held = Held { shared: &self.shared, shard: self.shard, claims };
        match held.read().await {
            Ok(claimed) => {
                held.claims.clear();
                self.claimed = claimed;
            }
            Err(err) => {
                drop(held);
                tracing::warn!(shard = %self.shard, error = %err, "the log cannot be read for its consumers");
                tokio::select! {
                    () = self.shared.closed.cancelled() => return None,
                    () = tokio::time::sleep(READ_AGAIN) => {}
                }
            }
        }
        Some(())
    }
}

impl Drop for Hand {
    /// What was never delivered goes to the next consumer at once.
    fn drop(&mut self) {
        let claims = self.claimed.drain(..).map(|(claim, _)| claim).collect();
        drop(Held { shared: &self.shared, shard: self.shard, claims });
    }
}

/// Claims without their events; released when dropped.
struct Held<'a> {
    shared: &'a Arc<Shared>,
    shard: Shard,
    claims: Vec<Claim>,
}

impl Held<'_> {
    /// The events of the claims. Those that left the log are settled.
    async fn read(&self) -> Result<VecDeque<(Claim, Record)>, BusError> {
        let (shard, claims) = (self.shard, self.claims.clone());
        let read = self.shared.read(move |tables| {
            let mut found = VecDeque::with_capacity(claims.len());
            // Claims are runs of neighbours nearly always: one range for each run.
            for run in claims.chunk_by(|a, b| a.seq.next() == b.seq) {
                let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
                let mut claims = run.iter();
                for record in tables.range(shard, first.seq, last.seq) {
                    let record = record?;
                    if let Some(claim) = claims.find(|claim| claim.seq == record.logged.seq) {
                        found.push_back((*claim, record));
                    }
                }
            }
            Ok(found)
        });
        let found = read.await?;
        if found.len() < self.claims.len() {
            let of = self.shared.shard_at(self.shard);
            let first = of.extent().first;
            of.work().dropped_below(first);
        }
        Ok(found)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.claims.is_empty() {
            return;
        }
        let of = self.shared.shard_at(self.shard);
        let now = Instant::now();
        {
            let mut work = of.work();
            self.claims.iter().for_each(|claim| work.release(*claim, now));
        }
        of.say_work_moved();
    }
}

struct Settlement {
    shared: Arc<Shared>,
    shard: Shard,
    claim: Claim,
}

#[async_trait]
impl Settle for Settlement {
    async fn ack(self: Box<Self>) -> Result<(), BusError> {
        let of = self.shared.shard_at(self.shard);
        let was_full = {
            let mut work = of.work();
            let was_full = work.in_flight() >= self.shared.options.in_flight_max;
            work.ack(self.claim.seq);
            was_full
        };
        if was_full {
            of.say_work_moved();
        }
        Ok(())
    }

    async fn retry(self: Box<Self>, after: Duration) -> Result<(), BusError> {
        let of = self.shared.shard_at(self.shard);
        of.work().retry(self.claim, Instant::now() + after);
        of.say_work_moved();
        Ok(())
    }
}
