//! What the writer and the readers of one log share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chat_protocol::{ConversationId, Seq, Shard};
use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Options,
    fan::Fan,
    tables::{Extent, Tables, before},
    traced::Traced,
    work::Work,
};
use crate::{BusError, Doubt, Live, Topic, metrics};

/// Signals a listener may be behind before it misses some.
const SIGNALS_BEHIND: usize = 256;
/// Reads at once: more only queue at the disk.
const READS: usize = 32;
/// Until a read gives up waiting for its turn.
const READ_WAIT: Duration = Duration::from_secs(5);

pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) shards: Vec<Shards>,
    pub(super) live: Arc<Fan<ConversationId, Live>>,
    pub(super) signals: Arc<Fan<Topic, Bytes>>,
    pub(super) traced: Traced,
    pub(super) closed: CancellationToken,
    /// Appends that were queued and not answered yet.
    pub(super) waiting: AtomicUsize,
    /// `None` while there is no database. Held for reading while one is used, so that letting go waits for readers.
    tables: RwLock<Option<Tables>>,
    /// The engine refused a write: it refuses all until it is opened again.
    failed: watch::Sender<bool>,
    serving: AtomicBool,
    /// The disk is nearly full.
    low_on_disk: AtomicBool,
    reads: Semaphore,
}

/// One shard, seen by all.
pub(super) struct Shards {
    extent: watch::Sender<Extent>,
    work: Mutex<Work>,
    work_moved: watch::Sender<()>,
    /// Positions up to here were given out.
    mark: AtomicU64,
}

impl Shared {
    pub(super) fn new(options: Options) -> Self {
        let shards = (0..options.shards).map(|_| Shards::new()).collect();
        Self {
            shards,
            live: Fan::new(options.live_behind, Some(Live::Doubtful(Doubt::Overflow))),
            signals: Fan::new(SIGNALS_BEHIND, None),
            traced: Traced::default(),
            closed: CancellationToken::new(),
            waiting: AtomicUsize::new(0),
            tables: RwLock::new(None),
            failed: watch::Sender::new(false),
            serving: AtomicBool::new(false),
            low_on_disk: AtomicBool::new(false),
            reads: Semaphore::new(READS),
            options,
        }
    }

    pub(super) fn shard_numbers(&self) -> impl Iterator<Item = Shard> + use<> {
        (0..self.options.shards).filter_map(Shard::new)
    }

    /// A shard that a caller named.
    pub(super) fn shard(&self, shard: Shard) -> Result<&Shards, BusError> {
        self.shards.get(usize::from(shard.get())).ok_or_else(|| BusError::Other(format!("there is no shard {shard}")))
    }

    /// A shard that was found by [`Shared::shard`] or comes from [`Shared::shard_numbers`].
    pub(super) fn shard_at(&self, shard: Shard) -> &Shards {
        self.shards.get(usize::from(shard.get())).expect("callers check the number first")
    }

    /// Everything up to here is done.
    pub(super) fn settled(&self, shard: Shard) -> Seq {
        self.shard_at(shard).work().settled()
    }

    /// Reads off the runtime's threads, a bounded number at once.
    pub(super) async fn read<R: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Tables) -> fjall::Result<R> + Send + 'static,
    ) -> Result<R, BusError> {
        let turn = tokio::time::timeout(READ_WAIT, self.reads.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(BusError::Unavailable) };
        let shared = self.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let tables = shared.tables.read();
            tables.as_ref().map(read)
        });
        match reading.await {
            Ok(Some(Ok(found))) => Ok(found),
            Ok(Some(Err(err))) => Err(BusError::Other(err.to_string())),
            Ok(None) | Err(_) => Err(BusError::Unavailable),
        }
    }

    pub(super) fn serve(&self, tables: Tables) {
        *self.tables.write() = Some(tables);
        self.failed.send_replace(false);
        self.serving.store(true, Ordering::Release);
        ::metrics::gauge!(metrics::CONNECTED).set(1.0);
    }

    /// When it returns, nothing here holds the database any more.
    pub(super) fn stop_serving(&self) {
        self.serving.store(false, Ordering::Release);
        *self.tables.write() = None;
        ::metrics::gauge!(metrics::CONNECTED).set(0.0);
    }

    pub(super) fn is_low_on_disk(&self) -> bool {
        self.low_on_disk.load(Ordering::Acquire)
    }

    /// What the disk has free; `None` if it does not say.
    pub(super) fn on_disk_free(&self, bytes: Option<u64>) {
        let low = bytes.is_some_and(|bytes| bytes < self.options.free_bytes_min);
        if self.low_on_disk.swap(low, Ordering::AcqRel) != low {
            if low {
                tracing::error!(
                    free_bytes = bytes,
                    "the disk is nearly full; the log takes nothing until there is room"
                );
            } else {
                tracing::info!(free_bytes = bytes, "the disk has room again; the log goes on");
            }
        }
    }

    pub(super) fn close(&self) {
        self.closed.cancel();
        self.live.close();
        self.signals.close();
    }

    pub(super) fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Acquire) && !self.is_failed()
    }

    pub(super) fn is_failed(&self) -> bool {
        *self.failed.borrow()
    }

    /// Waits until the engine refuses writes.
    pub(super) async fn until_failed(&self) {
        // The sender lives as long as `self`, so this only ends with the failure.
        drop(self.failed.subscribe().wait_for(|failed| *failed).await);
    }

    pub(super) fn on_engine_error(&self, what: &'static str, err: &fjall::Error) {
        if !self.failed.send_replace(true) {
            ::metrics::gauge!(metrics::CONNECTED).set(0.0);
            tracing::error!(error = %err, "{what}; the log takes no more until its database is opened again");
        }
    }
}

impl Shards {
    fn new() -> Self {
        let nothing = Extent { created: Seq::ZERO, first: Seq::ZERO, last: Seq::ZERO, settled: Seq::ZERO, bytes: 0 };
        Self {
            extent: watch::Sender::new(nothing),
            work: Mutex::new(Work::after(Seq::ZERO)),
            work_moved: watch::Sender::new(()),
            mark: AtomicU64::new(0),
        }
    }

    pub(super) fn extent(&self) -> Extent {
        *self.extent.borrow()
    }

    pub(super) fn extent_moved(&self) -> watch::Receiver<Extent> {
        self.extent.subscribe()
    }

    pub(super) fn show(&self, extent: Extent) {
        self.extent.send_if_modified(|shown| std::mem::replace(shown, extent) != extent);
    }

    /// The extent is another one: consumers begin after what is settled.
    pub(super) fn restart(&self, extent: Extent) {
        *self.work.lock() = Work::after(extent.settled.max(before(extent.first)));
        self.show(extent);
        self.say_work_moved();
    }

    pub(super) fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock()
    }

    pub(super) fn work_moved(&self) -> watch::Receiver<()> {
        self.work_moved.subscribe()
    }

    pub(super) fn say_work_moved(&self) {
        self.work_moved.send_replace(());
    }

    pub(super) fn mark(&self) -> Seq {
        Seq::new(self.mark.load(Ordering::Acquire)).unwrap_or(Seq::MAX)
    }

    pub(super) fn guard(&self, seq: Seq) {
        self.mark.fetch_max(seq.get(), Ordering::AcqRel);
    }

    pub(super) fn went_back(&self) -> bool {
        self.mark() > self.extent().last
    }
}
