//! What a stretch of events says about messages, laid over what the store says. Pure.

use std::collections::{BTreeMap, HashSet};

use chat_protocol::{
    ConversationId, Seq, Shard, Timestamp, UserId,
    event::{Body, Event, MessageUpdated, ReactionOp},
    model::{Content, Message, Reaction},
};
use chat_store::{Cursor, MessagePage, Pin};

use super::message_of;

/// By emoji and user: whether the last change added it, and when.
type Reacted = BTreeMap<(String, UserId), (bool, Timestamp)>;

/// Messages and changes of messages, contiguous up to the conversation's head.
pub struct Overlay {
    place: (ConversationId, Shard),
    created: BTreeMap<Seq, Message>,
    edits: BTreeMap<Seq, (Seq, Timestamp, Box<MessageUpdated>)>,
    deleted: BTreeMap<Seq, Seq>,
    /// By message, the last change of each user and emoji.
    reactions: BTreeMap<Seq, Reacted>,
    /// By message, its last pin, or `None` where it was unpinned.
    pins: BTreeMap<Seq, Option<Pin>>,
    /// Whether the conversation's very first event is among them.
    whole: bool,
}

impl Overlay {
    /// Of no events.
    pub fn new(conversation: ConversationId, shard: Shard) -> Self {
        Self {
            place: (conversation, shard),
            created: BTreeMap::new(),
            edits: BTreeMap::new(),
            deleted: BTreeMap::new(),
            reactions: BTreeMap::new(),
            pins: BTreeMap::new(),
            whole: false,
        }
    }

    /// The next event.
    pub fn add(&mut self, seq: Seq, event: Event) {
        if let Some(message) = message_of(self.place, seq, &event) {
            self.created.insert(seq, message);
            return;
        }
        match event.body {
            Body::MessageUpdated(updated) => {
                self.edits.insert(updated.message.seq(), (seq, event.at, updated));
            }
            Body::MessageDeleted(deleted) => {
                self.deleted.extend(deleted.messages.iter().map(|message| (message.seq(), seq)));
            }
            Body::ReactionChanged(changed) => {
                let of_message = self.reactions.entry(changed.message.seq()).or_default();
                let changes = changed.changes.into_iter();
                of_message.extend(
                    changes.map(|change| ((change.emoji, change.user), (change.op == ReactionOp::Add, event.at))),
                );
            }
            Body::PinAdded(pin) => {
                let message = pin.message.seq();
                self.pins.insert(message, Some(Pin { message, by: event.by, at: event.at }));
            }
            Body::PinRemoved(pin) => {
                self.pins.insert(pin.message.seq(), None);
            }
            Body::ConversationCreated(_) => self.whole = true,
            _ => {}
        }
    }

    /// The messages that these events delete.
    pub fn deleted(&self) -> HashSet<Seq> {
        self.deleted.keys().copied().collect()
    }

    /// The reactions to a message, oldest first: what the store says with what these events changed of it.
    pub fn reactions(&self, message: Seq, mut stored: Vec<Reaction>) -> Vec<Reaction> {
        if let Some(changes) = self.reactions.get(&message) {
            stored.retain(|held| !changes.contains_key(&(held.emoji.clone(), held.user)));
            let added = changes.iter().filter(|(_, (present, _))| *present);
            stored.extend(added.map(|((emoji, user), (_, at))| Reaction {
                emoji: emoji.clone(),
                user: *user,
                at: *at,
            }));
            stored.sort_by(Reaction::oldest_first);
        }
        stored
    }

    /// The pins of the conversation, in the same way.
    pub fn pins(&self, mut stored: Vec<Pin>) -> Vec<Pin> {
        stored.retain(|pin| !self.pins.contains_key(&pin.message));
        stored.extend(self.pins.values().flatten());
        stored
    }

    /// A page from these events alone, if they are enough to know it.
    pub fn page(&self, cursor: Cursor, size: usize) -> Option<MessagePage> {
        let below = |end: Seq| {
            let mut messages: Vec<Message> = self
                .created
                .range(..end)
                .rev()
                .take(size + 1)
                .map(|(_, message)| self.current(message.clone()))
                .collect();
            let more = messages.len() > size;
            messages.truncate(size);
            (more || self.whole).then_some(MessagePage { messages, more })
        };
        match cursor {
            Cursor::Newest => below(Seq::MAX),
            Cursor::Before(end) => below(end),
            Cursor::After(_) | Cursor::Around(_) => None,
        }
    }

    /// Every message that these events created, as it is after them, oldest first.
    pub fn messages(&self) -> impl Iterator<Item = Message> {
        self.created.values().map(|message| self.current(message.clone()))
    }

    /// Lays these events over a page of the store that was read later than they were.
    pub fn merge(&self, stored: MessagePage, cursor: Cursor, size: usize) -> MessagePage {
        let MessagePage { messages, more } = stored;
        // Beyond the last one of a page that is not the end, the store holds what is not on it.
        let last = messages.last().map(|message| message.seq).filter(|_| more);
        let mut merged: BTreeMap<Seq, Message> = messages.into_iter().map(|message| (message.seq, message)).collect();
        for (seq, message) in &self.created {
            let wanted = match cursor {
                Cursor::Newest => last.is_none_or(|last| *seq >= last),
                Cursor::Before(end) => *seq < end && last.is_none_or(|last| *seq >= last),
                Cursor::After(start) => *seq > start && last.is_none_or(|last| *seq <= last),
                Cursor::Around(_) => false,
            };
            if wanted {
                merged.entry(*seq).or_insert_with(|| message.clone());
            }
        }
        let beyond = merged.len() > size;
        let current = |message| self.current(message);
        let messages = match cursor {
            Cursor::After(_) => merged.into_values().take(size).map(current).collect(),
            _ => merged.into_values().rev().take(size).map(current).collect(),
        };
        MessagePage { messages, more: more || beyond }
    }

