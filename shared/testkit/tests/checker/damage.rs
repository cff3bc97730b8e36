//! What is done to a good history. Each says whether the history held something that it could be done to.
#![expect(clippy::ptr_arg, reason = "all kinds of damage have one signature")]

use chat_protocol::{ClientId, MessageId, Seq, Shard, UserId};
use chat_testkit::checker::{Event, Key, Outcome, Row};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

pub(super) fn forget_message(history: &mut Vec<Event>, chance: &mut StdRng) -> bool {
    let Some(forgotten) = choose(history, chance, acked) else { return false };
    history.retain(|event| seen(event) != Some(forgotten));
    edit_rows(history, |key, _| key != forgotten);
    true
}

pub(super) fn forget_in_early_read(history: &mut Vec<Event>, chance: &mut StdRng) -> bool {
    let reads: Vec<usize> = positions(history, |event| matches!(event, Event::Read { .. }));
    let early = &reads[..reads.len().saturating_sub(3)];
    for read in early {
        let before: Vec<Key> = history[..*read].iter().filter_map(acked).collect();
        let Event::Read { conversation, rows, .. } = &mut history[*read] else { unreachable!() };
        let known = |row: &Row| before.contains(&row.key(*conversation));
        let candidates: Vec<usize> = rows.iter().enumerate().filter(|(_, row)| known(row)).map(|(at, _)| at).collect();
        if let Some(at) = candidates.choose(chance) {
            rows.remove(*at);
            return true;
        }
    }
    false
}

pub(super) fn lose_tail(history: &mut Vec<Event>, _: &mut StdRng) -> bool {
    let acked: Vec<Key> = history.iter().filter_map(acked).collect();
    let last = history.iter().rposition(|event| matches!(event, Event::Seen { .. })).expect("something was seen");
    let lost = seen(&history[last]).is_some_and(|key| acked.contains(&key));
    history.remove(last);
    lost
}

pub(super) fn close_store(history: &mut Vec<Event>, _: &mut StdRng) -> bool {
    let opened = history.iter_mut().find_map(|event| match event {
        Event::Opened { error, .. } => Some(error),
        _ => None,
    });
    *opened.expect("a store was opened") = Some("a block is damaged".to_owned());
    true
}

pub(super) fn lose_middle(history: &mut Vec<Event>, chance: &mut StdRng) -> bool {
    lose_one_before_another(history, chance, true)
}

pub(super) fn lose_control_event(history: &mut Vec<Event>, chance: &mut StdRng) -> bool {
    lose_one_before_another(history, chance, false)
}

/// Of two deliveries that follow each other in one view, the first.
fn lose_one_before_another(history: &mut Vec<Event>, chance: &mut StdRng, of_message: bool) -> bool {
    let pairs = neighbours(history);
    let wanted =
        |first: &usize| matches!(&history[*first], Event::Seen { message, .. } if message.is_some() == of_message);
    let candidates: Vec<usize> = pairs.into_iter().map(|(first, _)| first).filter(wanted).collect();
    let Some(lost) = candidates.choose(chance) else { return false };
    history.remove(*lost);
    true
}

pub(super) fn silence_resync(history: &mut Vec<Event>, chance: &mut StdRng) -> bool {
    let wide = |event: &Event| matches!(event, Event::Resync { from, head, .. } if from < head);
    let Some(silent) = positions(history, |event| wide(event)).choose(chance).copied() else { return false };
    let Event::Resync { client, conversation, .. } = history[silent] else { unreachable!() };
    // Somebody who leaves at once could not know.
    let goes_on = history[silent + 1..].iter().find_map(|event| match event {
        Event::Seen { client: c, conversation: v, .. } if (*c, *v) == (client, conversation) => Some(true),
        Event::Follow { client: c, conversation: v, .. }
        | Event::Unfollow { client: c, conversation: v }
        | Event::Resync { client: c, conversation: v, .. }
            if (*c, *v) == (client, conversation) =>
        {
            Some(false)
        }
        _ => None,
    });
    history.remove(silent);
    goes_on == Some(true)
}

