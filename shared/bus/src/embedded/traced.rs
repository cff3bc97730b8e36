//! Traces of events that nobody has worked on yet: the tables do not hold them.

use std::{collections::HashMap, sync::Arc};

use chat_protocol::{Seq, Shard, trace::TraceParent};
use parking_lot::Mutex;

/// Kept at most; a trace beyond it goes on live and ends there.
const MOST: usize = 4_096;

/// Empty, and without memory, where nothing is traced.
#[derive(Default)]
pub(super) struct Traced(Mutex<HashMap<(Shard, Seq), Arc<TraceParent>>>);

impl Traced {
    pub(super) fn keep(&self, shard: Shard, seq: Seq, trace: &Arc<TraceParent>) {
        let mut kept = self.0.lock();
        if kept.len() < MOST {
            kept.insert((shard, seq), Arc::clone(trace));
        }
    }

    /// For the first who works on it.
    pub(super) fn take(&self, shard: Shard, seq: Seq) -> Option<Arc<TraceParent>> {
        self.0.lock().remove(&(shard, seq))
    }
}
