//! A log that misbehaves on purpose, with a seed: what tests break the cluster with, and what must make a checker fail.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use chat_protocol::{ConversationId, Seq, Shard};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    Appended, BusError, Live, LiveStream, Log, Logged, Newest, Nonce, Replay, ShardState, SignalStream, Status, Topic,
    WorkStream,
};

/// What goes wrong, and how often: chances are between 0 and 1.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Of every chance below.
    pub seed: u64,
    /// A live event is never heard.
    pub live_lost: f64,
    /// A live event is heard twice.
    pub live_doubled: f64,
    /// A live event, and all after it, come later by up to this much.
    pub live_late: Duration,
    /// An append is stored, but its caller hears [`BusError::Unknown`].
    pub append_unknown: f64,
    /// An append is acknowledged before it is stored, and its server dies in between: a negative control, no honest log
    /// does this.
    pub append_lost: f64,
    /// The log forgets every nonce at once: a negative control, no honest log does this.
    pub dedupe_off: bool,
}

/// A log with faults. What it does not spoil it passes on.
pub struct Faulty {
    log: Arc<dyn Log>,
    faults: Faults,
    chance: Mutex<StdRng>,
}

impl Faulty {
    /// The same log, worse.
    pub fn over(log: Arc<dyn Log>, faults: Faults) -> Self {
        let chance = Mutex::new(StdRng::seed_from_u64(faults.seed));
        Self { log, faults, chance }
    }

    fn happens(&self, chance: f64) -> bool {
        self.chance.lock().random_bool(chance.clamp(0.0, 1.0))
    }
}

#[async_trait]
impl Log for Faulty {
    fn shards(&self) -> u16 {
        self.log.shards()
    }

    async fn append(
        &self,
        to: ConversationId,
        nonce: Nonce,
        event: Bytes,
        expect: Option<Seq>,
    ) -> Result<Appended, BusError> {
        let nonce = if self.faults.dedupe_off {
            let other: [u8; 16] = self.chance.lock().random();
            Nonce::hash(&[&other])
        } else {
            nonce
        };
        if self.happens(self.faults.append_lost) {
            let head = self.log.heads(&[to], true).await?.first().copied().flatten().unwrap_or(Seq::ZERO);
            return Ok(Appended { seq: head.next(), duplicate: false });
        }
        let appended = self.log.append(to, nonce, event, expect).await?;
        if self.happens(self.faults.append_unknown) { Err(BusError::Unknown) } else { Ok(appended) }
    }

    async fn live(&self, of: ConversationId) -> Result<LiveStream, BusError> {
        let live = self.log.live(of).await?;
        let (faults, seed) = (self.faults.clone(), self.chance.lock().random());
        let spoilt = stream::unfold((live, StdRng::seed_from_u64(seed)), move |(mut live, mut chance)| {
            let faults = faults.clone();
            async move {
                let item = live.next().await?;
                let late = faults.live_late.mul_f64(chance.random());
                if !late.is_zero() {
                    tokio::time::sleep(late).await;
                }
                let times = match item {
                    Live::Event(_) if chance.random_bool(faults.live_lost.clamp(0.0, 1.0)) => 0,
                    Live::Event(_) if chance.random_bool(faults.live_doubled.clamp(0.0, 1.0)) => 2,
                    _ => 1,
                };
                Some((stream::iter(std::iter::repeat_n(item, times)), (live, chance)))
            }
        });
        Ok(spoilt.flatten().boxed())
    }

    async fn replay(&self, of: ConversationId, after: Seq, most: usize) -> Result<Replay, BusError> {
        self.log.replay(of, after, most).await
    }

    async fn tail(&self, of: ConversationId, after: Seq, most: usize) -> Result<Vec<Logged>, BusError> {
        self.log.tail(of, after, most).await
    }

    async fn heads(&self, of: &[ConversationId], fresh: bool) -> Result<Vec<Option<Seq>>, BusError> {
        self.log.heads(of, fresh).await
    }

    async fn newest(&self, of: &[ConversationId]) -> Result<Newest, BusError> {
        self.log.newest(of).await
    }

    async fn shard_state(&self, shard: Shard) -> Result<ShardState, BusError> {
        self.log.shard_state(shard).await
    }

    async fn consume(&self, shard: Shard) -> Result<WorkStream, BusError> {
        self.log.consume(shard).await
    }

    async fn emit(&self, to: &Topic, signal: Bytes) -> Result<(), BusError> {
        self.log.emit(to, signal).await
    }

    async fn listen(&self, to: &Topic) -> Result<SignalStream, BusError> {
        self.log.listen(to).await
    }

    fn status(&self) -> Status {
        self.log.status()
    }

    async fn guard(&self, shard: Shard, seq: Seq) -> Result<(), BusError> {
        self.log.guard(shard, seq).await
    }

    async fn rebase(&self, shard: Shard) -> Result<Seq, BusError> {
        self.log.rebase(shard).await
    }
}
