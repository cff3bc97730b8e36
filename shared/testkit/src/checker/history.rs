//! What is recorded.

use std::fmt;
use std::sync::Arc;

use chat_protocol::{ClientId, ConversationId, MessageId, Seq, UserId};
use parking_lot::Mutex;

/// Whoever looks at conversations: one device, over all its reconnects.
pub type Client = u32;

/// What makes a message one message, however often it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Key {
    pub conversation: ConversationId,
    pub sender: UserId,
    pub client_id: ClientId,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} by {} in {}", self.client_id, self.sender, self.conversation)
    }
}

/// A message as history shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Row {
    pub seq: Seq,
    pub id: MessageId,
    pub sender: UserId,
    pub client_id: ClientId,
}

impl Row {
    /// What makes it one message.
    pub fn key(&self, conversation: ConversationId) -> Key {
        Key { conversation, sender: self.sender, client_id: self.client_id }
    }
}

/// A moment of the history: how much had been recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub(super) usize);

/// What somebody asked, was told, or saw.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Recorded *before* the message leaves, once for each try.
    Sent {
        /// Which message.
        key: Key,
        /// Over which connection: what one connection sends, and sends once, keeps its order.
        socket: u32,
    },
    /// The log has it. Recorded *after* the answer came.
    Acked {
        /// Which message.
        key: Key,
        /// Its address.
        id: MessageId,
        /// Its position.
        seq: Seq,
        /// It had been there already.
        duplicate: bool,
    },
    /// Refused for good: unless a later try is acknowledged, nobody may ever see it.
    Failed {
        /// Which message.
        key: Key,
    },
    /// No answer, or one that says to try again: it may be there or not.
    Unknown {
        /// Which message.
        key: Key,
    },
    /// From now on the client is owed every event after a position. Follows anew after each reconnect, and ends what
    /// it followed of that conversation before.
    Follow {
        /// Who.
        client: Client,
        /// What.
        conversation: ConversationId,
        /// Its cursor; for "from now on", the head that the server answered.
        after: Seq,
    },
    /// It is owed nothing more.
    Unfollow {
        /// Who.
        client: Client,
        /// What.
        conversation: ConversationId,
    },
    /// An event arrived.
    Seen {
        /// Where.
        client: Client,
        /// Of which conversation.
        conversation: ConversationId,
        /// Its position.
        seq: Seq,
        /// The position before it; 0 = unknown.
        prev: Seq,
        /// Its address.
        id: MessageId,
        /// Of whom and which, if it is a new message; other events only keep the chain.
        message: Option<(UserId, ClientId)>,
    },
    /// The server says that it does not send the events after `from`, up to `head`.
    Resync {
        /// To whom.
        client: Client,
        /// Of which conversation.
        conversation: ConversationId,
        /// What the client has, as the server knows.
        from: Seq,
        /// Where live events go on.
        head: Seq,
    },
    /// A conversation's history was read from its beginning to its end.
    Read {
        /// Which.
        conversation: ConversationId,
        /// When it was asked for: what was acknowledged by then must be there.
        asked: Mark,
        /// Everything, oldest first.
        rows: Vec<Row>,
    },
    /// A store was opened again after its process was killed.
    Opened {
        /// Which.
        what: String,
        /// Why it could not be.
        error: Option<String>,
    },
    /// Something malformed was sent.
    Malformed {
        /// What.
        input: String,
        /// What came of it.
        outcome: Outcome,
    },
}

/// What came of malformed input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The error that the documentation promises.
    Documented,
    /// Another error, a 5xx, a hang, a lost process; in words.
    Broken(String),
}

/// Collects what clients see, in the order in which it happens. Clones write to the same history.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    events: Arc<Mutex<Vec<Event>>>,
}

impl Recorder {
    /// This happened now.
    pub fn record(&self, event: Event) {
        self.events.lock().push(event);
    }

    /// This moment, to be kept while a history is read.
    pub fn mark(&self) -> Mark {
        Mark(self.events.lock().len())
    }

    /// All that happened so far.
    pub fn history(&self) -> Vec<Event> {
        self.events.lock().clone()
    }
}
