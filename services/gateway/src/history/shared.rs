//! Equal reads under way share one query: a hot conversation costs the store one read, not one per reader.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use chat_bus::Log;
use chat_protocol::{ConversationId, Seq, Shard};
use chat_store::{Cursor, MessagePage, Pin, Reacted, Store};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;

use crate::{fault::Fault, metrics};

/// What was settled before a read is part of what it asks: a reader that knows of more must not join an older read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Asked {
    pub of: ConversationId,
    pub settled: Seq,
}

/// Reads under way, by what they ask.
#[derive(Default)]
pub struct SharedReads {
    messages: Flights<(Asked, (u8, Seq), usize), MessagePage>,
    reactions: Flights<(Asked, Vec<Seq>), Vec<Reacted>>,
    pins: Flights<Asked, Vec<Pin>>,
    settled: Flights<Shard, Seq>,
    /// Conversations whose newest messages are being read to be kept.
    pub(super) fills: Flights<ConversationId, ()>,
}

impl SharedReads {
    /// Up to where the store lacks nothing of a shard; what another one asked a moment ago is as true.
    pub async fn settled(&self, log: &Arc<dyn Log>, shard: Shard) -> Result<Seq, Fault> {
        let log = Arc::clone(log);
        self.settled.join(shard, async move { Ok(log.shard_state(shard).await?.settled) }).await
    }

    /// A page of the store.
    pub async fn messages(
        &self,
        store: &Arc<dyn Store>,
        asked: Asked,
        cursor: Cursor,
        size: usize,
    ) -> Result<MessagePage, Fault> {
        let begins = match cursor {
            Cursor::Newest => (0, Seq::ZERO),
            Cursor::Before(seq) => (1, seq),
            Cursor::After(seq) => (2, seq),
            Cursor::Around(seq) => (3, seq),
        };
        let store = Arc::clone(store);
        let read = async move { Ok(store.messages(asked.of, cursor, size).await?) };
        self.messages.join((asked, begins, size), read).await
    }

    /// The reactions to some messages.
    pub async fn reactions(
        &self,
        store: &Arc<dyn Store>,
        asked: Asked,
        messages: Vec<Seq>,
    ) -> Result<Vec<Reacted>, Fault> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let (store, to) = (Arc::clone(store), messages.clone());
        self.reactions.join((asked, messages), async move { Ok(store.reactions(asked.of, &to).await?) }).await
    }

    /// The pins of a conversation.
    pub async fn pins(&self, store: &Arc<dyn Store>, asked: Asked) -> Result<Vec<Pin>, Fault> {
        let store = Arc::clone(store);
        self.pins.join(asked, async move { Ok(store.pins(asked.of).await?) }).await
    }
}

type Flight<T> = Shared<BoxFuture<'static, Result<T, Fault>>>;

/// Reads of one kind.
pub(super) struct Flights<K, T> {
    under_way: Mutex<HashMap<K, Flight<T>>>,
}

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self { under_way: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash, T: Clone + Send + Sync + 'static> Flights<K, T> {
    /// The answer of the read that is under way for `key`, or of this one.
    pub(super) async fn join(
        &self,
        key: K,
        read: impl Future<Output = Result<T, Fault>> + Send + 'static,
    ) -> Result<T, Fault> {
        let read = {
            let mut under_way = self.under_way.lock();
            if let Some(read) = under_way.get(&key) {
                metrics::read_coalesced();
                read.clone()
            } else {
                let read = read.boxed().shared();
                under_way.insert(key.clone(), read.clone());
                read
            }
        };
        // Whoever is first to see it done makes room for the next, fresher read.
        let _done = Forget { flights: self, key, read: &read };
        read.clone().await
    }
}

/// Also when the reader goes away: a read that nobody drives any more must not be joined.
struct Forget<'a, K: Eq + Hash, T> {
    flights: &'a Flights<K, T>,
    key: K,
    read: &'a Flight<T>,
}

impl<K: Eq + Hash, T> Drop for Forget<'_, K, T> {
    fn drop(&mut self) {
        let mut under_way = self.flights.under_way.lock();
        if under_way.get(&self.key).is_some_and(|present| present.ptr_eq(self.read)) {
            under_way.remove(&self.key);
        }
    }
}
