//! One message with what was added to it, and the document that most readers see of it, encoded once.

use std::sync::{Arc, OnceLock};

use chat_protocol::{
    Seq, UserId, limits,
    model::{Content, Message, Reaction},
};
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::history::{additions::summaries, overlay};

/// Beside what was written: the fields of a message, as a value and as a document.
const FRAME_BYTES: usize = 1_024;
/// One reaction, with the allocation of its emoji.
const REACTION_BYTES: usize = 96;
/// A span, a mention, an attachment: as a value and as a document.
const PART_BYTES: usize = 192;

/// A message as it is now.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Without its reactions.
    message: Message,
    /// Oldest first.
    reactions: Vec<Reaction>,
    /// There were too many of them to be kept.
    crowded: bool,
    /// As whoever did not react to it sees it.
    json: OnceLock<Option<Box<RawValue>>>,
    /// Of what was written.
    content_bytes: usize,
}

impl Kept {
    pub fn new(message: Message, reactions: Vec<Reaction>) -> Self {
        let content_bytes = content_bytes(&message);
        let mut kept = Self { message, reactions, crowded: false, json: OnceLock::new(), content_bytes };
        kept.reacted();
        kept
    }

    /// Without its reactions: they are too many.
    pub fn crowded(mut self) -> Self {
        self.crowded = !self.message.deleted;
        self.reactions = Vec::new();
        self
    }

    /// Its position.
    pub const fn seq(&self) -> Seq {
        self.message.seq
    }

    /// The message, without its reactions.
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// Whether its reactions are all known.
    pub const fn is_whole(&self) -> bool {
        !self.crowded
    }

    /// What it takes in memory, roughly and rather too much.
    pub const fn bytes(&self) -> usize {
        FRAME_BYTES + self.content_bytes + self.reactions.len() * REACTION_BYTES
    }

    /// Changes the message itself.
    pub fn rewrite(&mut self, change: impl FnOnce(&mut Message)) {
        change(&mut self.message);
        self.content_bytes = content_bytes(&self.message);
        self.json = OnceLock::new();
    }

    /// A tombstone shows nothing that was added to it.
    pub fn delete(&mut self, at: Seq) {
        self.reactions = Vec::new();
        self.crowded = false;
        self.rewrite(|message| {
            overlay::delete(message, at);
            message.pinned = false;
        });
    }

    pub fn pin(&mut self, present: bool) {
        self.message.pinned = present && !self.message.deleted;
        self.json = OnceLock::new();
    }

    /// What one user thinks of it with one emoji: `None` takes it back.
    pub fn react(&mut self, (user, emoji): (UserId, &str), added: Option<Reaction>) {
        if self.crowded || self.message.deleted {
            return;
        }
        self.reactions.retain(|held| held.user != user || held.emoji != emoji);
        self.reactions.extend(added);
        self.reactions.sort_by(Reaction::oldest_first);
        self.reacted();
    }

    fn reacted(&mut self) {
        if self.message.deleted {
            self.reactions = Vec::new();
        }
        // The store reads no more of one emoji than are counted: from so many on it is asked each time.
        if self.reactions.len() >= limits::REACTION_COUNT as usize {
            self.reactions = Vec::new();
            self.crowded = true;
        }
        self.json = OnceLock::new();
    }

    /// The message as one reader sees it.
    pub fn seen_by(&self, viewer: UserId) -> Message {
        Message { reactions: summaries(&self.reactions, viewer), ..self.message.clone() }
    }

    fn concerns(&self, viewer: UserId) -> bool {
        self.reactions.iter().any(|reaction| reaction.user == viewer)
    }

    /// Nobody has this id: it is the view of whoever did not react.
    fn json(&self) -> Option<&RawValue> {
        let json = self.json.get_or_init(|| to_raw_value(&self.seen_by(UserId::from_u128(0))).ok());
        json.as_deref()
    }
}

/// A message on a page, for one reader.
#[derive(Debug)]
pub enum Shown {
    /// The same for all who did not react to it.
    Kept(Arc<Kept>),
    /// Made for this reader.
    Own(Box<Message>),
}

impl Shown {
    pub fn of(kept: Arc<Kept>, viewer: UserId) -> Self {
        if kept.concerns(viewer) { Self::Own(Box::new(kept.seen_by(viewer))) } else { Self::Kept(kept) }
    }

    /// The position of the message.
    pub fn seq(&self) -> Seq {
        match self {
            Self::Kept(kept) => kept.seq(),
            Self::Own(message) => message.seq,
        }
    }
}

impl From<Message> for Shown {
    fn from(message: Message) -> Self {
        Self::Own(Box::new(message))
    }
}

/// The document of [`Message`].
impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Kept(kept) => match kept.json() {
                Some(json) => json.serialize(serializer),
                None => kept.seen_by(UserId::from_u128(0)).serialize(serializer),
            },
            Self::Own(message) => message.serialize(serializer),
        }
    }
}

/// Twice, as a value and as a document.
fn content_bytes(message: &Message) -> usize {
    let Content { text, spans, payload, attachments, .. } = &message.content;
    let text = text.as_ref().map_or(0, String::len);
    let payload = payload.as_ref().map_or(0, |payload| payload.to_string().len());
    let parts = spans.len() + attachments.len() + message.mentions.len();
    // A value of JSON takes several times its text.
    2 * text + 5 * payload + parts * PART_BYTES
}