pub(super) fn shorten_resync(history: &mut Vec<Event>, chance: &mut StdRng) -> bool {
    let wide = |event: &Event| matches!(event, Event::Resync { from, head, .. } if from < head);
    let Some(at) = positions(history, |event| wide(event)).choose(chance).copied() else { return false };
    let Event::Resync { from, .. } = &mut history[at] else { unreachable!() };
    *from = from.next();
    true
}

pub(super) fn deliver_twice(history: &mut Vec<Event>, chance: &mut StdRng) -> bool {
    let deliveries = positions(history, |event| matches!(event, Event::Seen { .. }));
    let at = *deliveries.choose(chance).expect("something was seen");
    history.insert(at, history[at].clone());
    true
}

pub(super) fn store_twice(history: &mut Vec<Event>, chance: &mut StdRng) -> bool {
    let rows = last_rows(history);
    let again = *rows.choose(chance).expect("something is stored");
    rows.push(Row { seq: beyond(), id: id(beyond()), ..again });
    true
}

pub(super) fn move_ack(history: &mut Vec<Event>, chance: &mut StdRng) -> bool {
    let acks = positions(history, |event| matches!(event, Event::Acked { .. }));
    let Event::Acked { id: at, seq, .. } = &mut history[*acks.choose(chance).expect("something was acked")] else {
        unreachable!()
    };
    (*at, *seq) = (id(beyond()), beyond());
    true
}

pub(super) fn renew_ack(history: &mut Vec<Event>, chance: &mut StdRng) -> bool {
    let acks = positions(history, |event| matches!(event, Event::Acked { duplicate: false, .. }));
    let at = *acks.choose(chance).expect("something was acked");
    history.insert(at, history[at].clone());
    true
}

pub(super) fn swap_deliveries(history: &mut Vec<Event>, chance: &mut StdRng) -> bool {
    let Some((first, second)) = neighbours(history).choose(chance).copied() else { return false };
    history.swap(first, second);
    true
}

pub(super) fn swap_rows(history: &mut Vec<Event>, _: &mut StdRng) -> bool {
    let rows = last_rows(history);
    rows.swap(0, 1);
    true
}

/// Somebody waited for one acknowledgement before the next message, and yet that one comes first for everybody.
pub(super) fn swap_places(history: &mut Vec<Event>, _: &mut StdRng) -> bool {
    let acks: Vec<(usize, Key, Seq)> = history
        .iter()
        .enumerate()
        .filter_map(|(at, event)| match event {
            Event::Acked { key, seq, duplicate: false, .. } => Some((at, *key, *seq)),
            _ => None,
        })
        .collect();
    for (at, first, first_seq) in &acks {
        let sent_later = |key: &Key| !history[..*at].iter().any(|event| sent(event) == Some(*key));
        let same_sender = |key: &Key| (key.conversation, key.sender) == (first.conversation, first.sender);
        let later = acks.iter().find(|(_, key, _)| same_sender(key) && sent_later(key));
        if let Some((_, second, second_seq)) = later {
            let (first, second, first_seq, second_seq) = (*first, *second, *first_seq, *second_seq);
            rename(history, first, second_seq, second, first_seq);
            return true;
        }
    }
    false
}

pub(super) fn unsend(history: &mut Vec<Event>, chance: &mut StdRng) -> bool {
    let Some(key) = choose(history, chance, seen) else { return false };
    history.retain(|event| sent(event) != Some(key));
    true
}

pub(super) fn unstore(history: &mut Vec<Event>, chance: &mut StdRng) -> bool {
    let Some(key) = choose(history, chance, seen) else { return false };
    edit_rows(history, |stored, _| stored != key);
    true
}

pub(super) fn refuse(history: &mut Vec<Event>, chance: &mut StdRng) -> bool {
    let unknown: Vec<Key> =
        history.iter().filter_map(|event| if let Event::Unknown { key } = event { Some(*key) } else { None }).collect();
    let visible: Vec<Key> = history.iter().filter_map(seen).collect();
    let certain = |event: &Event| acked(event).filter(|key| !unknown.contains(key) && visible.contains(key));
    let Some(refused) = choose(history, chance, certain) else { return false };
    for event in history.iter_mut().filter(|event| acked(event) == Some(refused)) {
        *event = Event::Failed { key: refused };
    }
    true
}

