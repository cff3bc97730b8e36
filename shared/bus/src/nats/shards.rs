//! What this node knows of each shard.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use chat_protocol::{Seq, Shard};
use tokio::{
    sync::{Mutex, Semaphore},
    time::Instant,
};

use super::{
    Core,
    api::{ConsumerInfo, Purge, Purged, StreamInfo, code},
    consume::CONSUMER,
    link::{AskError, Link},
    stream::Nothing,
};
use crate::{BusError, ShardState, metrics, subject};

/// All shards of the cluster.
pub(super) struct Shards(Vec<ShardLog>);

/// One shard, as this node sees it.
pub(super) struct ShardLog {
    pub(super) shard: Shard,
    pub(super) stream: String,
    /// Appends that may still be put in flight.
    pub(super) window: Semaphore,
    /// The highest position this node ever saw acknowledged, live, read or delivered.
    seen: AtomicU64,
    /// The highest position the store says was given out.
    mark: AtomicU64,
    gate: AtomicU8,
    /// Somebody on this node does its work.
    pub(super) worked: AtomicBool,
    info: Mutex<Option<(Instant, StreamInfo)>>,
    /// Held while it is compared or moved, so that an older look never overrules a newer one.
    pub(super) turn: Mutex<()>,
}

/// Whether appends may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Gate {
    /// Since the connection was made nobody compared the log with what it must hold.
    Unchecked = 0,
    Open = 1,
    WentBack = 2,
}

impl Shards {
    pub(super) fn new(count: u16, window: usize) -> Self {
        Self((0..count).filter_map(Shard::new).map(|shard| ShardLog::new(shard, window)).collect())
    }

    pub(super) fn all(&self) -> &[ShardLog] {
        &self.0
    }

    pub(super) fn get(&self, shard: Shard) -> Option<&ShardLog> {
        self.0.get(usize::from(shard.get()))
    }

    /// The shard, or the error of a caller whose shards are another cluster's.
    pub(super) fn known(&self, shard: Shard) -> Result<&ShardLog, BusError> {
        self.get(shard).ok_or_else(|| BusError::Other(format!("there is no shard {shard}")))
    }

    pub(super) fn went_back(&self) -> Vec<Shard> {
        self.0.iter().filter(|shard| shard.gate() == Gate::WentBack).map(|shard| shard.shard).collect()
    }
}

impl ShardLog {
    fn new(shard: Shard, window: usize) -> Self {
        Self {
            shard,
            stream: subject::stream(shard),
            window: Semaphore::new(window),
            seen: AtomicU64::new(0),
            mark: AtomicU64::new(0),
            gate: AtomicU8::new(Gate::Unchecked as u8),
            worked: AtomicBool::new(false),
            info: Mutex::new(None),
            turn: Mutex::new(()),
        }
    }

    /// Whether an append may pass now.
    pub(super) fn admit(&self) -> Result<(), BusError> {
        match self.gate() {
            Gate::Open => Ok(()),
            Gate::Unchecked => Err(BusError::Unavailable),
            Gate::WentBack => Err(BusError::WentBack { shard: self.shard }),
        }
    }

    pub(super) fn gate(&self) -> Gate {
        match self.gate.load(Ordering::Acquire) {
            0 => Gate::Unchecked,
            1 => Gate::Open,
            _ => Gate::WentBack,
        }
    }

    pub(super) fn set_gate(&self, gate: Gate) {
        self.gate.store(gate as u8, Ordering::Release);
    }

    /// To be compared again before the next append, unless it is known to have gone back.
    pub(super) fn doubt(&self) {
        let _was_not_open =
            self.gate.compare_exchange(Gate::Open as u8, Gate::Unchecked as u8, Ordering::AcqRel, Ordering::Acquire);
    }

    pub(super) fn saw(&self, seq: Seq) {
        self.seen.fetch_max(seq.get(), Ordering::AcqRel);
    }

    pub(super) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Acquire)
    }

    pub(super) fn mark(&self) -> u64 {
        self.mark.load(Ordering::Acquire)
    }

    pub(super) fn raise_mark(&self, seq: Seq) {
        self.mark.fetch_max(seq.get(), Ordering::AcqRel);
    }

    /// Nothing at or below it may ever be given out again.
    pub(super) fn floor(&self) -> u64 {
        self.seen().max(self.mark())
    }

    /// The stream's extent as its leader knew it after this call began. Callers that wait together share one answer.
    pub(super) async fn extent(&self, link: &Link, deadline: Instant) -> Result<StreamInfo, AskError> {
        let called = Instant::now();
        let mut last = self.info.lock().await;
        if let Some((asked, info)) = &*last
            && *asked >= called
        {
            return Ok(info.clone());
        }
        let asked = Instant::now();
        let info: StreamInfo = link.ask(&format!("STREAM.INFO.{}", self.stream), &Nothing {}, deadline).await?;
        *last = Some((asked, info.clone()));
        Ok(info)
    }
}

impl Core {
    pub(super) async fn shard_state(&self, shard: Shard) -> Result<ShardState, BusError> {
        let log = self.shards.known(shard)?;
        let deadline = self.read_deadline();
        let info = log.extent(&self.reader, deadline).await?;
        let verb = format!("CONSUMER.INFO.{}.{CONSUMER}", log.stream);
        let (settled, pending) = match self.reader.ask::<_, ConsumerInfo>(&verb, &Nothing {}, deadline).await {
            Ok(consumer) => (consumer.ack_floor.stream_seq, consumer.num_pending + consumer.num_ack_pending),
            Err(err) if err.is(code::CONSUMER_NOT_FOUND) => (0, info.state.messages),
            Err(err) => return Err(err.into()),
        };
        metrics::log_bytes(shard, info.state.bytes, self.options.max_bytes);
        let before_first = info.state.first_seq.saturating_sub(1);
        Ok(ShardState {
            first: position(info.state.first_seq)?,
            last: position(info.state.last_seq)?,
            settled: position(settled.max(before_first))?,
            pending,
            bytes: info.state.bytes,
        })
    }
}

impl Core {
    /// Takes away everything below `seq`; beyond the last event, the next one gets exactly it.
    pub(super) async fn purge(&self, shard: &ShardLog, seq: u64) -> Result<(), BusError> {
        let verb = format!("STREAM.PURGE.{}", shard.stream);
        let purged: Purged = self.reader.ask(&verb, &Purge { seq }, self.read_deadline()).await?;
        if purged.success { Ok(()) } else { Err(BusError::Unavailable) }
    }
}

/// A sequence the server gave, as a position of ours.
pub(super) fn position(seq: u64) -> Result<Seq, BusError> {
    Seq::new(seq).ok_or_else(|| BusError::Other(format!("sequence {seq} is beyond what a position holds")))
}
