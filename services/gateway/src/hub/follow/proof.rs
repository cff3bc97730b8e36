//! What a client proves to have, and how much it may be sent.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use chat_protocol::{
    ConversationId, Seq, Shard,
    frame::{Ref, Resync, ResyncReason},
    limits,
};

/// What a client proves to have, beside its cursor.
#[derive(Debug, Clone, Default)]
pub struct Proof {
    /// Whether it stands on a resume token's word alone.
    pub resumed: bool,
    /// From a resume token: everything of a shard up to here was delivered.
    pub settled: BTreeMap<Shard, Seq>,
    /// Whether the store may be asked for a conversation's head (not on a resume).
    pub store: bool,
    /// What a `resync` answers.
    pub reference: Option<Ref>,
}

impl Proof {
    pub(super) fn resync(&self, conversation: ConversationId, from: Seq, head: Seq, reason: ResyncReason) -> Resync {
        Resync { reference: self.reference, conversation, from, head, reason }
    }
}

/// How many events one resume may still replay, over all its conversations.
#[derive(Debug)]
pub struct Budget {
    left: AtomicUsize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: AtomicUsize::new(limits::RESUME_EVENTS_ALL) }
    }
}

impl Budget {
    pub(super) fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    /// Conversations that are replayed at once may overdraw it by one page each; that bounds it well enough.
    pub(super) fn spend(&self, events: usize) {
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(events)));
    }
}