    /// A message with what these events changed of it.
    fn current(&self, mut message: Message) -> Message {
        if let Some((seq, at, updated)) = self.edits.get(&message.seq) {
            edit(&mut message, *seq, *at, updated);
        }
        if let Some(seq) = self.deleted.get(&message.seq) {
            delete(&mut message, *seq);
        }
        message
    }
}

/// The edit at a position, unless a later one is known or there is nothing left to edit.
pub(super) fn edit(message: &mut Message, seq: Seq, at: Timestamp, edit: &MessageUpdated) {
    if seq > message.version && !message.deleted {
        message.content = edit.content.clone();
        message.mentions.clone_from(&edit.mentions);
        message.edited_at = Some(at);
        message.version = seq;
    }
}

/// The deletion at a position: what is left is what the store shows of a tombstone.
pub(super) fn delete(message: &mut Message, seq: Seq) {
    message.version = if message.deleted { message.version.max(seq) } else { seq };
    message.content = Content::default();
    message.mentions.clear();
    message.edited_at = None;
    message.deleted = true;
}

#[cfg(test)]
mod tests {
    use chat_protocol::{
        ClientId, MessageId, UserId,
        event::{MessageCreated, MessageDeleted},
        model::MessageKind,
    };
    use proptest::prelude::*;

    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::new(n).unwrap()
    }

    fn event(body: Body) -> Event {
        Event { at: Timestamp::EPOCH, by: UserId::from_u128(1), body }
    }

    fn text(text: &str) -> Content {
        Content { text: Some(text.into()), ..Content::default() }
    }

    fn created(n: u64) -> Event {
        event(Body::MessageCreated(Box::new(MessageCreated {
            client_id: ClientId::from_u128(n.into()),
            kind: MessageKind::Text,
            content: text("first"),
            mentions: Vec::new(),
            deleted: false,
        })))
    }

    fn overlay(events: impl IntoIterator<Item = (u64, Event)>) -> Overlay {
        let mut overlay = Overlay::new(ConversationId::from_u128(1), Shard::new(0).unwrap());
        events.into_iter().for_each(|(n, event)| overlay.add(seq(n), event));
        overlay
    }

    fn stored(all: &[u64], cursor: Cursor, size: usize) -> MessagePage {
        let mut seqs: Vec<u64> = match cursor {
            Cursor::Newest => all.iter().rev().copied().collect(),
            Cursor::Before(end) => all.iter().rev().copied().filter(|n| seq(*n) < end).collect(),
            Cursor::After(start) => all.iter().copied().filter(|n| seq(*n) > start).collect(),
            Cursor::Around(_) => unreachable!("made of the others"),
        };
        let more = seqs.len() > size;
        seqs.truncate(size);
        let place = (ConversationId::from_u128(1), Shard::new(0).unwrap());
        let messages = seqs.into_iter().filter_map(|n| message_of(place, seq(n), &created(n))).collect();
        MessagePage { messages, more }
    }

    #[test]
    fn edits_and_deletions_of_the_tail_reach_messages_of_the_store() {
        let id = |n| MessageId::new(Shard::new(0).unwrap(), seq(n));
        let edit = MessageUpdated { message: id(1), content: text("second"), mentions: Vec::new() };
        let delete = MessageDeleted { messages: vec![id(2)], reason: "author".into() };
        let overlay =
            overlay([(7, event(Body::MessageUpdated(Box::new(edit)))), (8, event(Body::MessageDeleted(delete)))]);
        let page = overlay.merge(stored(&[1, 2, 3], Cursor::Newest, 10), Cursor::Newest, 10);
        let texts: Vec<_> = page.messages.iter().map(|m| (m.seq.get(), m.content.text.clone(), m.deleted)).collect();
        let first = Some("first".to_owned());
        assert_eq!(texts, [(3, first, false), (2, None, true), (1, Some("second".to_owned()), false)]);
    }

    proptest! {
        /// However much of a conversation is stored and however far tail and store overlap, a page is what one complete
        /// list of messages would give.
        #[test]
        fn merged_pages_equal_pages_of_everything(total in 0_u64..40, stored_to in 0_u64..40, tail_from in 0_u64..40, at in 0_u64..45, size in 1_usize..12, kind in 0..3) {
            let stored_to = stored_to.min(total);
            let tail_from = tail_from.min(stored_to);
            let all: Vec<u64> = (1..=total).collect();
            let persisted: Vec<u64> = (1..=stored_to).collect();
            let cursor = match kind { 0 => Cursor::Newest, 1 => Cursor::Before(seq(at)), _ => Cursor::After(seq(at)) };
            let overlay = overlay((tail_from + 1..=total).map(|n| (n, created(n))));
            let merged = overlay.merge(stored(&persisted, cursor, size), cursor, size);
            prop_assert_eq!(merged, stored(&all, cursor, size));
        }
    }
}
