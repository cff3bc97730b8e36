//! One core subscription for each conversation somebody on this node watches, shared by all of them.
//!
//! A task a conversation empties the subscription into the watchers' own bounded queues, so async-nats' channel, which
//! drops without saying where, does not fill. The subscription stays a few seconds after the last watcher left.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_nats::Subscriber;
use chat_protocol::{ConversationId, Shard};
use futures_util::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, OnceCell},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Core, NatsOptions, direct,
    queue::{Next, Queue, Reader},
};
use crate::{BusError, Doubt, Live, LiveStream, Logged, metrics, subject, trace};

/// The conversations that are subscribed to.
pub(super) struct Channels {
    open: Mutex<HashMap<ConversationId, Arc<Channel>>>,
    capacity: usize,
    linger: Duration,
    stop: CancellationToken,
}

/// One subscription and who watches it.
struct Channel {
    of: ConversationId,
    shard: Shard,
    watchers: Mutex<Vec<Arc<Queue<Logged>>>>,
    left: Notify,
    /// Set once the server knows the subscription.
    subscribed: OnceCell<()>,
}

impl Channels {
    pub(super) fn new(options: &NatsOptions, stop: CancellationToken) -> Self {
        let (capacity, linger) = (options.live_capacity, options.live_linger);
        Self { open: Mutex::default(), capacity, linger, stop }
    }

    /// Makes the watchers of one shard, or of all, compare heads.
    pub(super) fn doubt(&self, shard: Option<Shard>, doubt: Doubt) {
        let channels: Vec<Arc<Channel>> = self.open.lock().values().cloned().collect();
        for channel in channels.iter().filter(|channel| shard.is_none_or(|shard| shard == channel.shard)) {
            for watcher in &*channel.watchers.lock() {
                watcher.doubt(doubt);
            }
        }
    }

    /// Adds a watcher, and the channel if it is the first.
    fn join(&self, of: ConversationId, shard: Shard) -> (Arc<Channel>, Arc<Queue<Logged>>) {
        let queue = Queue::new(self.capacity);
        let mut open = self.open.lock();
        let channel = open.entry(of).or_insert_with(|| Channel::new(of, shard)).clone();
        channel.watchers.lock().push(queue.clone());
        (channel, queue)
    }

    fn leave(&self, channel: &Arc<Channel>, queue: &Arc<Queue<Logged>>) {
        channel.watchers.lock().retain(|watcher| !Arc::ptr_eq(watcher, queue));
        if channel.subscribed.initialized() {
            channel.left.notify_one();
        } else {
            // No subscription, so no task that would see to it.
            self.retire(channel);
        }
    }

    /// Takes the channel away and ends what its watchers hear.
    fn end(&self, channel: &Arc<Channel>) {
        let mut open = self.open.lock();
        if open.get(&channel.of).is_some_and(|current| Arc::ptr_eq(current, channel)) {
            open.remove(&channel.of);
        }
        for watcher in &*channel.watchers.lock() {
            watcher.close();
        }
    }

    /// Takes the channel away if nobody watches it; a watcher who joins does so under the same lock.
    fn retire(&self, channel: &Arc<Channel>) -> bool {
        let mut open = self.open.lock();
        let unwatched = channel.watchers.lock().is_empty();
        if unwatched && open.get(&channel.of).is_some_and(|current| Arc::ptr_eq(current, channel)) {
            open.remove(&channel.of);
        }
        unwatched
    }
}

impl Channel {
    fn new(of: ConversationId, shard: Shard) -> Arc<Self> {
        Arc::new(Self { of, shard, watchers: Mutex::default(), left: Notify::new(), subscribed: OnceCell::new() })
    }

    fn push(&self, logged: &Logged) {
        for watcher in &*self.watchers.lock() {
            if watcher.push(logged.clone()) {
                ::metrics::counter!(metrics::SLOW_CONSUMER).increment(1);
            }
        }
    }
}

impl Core {
    /// See [`crate::Log::live`].
    pub(super) async fn live(self: &Arc<Self>, of: ConversationId) -> Result<LiveStream, BusError> {
        if !self.reader.connected() {
            return Err(BusError::Unavailable);
        }
        let (channel, queue) = self.channels.join(of, subject::shard_of(of, self.options.shards));
        let leave = {
            let (channels, channel, queue) = (self.channels.clone(), channel.clone(), queue.clone());
            move || channels.leave(&channel, &queue)
        };
        // From here on dropping it leaves, also when the subscription fails or the caller goes away.
        let reader = Reader::new(queue, leave);
        channel.subscribed.get_or_try_init(|| self.subscribe(&channel)).await?;
        let live = reader.map(|next| match next {
            Next::Item(logged) => Live::Event(logged),
            Next::Doubt(doubt) => Live::Doubtful(doubt),
        });
        Ok(live.boxed())
    }

    /// Subscribes, and waits until the server has read that.
    async fn subscribe(self: &Arc<Self>, channel: &Arc<Channel>) -> Result<(), BusError> {
        let subject = subject::live(channel.shard, channel.of);
        let deadline = self.read_deadline();
        let subscriber = self.reader.subscribe(subject, deadline).await?;
        self.reader.round_trip(deadline).await?;
        tokio::spawn(pump(self.clone(), channel.clone(), subscriber));
        Ok(())
    }
}

/// Hands what is live to the watchers until nobody watched for a while.
async fn pump(core: Arc<Core>, channel: Arc<Channel>, mut subscriber: Subscriber) {
    let channels = core.channels.clone();
    let mut unwatched_since: Option<Instant> = None;
    loop {
        let linger = match unwatched_since {
            Some(since) => sleep_until(since + channels.linger).left_future(),
            None => std::future::pending().right_future(),
        };
        tokio::select! {
            message = subscriber.next() => {
                let Some(message) = message else { break };
                let trace = if core.options.traced { trace::read(message.headers.as_ref()) } else { None };
                match direct::stored(message) {
                    Some(mut stored) => {
                        stored.logged.trace = trace;
                        if let Some(shard) = core.shards.get(channel.shard) {
                            shard.saw(stored.logged.seq);
                        }
                        channel.push(&stored.logged);
                    }
                    None => tracing::error!(shard = %channel.shard, "live event not understood"),
                }
            }
            () = channel.left.notified() => {
                unwatched_since = channel.watchers.lock().is_empty().then(Instant::now);
            }
            () = linger => {
                if channels.retire(&channel) {
                    break;
                }
                unwatched_since = None;
            }
            () = channels.stop.cancelled() => break,
        }
    }
    channels.end(&channel);
    let _connection_gone = subscriber.unsubscribe().await;
}
