//! Equal reads under way share one query: a hot conversation costs the store one read, not one per reader.

use std::{collections::HashMap, sync::Arc};

use chat_protocol::{ConversationId, Seq};
use chat_store::{Cursor, MessagePage, Store};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;

use crate::{fault::Fault, metrics};

/// What was settled before the read is part of it: a reader that knows of more must not join an older read.
type Key = (ConversationId, Seq, u8, Seq, usize);
type Read = Shared<BoxFuture<'static, Result<MessagePage, Fault>>>;

/// Reads under way, by what they ask.
#[derive(Default)]
pub struct SharedReads {
    under_way: Mutex<HashMap<Key, Read>>,
}

impl SharedReads {
    /// A page of the store.
    pub async fn messages(
        &self,
        store: &Arc<dyn Store>,
        settled: Seq,
        of: ConversationId,
        cursor: Cursor,
        size: usize,
    ) -> Result<MessagePage, Fault> {
        let (kind, seq) = match cursor {
            Cursor::Newest => (0, Seq::ZERO),
            Cursor::Before(seq) => (1, seq),
            Cursor::After(seq) => (2, seq),
            Cursor::Around(seq) => (3, seq),
        };
        let key = (of, settled, kind, seq, size);
        let read = {
            let mut under_way = self.under_way.lock();
            if let Some(read) = under_way.get(&key) {
                metrics::read_coalesced();
                read.clone()
            } else {
                let store = Arc::clone(store);
                let read = async move { store.messages(of, cursor, size).await.map_err(Fault::from) }.boxed().shared();
                under_way.insert(key, read.clone());
                read
            }
        };
        // Whoever is first to see it done makes room for the next, fresher read.
        let _done = Forget { reads: self, key, read: &read };
        read.clone().await
    }
}

/// Also when the reader goes away: a read that nobody drives any more must not be joined.
struct Forget<'a> {
    reads: &'a SharedReads,
    key: Key,
    read: &'a Read,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        let mut under_way = self.reads.under_way.lock();
        if under_way.get(&self.key).is_some_and(|present| present.ptr_eq(self.read)) {
            under_way.remove(&self.key);
        }
    }
}
