//! Sends of one socket, one append at a time per conversation: so their order in the log is the order they were sent
//! in, and a failure can fail what waits behind it. Pure.

use std::collections::{HashMap, VecDeque};

use chat_protocol::{ConversationId, frame::Send};

/// Sends that wait, over all conversations: a little more than the burst of frames a socket is allowed.
const WAITING: usize = 128;

/// Empty, and without memory, while nothing is under way.
#[derive(Debug, Default)]
pub struct Sends {
    /// A conversation has an entry while one of its sends is under way.
    queues: HashMap<ConversationId, VecDeque<Box<Send>>>,
    waiting: usize,
}

impl Sends {
    /// Answers the send if it is to be appended now; gives it back if too many wait.
    pub fn push(&mut self, send: Box<Send>) -> Result<Option<Box<Send>>, Box<Send>> {
        match self.queues.get_mut(&send.conversation) {
            None => {
                self.queues.insert(send.conversation, VecDeque::new());
                Ok(Some(send))
            }
            Some(_) if self.waiting >= WAITING => Err(send),
            Some(queue) => {
                queue.push_back(send);
                self.waiting += 1;
                Ok(None)
            }
        }
    }

    /// The one under way is done: the next of its conversation.
    pub fn next(&mut self, conversation: ConversationId) -> Option<Box<Send>> {
        let next = self.queues.get_mut(&conversation).and_then(VecDeque::pop_front);
        if next.is_some() {
            self.waiting -= 1;
        } else {
            self.queues.remove(&conversation);
            if self.queues.is_empty() {
                self.queues = HashMap::new();
            }
        }
        next
    }

    /// Everything that waits in a conversation, taken out.
    pub fn clear(&mut self, conversation: ConversationId) -> VecDeque<Box<Send>> {
        let behind = self.queues.get_mut(&conversation).map(std::mem::take).unwrap_or_default();
        self.waiting -= behind.len();
        behind
    }
}
