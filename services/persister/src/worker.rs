//! One shard: take what is there, write it, acknowledge what was written.

use std::{sync::Arc, time::Duration};

use chat_bus::{Delivery, Settle};
use chat_protocol::{Shard, Timestamp};
use chat_service::{
    Backoff, Shutdown,
    health::Check,
    traces::{self, Span},
};
use chat_store::{EventRow, Quarantined, StoreError};
use futures_util::{FutureExt, Stream, StreamExt, future, stream};

use crate::{
    Config, Deps,
    batch::{self, Group, News, Poison},
    metrics, news,
};

/// After a failure to reach the log or the store; doubling, with full jitter.
const PAUSE_MAX: Duration = Duration::from_secs(5);
const PAUSE_BASE: Duration = Duration::from_millis(100);
/// When the log is asked to deliver again what the store did not take.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Works until the drain begins.
pub(crate) async fn run(shard: Shard, config: Config, deps: Arc<Deps>, check: Check, shutdown: Shutdown) {
    let mut backoff = Backoff::new(PAUSE_BASE, PAUSE_MAX);
    while !shutdown.is_draining() {
        match deps.log.consume(shard).await {
            Ok(work) => {
                check.ok();
                let mut turns = work.ready_chunks(config.batch_rows.max(1));
                loop {
                    let turn = tokio::select! {
                        () = shutdown.draining() => return,
                        turn = turns.next() => turn,
                    };
                    let Some(mut deliveries) = turn else { break };
                    gather(&mut turns, &mut deliveries, &config).await;
                    if write(shard, &config, &deps, deliveries).await {
                        backoff = Backoff::new(PAUSE_BASE, PAUSE_MAX);
                    } else {
                        pause(&mut backoff, &shutdown).await;
                    }
                }
            }
            Err(err) => {
                check.fail("no consumer");
                tracing::warn!(%shard, error = %err, "no work from the log");
            }
        }
        pause(&mut backoff, &shutdown).await;
    }
}

/// Waits a moment for more: a write and its sync cost much the same for one event as for many, and nobody waits for
/// the store, because readers see the log's tail.
async fn gather(
    turns: &mut (impl Stream<Item = Vec<Delivery>> + Unpin),
    deliveries: &mut Vec<Delivery>,
    config: &Config,
) {
    if deliveries.len() < config.batch_rows {
        tokio::time::sleep(config.batch_linger).await;
        if let Some(Some(more)) = turns.next().now_or_never() {
            deliveries.extend(more);
        }
    }
}

async fn pause(backoff: &mut Backoff, shutdown: &Shutdown) {
    let delay = backoff.next_delay(&mut rand::rng());
    tokio::select! {
        () = shutdown.draining() => {}
        () = tokio::time::sleep(delay) => {}
    }
}

/// Writes a turn's deliveries, group by group; whether the store took all of them.
async fn write(shard: Shard, config: &Config, deps: &Deps, deliveries: Vec<Delivery>) -> bool {
    metrics::batch(deliveries.len());
    let oldest = deliveries.iter().map(|delivery| delivery.logged.at).min().unwrap_or(Timestamp::MAX);
    let traced = deliveries.iter().filter_map(|delivery| traces::go_on("persist", delivery.logged.trace.as_deref()));
    let _traces: Vec<Span> = traced.collect();
    let batch = batch::plan(shard, deliveries);
    metrics::redelivered(batch.redelivered);
    let started = tokio::time::Instant::now();
    let groups = stream::iter(batch.groups)
        .map(|group| write_group(deps, group))
        .buffer_unordered(config.writes_at_once.max(1))
        .fold((true, false), |(all, any), written| future::ready((all && written, any || written)));
    let (mut written, mut any) = groups.await;
    for poison in batch.poison {
        let aside = quarantine(deps, poison).await;
        (written, any) = (written && aside, any || aside);
    }
    // What the store refused whole is no write: an alert waits for the last one.
    if any {
        metrics::written(started.elapsed());
    }
    if written {
        metrics::lag(shard, deps.clock.now().as_ms() - oldest.as_ms());
        // After the rows: a mark above what is stored would only make the guard too careful.
        if let Err(err) = deps.store.raise_mark(shard, batch.last).await {
            tracing::warn!(%shard, error = %err, "mark not raised");
        }
    }
    written
}

async fn write_group(deps: &Deps, group: Group) -> bool {
    match deps.store.apply(&group.rows).await {
        Ok(()) => finish(deps, &group.news, group.settles).await,
        Err(err @ (StoreError::Unavailable | StoreError::Full)) => {
            tracing::debug!(error = %err, rows = group.rows.len(), "write delayed");
            retry_all(group.settles).await;
            false
        }
        // One row may be at fault: the others must not wait for it.
        Err(StoreError::Refused(_) | StoreError::Other(_)) => {
            let mut written = true;
            for (row, settle) in group.rows.into_iter().zip(group.settles) {
                let news: Vec<News> = group.news.iter().filter(|news| news.cause.seq() == row.seq).cloned().collect();
                written &= write_one(deps, row, settle, &news).await;
            }
            written
        }
    }
}

async fn write_one(deps: &Deps, row: EventRow, settle: Box<dyn Settle>, news: &[News]) -> bool {
    match deps.store.apply(std::slice::from_ref(&row)).await {
        Ok(()) => finish(deps, news, vec![settle]).await,
        Err(StoreError::Refused(reason)) => quarantine(deps, Poison { row, settle, reason }).await,
        Err(err) => {
            tracing::warn!(conversation = %row.conversation, seq = %row.seq, error = %err, "write delayed");
            retry_all(vec![settle]).await;
            false
        }
    }
}

/// Of what is written: feeds are told, then it is acknowledged. What could not be told comes again.
async fn finish(deps: &Deps, news: &[News], settles: Vec<Box<dyn Settle>>) -> bool {
    let told = news::tell(deps, news).await;
    if told {
        settle_all(settles).await;
    } else {
        retry_all(settles).await;
    }
    told
}

/// Puts an event aside; it is acknowledged only once it lies there.
async fn quarantine(deps: &Deps, poison: Poison) -> bool {
    let Poison { row, settle, reason } = poison;
    tracing::error!(conversation = %row.conversation, seq = %row.seq, %reason, "event put in quarantine");
    match deps.store.quarantine(&Quarantined { row, reason, at: deps.clock.now() }).await {
        Ok(()) => {
            metrics::quarantined();
            settle_all(vec![settle]).await;
            true
        }
        Err(_) => {
            retry_all(vec![settle]).await;
            false
        }
    }
}

/// A lost acknowledgement only means that it comes again, and writing twice is writing once.
async fn settle_all(settles: Vec<Box<dyn Settle>>) {
    future::join_all(settles.into_iter().map(|settle| async move {
        if let Err(err) = settle.ack().await {
            tracing::debug!(error = %err, "not acknowledged");
        }
    }))
    .await;
}

async fn retry_all(settles: Vec<Box<dyn Settle>>) {
    future::join_all(settles.into_iter().map(|settle| async move {
        let _ = settle.retry(AGAIN_AFTER).await;
    }))
    .await;
}
