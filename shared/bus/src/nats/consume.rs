//! The shared work of a shard: one durable pull consumer, unfiltered, for all persisters.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_nats::{
    Client, Subject,
    jetstream::{
        self, AckKind,
        consumer::{AckPolicy, DeliverPolicy, pull},
        stream::ConsumerErrorKind,
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use chat_protocol::{Seq, Shard, Timestamp};
use futures_util::{StreamExt, stream};
use tokio::time::{sleep, timeout};

use super::{Core, link::reconnect_delay, shards::ShardLog};
use crate::{BusError, Delivery, Logged, Prev, Settle, WorkStream, subject, trace};

/// Every stream's consumer.
pub(super) const CONSUMER: &str = "persister";

/// Events asked for at a time; the next ones are asked for when half of them came.
const BATCH: usize = 500;
/// How long a request for events stands. Sets also how soon a request that a server forgot is noticed.
const EXPIRES: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_secs(2);
/// How long an acknowledgement may wait for room in the connection.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);
/// Deliveries not settled before the consumer stops: two batches for each of several persisters, or one slow
/// partition would stall the shard.
const UNSETTLED_MAX: i64 = 8_000;

/// See [`crate::Log::consume`].
pub(super) async fn open(core: Arc<Core>, shard: Shard) -> Result<WorkStream, BusError> {
    let log = core.shards.known(shard)?;
    if !core.reader.connected() {
        return Err(BusError::Unavailable);
    }
    let work = core.pull(log).await?;
    log.worked.store(true, Ordering::Release);
    let puller = Puller { core, shard, work: Some(work), failures: 0 };
    Ok(stream::unfold(puller, |mut puller| async { puller.next().await.map(|delivery| (delivery, puller)) }).boxed())
}

impl Core {
    /// Makes the consumer unless it is there, and asks it for events.
    async fn pull(&self, log: &ShardLog) -> Result<pull::Stream, BusError> {
        let config = pull::Config {
            durable_name: Some(CONSUMER.to_owned()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.options.ack_wait,
            max_ack_pending: UNSETTLED_MAX,
            // Redelivered for ever: deliveries also count the store's outages, and a bound would lose events.
            max_deliver: -1,
            ..pull::Config::default()
        };
        let made = self.jetstream.create_consumer_on_stream(config, log.stream.as_str()).await;
        let consumer = made.map_err(|err| match err.kind() {
            ConsumerErrorKind::TimedOut | ConsumerErrorKind::Request => BusError::Unavailable,
            ConsumerErrorKind::JetStream(refusal) if matches!(refusal.code(), 404 | 429 | 503) => BusError::Unavailable,
            kind => BusError::Other(format!("consumer of {}: {kind}", log.stream)),
        })?;
        let pulling = consumer.stream().max_messages_per_batch(BATCH).expires(EXPIRES).heartbeat(HEARTBEAT);
        pulling.messages().await.map_err(|_| BusError::Unavailable)
    }
}

/// Deliveries of one shard, over however many requests, reconnects and consumers.
struct Puller {
    core: Arc<Core>,
    shard: Shard,
    work: Option<pull::Stream>,
    failures: usize,
}

impl Puller {
    async fn next(&mut self) -> Option<Delivery> {
        let stop = self.core.stop.clone();
        tokio::select! {
            delivery = self.delivery() => Some(delivery),
            () = stop.cancelled() => None,
        }
    }

    async fn delivery(&mut self) -> Delivery {
        loop {
            let Some(work) = &mut self.work else {
                self.again().await;
                continue;
            };
            match work.next().await {
                Some(Ok(message)) => {
                    self.failures = 0;
                    match self.core.delivery(self.shard, message).await {
                        Some(delivery) => return delivery,
                        None => continue,
                    }
                }
                Some(Err(err)) => tracing::warn!(shard = %self.shard, error = %err, "asking for work anew"),
                None => tracing::warn!(shard = %self.shard, "asking for work anew"),
            }
            self.work = None;
        }
    }

    async fn again(&mut self) {
        if self.failures > 0 {
            sleep(reconnect_delay(self.failures)).await;
        }
        self.failures += 1;
        let Some(log) = self.core.shards.get(self.shard) else { return };
        match self.core.pull(log).await {
            Ok(work) => self.work = Some(work),
            Err(err) => tracing::debug!(shard = %self.shard, error = %err, "no work yet"),
        }
    }
}

impl Core {
    async fn delivery(&self, shard: Shard, message: jetstream::Message) -> Option<Delivery> {
        let place = message.info().ok().map(|info| (info.stream_sequence, info.delivered, info.published));
        let (conversation, reply) = (subject::conversation(&message.subject), message.reply.clone());
        let (Some((sequence, delivered, published)), Some(reply)) = (place, reply) else {
            tracing::error!(%shard, "delivery not understood");
            return None;
        };
        let settle = Box::new(Acknowledge { client: self.reader.client.clone(), reply });
        let (Some(conversation), Some(seq)) = (conversation, Seq::new(sequence)) else {
            // Of no conversation, so nobody can read it and no store can hold it.
            tracing::error!(%shard, sequence, subject = %message.subject, "stranger in the log, passed over");
            let _comes_again = settle.ack().await;
            return None;
        };
        if let Some(log) = self.shards.get(shard) {
            log.saw(seq);
        }
        let at = Timestamp::from_ms(i64::try_from(published.unix_timestamp_nanos() / 1_000_000).unwrap_or(0));
        let trace = if self.options.traced { trace::read(message.message.headers.as_ref()) } else { None };
        let event = message.message.payload;
        let logged = Logged { seq, prev: Prev::AskTheLog, at, event, trace };
        let redelivered = u32::try_from(delivered.saturating_sub(1)).unwrap_or(0);
        Some(Delivery { conversation, logged, redelivered, settle })
    }
}

/// Settles one delivery. An acknowledgement is sent and not itself acknowledged: one that is lost brings the event
/// again, and applying it twice is right.
struct Acknowledge {
    client: Client,
    reply: Subject,
}

impl Acknowledge {
    async fn send(self, what: Bytes) -> Result<(), BusError> {
        let sending = timeout(SETTLE_TIMEOUT, self.client.publish(self.reply, what)).await;
        sending.map_err(|_| BusError::Unavailable)?.map_err(|_| BusError::Unavailable)
    }
}

#[async_trait]
impl Settle for Acknowledge {
    async fn ack(self: Box<Self>) -> Result<(), BusError> {
        self.send(AckKind::Ack.into()).await
    }

    async fn retry(self: Box<Self>, after: Duration) -> Result<(), BusError> {
        self.send(AckKind::Nak(Some(after)).into()).await
    }
}