/// The log went back, and gave a position out again.
pub(super) fn reuse_position(history: &mut Vec<Event>, chance: &mut StdRng) -> bool {
    let rows = last_rows(history);
    let old = *rows.choose(chance).expect("something is stored");
    rows.push(Row { sender: UserId::from_u128(99), client_id: ClientId::from_u128(99), ..old });
    true
}

pub(super) fn hang(history: &mut Vec<Event>, _: &mut StdRng) -> bool {
    let outcome = history.iter_mut().find_map(|event| match event {
        Event::Malformed { outcome, .. } => Some(outcome),
        _ => None,
    });
    *outcome.expect("something malformed was sent") = Outcome::Broken("no answer after 5 s".to_owned());
    true
}

fn acked(event: &Event) -> Option<Key> {
    if let Event::Acked { key, .. } = event { Some(*key) } else { None }
}

fn sent(event: &Event) -> Option<Key> {
    if let Event::Sent { key, .. } = event { Some(*key) } else { None }
}

fn seen(event: &Event) -> Option<Key> {
    let Event::Seen { conversation, message: Some((sender, client_id)), .. } = event else { return None };
    Some(Key { conversation: *conversation, sender: *sender, client_id: *client_id })
}

fn choose(history: &[Event], chance: &mut StdRng, of: impl Fn(&Event) -> Option<Key>) -> Option<Key> {
    history.iter().filter_map(of).collect::<Vec<_>>().choose(chance).copied()
}

fn positions(history: &[Event], of: impl Fn(&Event) -> bool) -> Vec<usize> {
    history.iter().enumerate().filter(|(_, event)| of(event)).map(|(at, _)| at).collect()
}

/// Deliveries that follow each other in one view, with nothing recorded between them.
fn neighbours(history: &[Event]) -> Vec<(usize, usize)> {
    let follows = |pair: &[Event]| match (&pair[0], &pair[1]) {
        (
            Event::Seen { client, conversation, .. },
            Event::Seen { client: same_client, conversation: same_conversation, .. },
        ) => (client, conversation) == (same_client, same_conversation),
        _ => false,
    };
    history.windows(2).enumerate().filter(|(_, pair)| follows(pair)).map(|(at, _)| (at, at + 1)).collect()
}

fn last_rows(history: &mut [Event]) -> &mut Vec<Row> {
    let last = history.iter_mut().rev().find_map(|event| match event {
        Event::Read { rows, .. } => Some(rows),
        _ => None,
    });
    last.expect("every history is read at its end")
}

fn edit_rows(history: &mut [Event], keep: impl Fn(Key, &mut Row) -> bool) {
    for event in history {
        if let Event::Read { conversation, rows, .. } = event {
            rows.retain_mut(|row| keep(row.key(*conversation), row));
        }
    }
}

/// Two messages change places, wherever they appear; each view and history stays in order.
fn rename(history: &mut [Event], first: Key, first_to: Seq, second: Key, second_to: Seq) {
    let other = |key: Key| match key {
        key if key == first => second,
        key if key == second => first,
        key => key,
    };
    for event in history.iter_mut() {
        match event {
            Event::Acked { key, id: address, seq, .. } if *key == first => (*address, *seq) = (id(first_to), first_to),
            Event::Acked { key, id: address, seq, .. } if *key == second => {
                (*address, *seq) = (id(second_to), second_to);
            }
            Event::Seen { conversation, message: Some((sender, client_id)), .. } => {
                let key = other(Key { conversation: *conversation, sender: *sender, client_id: *client_id });
                (*sender, *client_id) = (key.sender, key.client_id);
            }
            _ => {}
        }
    }
    edit_rows(history, |key, row| {
        (row.sender, row.client_id) = (other(key).sender, other(key).client_id);
        true
    });
}

fn beyond() -> Seq {
    Seq::MAX
}

fn id(seq: Seq) -> MessageId {
    MessageId::new(Shard::new(7).expect("a small number"), seq)
}
