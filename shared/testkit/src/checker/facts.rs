//! The history, sorted by message and place.

use std::collections::{BTreeMap, BTreeSet};

use chat_protocol::{ConversationId, MessageId, Seq};

use super::history::{Event, Key, Mark, Row};
use super::verdict::Counts;

/// Where an event lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) seq: Seq,
    pub(super) id: MessageId,
}

/// Everything about one message.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// When it was sent, and over which socket; one entry a try.
    pub(super) tries: Vec<(Mark, u32)>,
    /// When it was acknowledged, and whether as new.
    pub(super) acks: Vec<(Mark, bool)>,
    /// It was refused for good at least once.
    pub(super) failed: bool,
    /// At least one try had no answer.
    pub(super) unknown: bool,
    /// Where it was ever said to be, each place once.
    pub(super) places: Vec<Place>,
    /// When it was first visible to anybody.
    pub(super) visible: Option<Mark>,
}

#[derive(Debug, Default)]
pub(super) struct Facts<'h> {
    pub(super) messages: BTreeMap<Key, Message>,
    /// What was ever said to have this address; `None` = an event that is no new message.
    pub(super) addresses: BTreeMap<MessageId, Vec<(ConversationId, Option<Key>)>>,
    /// The addresses that were ever said to be at a position of a conversation.
    pub(super) positions: BTreeMap<(ConversationId, Seq), Vec<MessageId>>,
    /// Each reading of a conversation.
    pub(super) reads: BTreeMap<ConversationId, Vec<(Mark, &'h [Row])>>,
    /// What the last reading of each conversation shows: that is the one that counts.
    pub(super) stored: BTreeMap<ConversationId, BTreeSet<Key>>,
    pub(super) counts: Counts,
}

impl<'h> Facts<'h> {
    pub(super) fn of(history: &'h [Event]) -> Self {
        let mut facts = Self::default();
        for (at, event) in history.iter().enumerate() {
            facts.add(Mark(at), event);
        }
        facts.counts.sent = facts.messages.values().filter(|message| !message.tries.is_empty()).count();
        facts.counts.acked = facts.messages.values().filter(|message| !message.acks.is_empty()).count();
        facts.counts.read = facts.reads.len();
        for conversation in facts.reads.keys() {
            let (_, rows) = facts.last_read(*conversation).unwrap_or_default();
            facts.stored.insert(*conversation, rows.iter().map(|row| row.key(*conversation)).collect());
        }
        facts
    }

    /// When the last reading of a conversation was asked for, and what it showed.
    pub(super) fn last_read(&self, conversation: ConversationId) -> Option<(Mark, &'h [Row])> {
        self.reads.get(&conversation).and_then(|reads| reads.last()).copied()
    }

    fn add(&mut self, at: Mark, event: &'h Event) {
        match event {
            Event::Sent { key, socket } => self.message(*key).tries.push((at, *socket)),
            Event::Acked { key, id, seq, duplicate } => {
                self.message(*key).acks.push((at, !duplicate));
                self.counts.duplicates += usize::from(*duplicate);
                self.place(key.conversation, Place { seq: *seq, id: *id }, Some(*key));
            }
            Event::Failed { key } => self.message(*key).failed = true,
            Event::Unknown { key } => self.message(*key).unknown = true,
            Event::Seen { conversation, seq, id, message, .. } => {
                let key = message.map(|(sender, client_id)| Key { conversation: *conversation, sender, client_id });
                self.counts.seen += usize::from(key.is_some());
                self.show(at, *conversation, Place { seq: *seq, id: *id }, key);
            }
            Event::Read { conversation, asked, rows } => {
                for row in rows {
                    let place = Place { seq: row.seq, id: row.id };
                    self.show(at, *conversation, place, Some(row.key(*conversation)));
                }
                self.reads.entry(*conversation).or_default().push((*asked, rows));
            }
            Event::Follow { .. }
            | Event::Unfollow { .. }
            | Event::Resync { .. }
            | Event::Opened { .. }
            | Event::Malformed { .. } => {}
        }
    }

    fn show(&mut self, at: Mark, conversation: ConversationId, place: Place, key: Option<Key>) {
        if let Some(key) = key {
            self.message(key).visible.get_or_insert(at);
        }
        self.place(conversation, place, key);
    }

    fn place(&mut self, conversation: ConversationId, place: Place, key: Option<Key>) {
        if let Some(key) = key {
            add_once(&mut self.message(key).places, place);
        }
        add_once(self.addresses.entry(place.id).or_default(), (conversation, key));
        add_once(self.positions.entry((conversation, place.seq)).or_default(), place.id);
    }

    fn message(&mut self, key: Key) -> &mut Message {
        self.messages.entry(key).or_default()
    }
}

fn add_once<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}
