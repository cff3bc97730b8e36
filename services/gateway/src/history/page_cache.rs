//! The newest messages of one conversation as they are now, with all that was added to them, and kept so by its events:
//! a page of them costs neither a query nor a merge, and mostly not even an encoding. Pure.

mod kept; // one message

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chat_protocol::{
    ConversationId, Seq, Shard, Timestamp,
    event::{Body, Event, ReactionChange, ReactionOp},
    frame::EventFrame,
    limits,
    model::Reaction,
};
use chat_store::{Cursor, MessagePage, Pin, Reacted};

pub use self::kept::{Kept, Shown};
use super::{Overlay, message_of, overlay};

/// Pins that are remembered: those of tombstones stay among them, so there may be more than count.
const PINS: usize = 2 * limits::PINS;

/// Reactions to the messages of one page: with more of them the store may not have read them all, and is asked each time.
const REACTIONS: usize = 5_000;

/// Messages, and whether there are more of them in the direction of the page.
pub type Found = (Vec<Arc<Kept>>, bool);

/// How much one conversation may keep.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub messages: usize,
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { messages: limits::CACHED_MESSAGES, bytes: limits::CACHED_BYTES }
    }
}

/// Every message after a position, as all events up to another one left it.
pub struct PageCache {
    place: (ConversationId, Shard),
    bounds: Bounds,
    /// Every event up to here has been applied.
    head: Seq,
    /// Every message after this one is here. `None` until the first event, where the log held nothing: it may have let
    /// go of all there was.
    from: Option<Seq>,
    /// Whether there are messages up to it, if that is known.
    older: Option<bool>,
    messages: BTreeMap<Seq, Arc<Kept>>,
    /// All pins of the conversation, if they are known.
    pins: Option<BTreeMap<Seq, Pin>>,
    bytes: usize,
}

/// What was read of the log and the store to begin with.
pub struct Read {
    /// The events after what was settled,
    pub overlay: Overlay,
    /// up to here.
    pub head: Seq,
    /// The newest page of the store, read after the events were,
    pub stored: MessagePage,
    /// of this size,
    pub size: usize,
    /// and after it the reactions to its messages,
    pub reactions: Vec<Reacted>,
    /// and the pins of the conversation.
    pub pins: Vec<Pin>,
}

