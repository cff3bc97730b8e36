//! What must be true of each message: there once, at one place, in its sender's order.

use std::collections::{BTreeMap, BTreeSet};

use chat_protocol::{ClientId, ConversationId, Seq, UserId};

use super::facts::{Facts, Message};
use super::history::{Key, Mark, Row};
use super::verdict::Verdict;

pub(super) fn judge(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (key, message) in &facts.messages {
        judge_one(key, message, facts, verdict);
    }
    judge_reads(facts, verdict);
    judge_places(facts, verdict);
    judge_order_of_senders(facts, verdict);
}

fn judge_one(key: &Key, message: &Message, facts: &Facts<'_>, verdict: &mut Verdict) {
    let first_try = message.tries.first().map(|(at, _)| *at);
    if let Some(visible) = message.visible {
        if first_try.is_none_or(|sent| visible < sent) {
            verdict.phantom.push(format!("{key} is visible, but was not sent"));
        } else if message.failed && message.acks.is_empty() && !message.unknown {
            verdict.phantom.push(format!("{key} is visible, but was refused"));
        }
    }
    if message.places.len() > 1 {
        let places: Vec<String> = message.places.iter().map(|place| place.seq.to_string()).collect();
        verdict.doubled.push(format!("{key} is at {}", places.join(" and at ")));
    }
    let new = message.acks.iter().filter(|(_, new)| *new).count();
    if new > 1 {
        verdict.doubled.push(format!("{key} was acknowledged as new {new} times"));
    }
    if let Some((last, _)) = message.acks.last() {
        match facts.last_read(key.conversation) {
            None => verdict.unproved.push(format!("{key} was acknowledged, but its conversation was never read")),
            Some((asked, _)) if asked <= *last => {
                verdict.unproved.push(format!("{key} was acknowledged after its conversation was last read"));
            }
            Some(_) => {}
        }
    }
}

/// What was acknowledged before a history was asked for is in it; and it is in order, each message once.
fn judge_reads(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (conversation, reads) in &facts.reads {
        let acked: Vec<(&Key, Mark)> = of(*conversation, &facts.messages)
            .filter_map(|(key, message)| message.acks.first().map(|(at, _)| (key, *at)))
            .collect();
        for (asked, rows) in reads {
            let there: BTreeSet<Key> = rows.iter().map(|row| row.key(*conversation)).collect();
            for (key, _) in acked.iter().filter(|(key, at)| at < asked && !there.contains(key)) {
                verdict.lost.push(format!("{key} was acknowledged, but is not in history"));
            }
            judge_rows(*conversation, rows, verdict);
        }
    }
}

fn judge_rows(conversation: ConversationId, rows: &[Row], verdict: &mut Verdict) {
    let mut keys = BTreeSet::new();
    for row in rows {
        let key = row.key(conversation);
        if !keys.insert(key) {
            verdict.doubled.push(format!("{key} is twice in one history"));
        }
    }
    for (first, second) in rows.iter().zip(rows.iter().skip(1)).filter(|(first, second)| first.seq > second.seq) {
        verdict.reordered.push(format!("history of {conversation} has {} before {}", first.seq, second.seq));
    }
}

fn judge_places(facts: &Facts<'_>, verdict: &mut Verdict) {
    for (id, named) in &facts.addresses {
        if let [(conversation, first), (other_conversation, second), ..] = named.as_slice() {
            let (first, second) = (name(*conversation, *first), name(*other_conversation, *second));
            verdict.reused.push(format!("{id} is {first} and {second}"));
        }
    }
    for ((conversation, seq), ids) in &facts.positions {
        if let [first, second, ..] = ids.as_slice() {
            verdict.reused.push(format!("position {seq} of {conversation} is {first} and {second}"));
        }
        for id in ids.iter().filter(|id| id.seq() != *seq) {
            verdict.reused.push(format!("{id} is at {seq} of {conversation}, but names {}", id.seq()));
        }
    }
}

fn name(conversation: ConversationId, message: Option<Key>) -> String {
    message.map_or_else(|| format!("an event in {conversation}"), |key| key.to_string())
}

/// A sender who waited for the acknowledgement of one message before sending the next sees them in this order; so does
/// one who sent both, each once, over one socket.
fn judge_order_of_senders(facts: &Facts<'_>, verdict: &mut Verdict) {
    let mut by_sender: BTreeMap<(ConversationId, UserId), Vec<Sending<'_>>> = BTreeMap::new();
    for (key, message) in &facts.messages {
        if let ([(sent, socket), retries @ ..], [place, ..]) = (message.tries.as_slice(), message.places.as_slice()) {
            let sending = Sending {
                key,
                sent: *sent,
                acked: message.acks.first().map(|(at, _)| *at),
                once: retries.is_empty().then_some(*socket),
                seq: place.seq,
            };
            by_sender.entry((key.conversation, key.sender)).or_default().push(sending);
        }
    }
    for sendings in by_sender.values_mut() {
        sendings.sort_by_key(|sending| sending.sent);
        judge_waiting(sendings, verdict);
        judge_pipelines(sendings, verdict);
    }
}

#[derive(Debug, Clone, Copy)]
struct Sending<'f> {
    key: &'f Key,
    sent: Mark,
    acked: Option<Mark>,
    /// The socket, if there was no retry.
    once: Option<u32>,
    seq: Seq,
}

fn judge_waiting(sendings: &[Sending<'_>], verdict: &mut Verdict) {
    let mut acked: Vec<(Mark, &Sending<'_>)> =
        sendings.iter().filter_map(|sending| sending.acked.map(|at| (at, sending))).collect();
    acked.sort_by_key(|(at, _)| *at);
    let mut acked = acked.into_iter().peekable();
    let mut highest: Option<&Sending<'_>> = None;
    for later in sendings {
        while let Some((_, earlier)) = acked.next_if(|(at, _)| *at < later.sent) {
            if highest.is_none_or(|highest| highest.seq < earlier.seq) {
                highest = Some(earlier);
            }
        }
        if let Some(earlier) = highest.filter(|earlier| earlier.seq > later.seq) {
            verdict.reordered.push(out_of_order(earlier, later));
        }
    }
}

fn judge_pipelines(sendings: &[Sending<'_>], verdict: &mut Verdict) {
    let mut last: BTreeMap<u32, &Sending<'_>> = BTreeMap::new();
    for later in sendings {
        let Some(socket) = later.once else { continue };
        if let Some(earlier) = last.insert(socket, later).filter(|earlier| earlier.seq > later.seq) {
            verdict.reordered.push(out_of_order(earlier, later));
        }
    }
}

fn out_of_order(earlier: &Sending<'_>, later: &Sending<'_>) -> String {
    let (before, after) = (earlier.key.client_id, later.seq);
    format!("{} is at {after}, but its sender sent {before} before, which is at {}", later.key, earlier.seq)
}

fn of(conversation: ConversationId, all: &BTreeMap<Key, Message>) -> impl Iterator<Item = (&Key, &Message)> {
    let first = Key { conversation, sender: UserId::from_u128(0), client_id: ClientId::from_u128(0) };
    all.range(first..).take_while(move |(key, _)| key.conversation == conversation)
}
