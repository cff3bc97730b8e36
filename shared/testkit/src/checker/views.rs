//! What must be true of each client's view: contiguous from where it follows, and complete at the end.

use std::collections::{BTreeMap, BTreeSet};

use chat_protocol::{ConversationId, MessageId, Seq};

use super::facts::Facts;
use super::history::{Client, Event, Key};
use super::verdict::Verdict;

pub(super) fn judge(history: &[Event], facts: &Facts<'_>, verdict: &mut Verdict) {
    let mut views: BTreeMap<(Client, ConversationId), View> = BTreeMap::new();
    for event in history {
        match event {
            Event::Follow { client, conversation, after } => {
                let new = View::new(*client, *conversation, *after);
                if let Some(old) = views.insert((*client, *conversation), new) {
                    old.close(false, facts, verdict);
                }
            }
            Event::Unfollow { client, conversation } => {
                if let Some(view) = views.remove(&(*client, *conversation)) {
                    view.close(false, facts, verdict);
                }
            }
            Event::Seen { client, conversation, seq, prev, id, message } => {
                let key = message.map(|(sender, client_id)| Key { conversation: *conversation, sender, client_id });
                match views.get_mut(&(*client, *conversation)) {
                    Some(view) => view.see(*seq, *prev, *id, key, verdict),
                    None => {
                        verdict.phantom.push(format!("client {client} saw {id} of {conversation} without following"))
                    }
                }
            }
            Event::Resync { client, conversation, from, head } => {
                if let Some(view) = views.get_mut(&(*client, *conversation)) {
                    view.resync(*from, *head, verdict);
                }
            }
            _ => {}
        }
    }
    for view in views.into_values() {
        view.close(true, facts, verdict);
    }
}

/// One client's view of one conversation since it followed.
#[derive(Debug)]
struct View {
    client: Client,
    conversation: ConversationId,
    after: Seq,
    /// Up to here the server has sent, or said that it does not send.
    last: Seq,
    seen: BTreeSet<Seq>,
    messages: BTreeSet<Key>,
    /// After the first, up to the second: the server said that it does not send these.
    excused: Vec<(Seq, Seq)>,
}

impl View {
    fn new(client: Client, conversation: ConversationId, after: Seq) -> Self {
        let (seen, messages) = (BTreeSet::new(), BTreeSet::new());
        Self { client, conversation, after, last: after, seen, messages, excused: Vec::new() }
    }

    fn see(&mut self, seq: Seq, prev: Seq, id: MessageId, message: Option<Key>, verdict: &mut Verdict) {
        let Self { client, conversation, last, .. } = *self;
        if !self.seen.insert(seq) {
            verdict.doubled.push(format!("client {client} saw {id} of {conversation} twice"));
            return;
        }
        if seq <= last {
            verdict.reordered.push(format!("client {client} saw {seq} of {conversation} after {last}"));
            return;
        }
        if prev > last {
            verdict
                .gaps
                .push(format!("client {client} saw {seq} of {conversation} after {last}, but {prev} is between"));
        } else if prev > Seq::ZERO && prev < last && self.seen.contains(&last) {
            verdict.phantom.push(format!("client {client} saw {last} of {conversation}, which {seq} does not follow"));
        }
        self.last = seq;
        self.messages.extend(message);
    }

    fn resync(&mut self, from: Seq, head: Seq, verdict: &mut Verdict) {
        let Self { client, conversation, last, .. } = *self;
        if from > last {
            verdict.gaps.push(format!("client {client} was told to read {conversation} after {from}, but has {last}"));
        }
        self.excused.push((from, head));
        self.last = self.last.max(head);
    }

    /// The client looks no longer. If it would have gone on (`open`), it must have been sent everything.
    fn close(self, open: bool, facts: &Facts<'_>, verdict: &mut Verdict) {
        let Self { client, conversation, after, last, .. } = self;
        let Some((_, rows)) = facts.last_read(conversation) else {
            if !self.messages.is_empty() {
                verdict.unproved.push(format!("client {client} saw {conversation}, which was never read"));
            }
            return;
        };
        let stored = facts.stored.get(&conversation);
        for key in self.messages.iter().filter(|key| stored.is_some_and(|stored| !stored.contains(key))) {
            verdict.phantom.push(format!("client {client} saw {key}, which is not stored"));
        }
        for row in rows.iter().filter(|row| row.seq > after && !self.has(row.seq)) {
            let key = row.key(conversation);
            let acked = facts.messages.get(&key).is_some_and(|message| !message.acks.is_empty());
            if row.seq <= last {
                verdict.gaps.push(format!("client {client} never saw {key} at {}, but {last}", row.seq));
            } else if open && acked {
                verdict.lost.push(format!("{key} was acknowledged, but never reached client {client}"));
            } else if open {
                verdict.gaps.push(format!("client {client} never saw {key} at {}, the end", row.seq));
            }
        }
    }

    fn has(&self, seq: Seq) -> bool {
        self.seen.contains(&seq) || self.excused.iter().any(|(from, head)| *from < seq && seq <= *head)
    }
}