impl PageCache {
    /// From every event in `(from, head]`.
    pub fn of_events<'a>(
        place: (ConversationId, Shard),
        from: Seq,
        head: Seq,
        events: impl IntoIterator<Item = &'a EventFrame>,
    ) -> Self {
        let mut cache = Self {
            place,
            bounds: Bounds::default(),
            head: from,
            from: Some(from).filter(|from| *from > Seq::ZERO),
            older: None,
            messages: BTreeMap::new(),
            pins: None,
            bytes: 0,
        };
        events.into_iter().for_each(|event| cache.apply(event));
        cache.reach(head);
        cache
    }

    /// From what was read.
    pub fn of_read(place: (ConversationId, Shard), bounds: Bounds, read: Read) -> Self {
        let Read { overlay, head, stored, size, reactions, pins } = read;
        let MessagePage { messages, more } = overlay.merge(stored, Cursor::Newest, size);
        let oldest = messages.last().filter(|_| more).map(|last| last.seq);
        let pins: BTreeMap<Seq, Pin> = overlay.pins(pins).into_iter().map(|pin| (pin.message, pin)).collect();
        let many = reactions.iter().map(|reacted| reacted.reactions.len()).sum::<usize>() > REACTIONS;
        let mut reactions: HashMap<Seq, Vec<Reaction>> =
            reactions.into_iter().map(|Reacted { message, reactions }| (message, reactions)).collect();
        // What the store already has of later events comes again, and lacks what it has not: only those are complete.
        let complete = messages.into_iter().filter(|message| message.seq <= head);
        let messages = complete.map(|mut message| {
            let seq = message.seq;
            message.pinned = !message.deleted && pins.contains_key(&seq);
            let reactions = overlay.reactions(seq, reactions.remove(&seq).unwrap_or_default());
            let kept = Kept::new(message, reactions);
            (seq, Arc::new(if many { kept.crowded() } else { kept }))
        });
        let messages: BTreeMap<Seq, Arc<Kept>> = messages.collect();
        let bytes = messages.values().map(|kept| kept.bytes()).sum();
        let from = Some(oldest.map_or(Seq::ZERO, Seq::before));
        let pins = (pins.len() <= PINS).then_some(pins);
        let mut cache = Self { place, bounds, head, from, older: Some(more), messages, pins, bytes };
        cache.trim();
        cache
    }

    /// Whether it began with what was read of the store, or with the conversation: reading again would not find more.
    pub const fn reaches_back(&self) -> bool {
        self.older.is_some()
    }

    /// Up to where everything has been applied.
    pub const fn head(&self) -> Seq {
        self.head
    }

    /// A page, if what is here is enough to know it.
    pub fn page(&self, cursor: Cursor, size: usize) -> Option<Found> {
        let (mut found, more): Found = match cursor {
            Cursor::Newest => self.below(Seq::MAX, size)?,
            Cursor::Before(end) => self.below(end, size)?,
            Cursor::After(start) => {
                let found: Vec<_> = self.after(start)?.take(size + 1).map(Arc::clone).collect();
                let more = found.len() > size;
                (found, more)
            }
            Cursor::Around(_) => return None,
        };
        found.truncate(size);
        found.iter().all(|kept| kept.is_whole()).then_some((found, more))
    }

    fn below(&self, end: Seq, size: usize) -> Option<Found> {
        let found: Vec<_> = self.messages.range(..end).rev().take(size + 1).map(cloned).collect();
        if found.len() > size {
            return Some((found, true));
        }
        let older = self.older?;
        (!older || found.len() == size).then_some((found, older))
    }

    /// Every message after a position, oldest first, if they are all here.
    pub fn after(&self, start: Seq) -> Option<impl Iterator<Item = &Arc<Kept>>> {
        let known = self.from.is_some_and(|from| start >= from) || self.older == Some(false);
        known.then(|| self.messages.range(start.next()..).map(|(_, kept)| kept))
    }

    /// The pins of the conversation, in no particular order, if they are known.
    pub fn pins(&self) -> Option<Vec<Pin>> {
        Some(self.pins.as_ref()?.values().copied().collect())
    }

    /// The next event; one that was applied before changes nothing.
    pub fn apply(&mut self, frame: &EventFrame) {
        let EventFrame { seq, at, by, body, .. } = frame;
        let (seq, at) = (*seq, *at);
        if seq <= self.head {
            return;
        }
        self.head = seq;
        self.from.get_or_insert(seq.before());
        match body {
            Body::ConversationCreated(_) => {
                self.from = Some(Seq::ZERO);
                self.older = Some(false);
                self.pins.get_or_insert_default();
            }
            Body::MessageCreated(_) => {
                let event = Event { at, by: *by, body: body.clone() };
                if let Some(message) = message_of(self.place, seq, &event) {
                    self.insert(Kept::new(message, Vec::new()));
                }
            }
            Body::MessageUpdated(updated) => {
                self.change(updated.message.seq(), |kept| {
                    kept.rewrite(|message| overlay::edit(message, seq, at, updated));
                });
            }
            Body::MessageDeleted(deleted) => {
                for message in &deleted.messages {
                    self.change(message.seq(), |kept| kept.delete(seq));
                }
            }
            Body::ReactionChanged(changed) => {
                self.change(changed.message.seq(), |kept| {
                    changed.changes.iter().for_each(|change| react(kept, change, at));
                });
            }
            Body::PinAdded(pin) => {
                let message = pin.message.seq();
                self.change(message, |kept| kept.pin(true));
                if let Some(pins) = &mut self.pins {
                    pins.insert(message, Pin { message, by: *by, at });
                }
                self.pins.take_if(|pins| pins.len() > PINS);
            }
            Body::PinRemoved(pin) => {
                let message = pin.message.seq();
                self.change(message, |kept| kept.pin(false));
                if let Some(pins) = &mut self.pins {
                    pins.remove(&message);
                }
            }
            _ => {}
        }
        self.trim();
    }

    /// Up to here there is nothing more to apply.
    pub fn reach(&mut self, head: Seq) {
        self.head = self.head.max(head);
    }

    fn insert(&mut self, kept: Kept) {
        let (seq, bytes) = (kept.seq(), kept.bytes());
        // One that the store already had is further than its creation.
        if self.messages.contains_key(&seq) {
            return;
        }
        self.messages.insert(seq, Arc::new(kept));
        self.bytes += bytes;
    }

    /// Those that are not here are older than all that are.
    fn change(&mut self, message: Seq, change: impl FnOnce(&mut Kept)) {
        if let Some(kept) = self.messages.get_mut(&message) {
            let kept = Arc::make_mut(kept);
            self.bytes -= kept.bytes();
            change(kept);
            self.bytes += kept.bytes();
        }
    }

    fn trim(&mut self) {
        while self.messages.len() > self.bounds.messages || self.bytes > self.bounds.bytes {
            let Some((seq, kept)) = self.messages.pop_first() else { return };
            self.bytes -= kept.bytes();
            self.from = Some(seq);
            self.older = Some(true);
        }
    }
}

fn react(kept: &mut Kept, change: &ReactionChange, at: Timestamp) {
    let ReactionChange { user, emoji, op } = change;
    let added = (*op == ReactionOp::Add).then(|| Reaction { emoji: emoji.clone(), user: *user, at });
    kept.react((*user, emoji), added);
}

fn cloned((_, kept): (&Seq, &Arc<Kept>)) -> Arc<Kept> {
    Arc::clone(kept)
}

#[cfg(test)]
mod tests;
