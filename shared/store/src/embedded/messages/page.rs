//! Pages of messages and of events, each from one snapshot.

use std::ops::Bound;

use chat_protocol::{ConversationId, MessageId, Seq, event::Event, model::Message};
use fjall::UserKey;

use super::{EVENTS, MESSAGES, State, Stored};
use crate::{
    Cursor, EventPage, EventRow, MessagePage, StoreError,
    embedded::{key::ends_with_seq, view::View},
    fold,
};

/// A page, however many were asked for.
const MESSAGES_MAX: usize = chat_protocol::limits::PAGE_MAX;
const EVENTS_MAX: usize = 1_000;

pub(super) fn messages(
    view: &View<'_>,
    of: ConversationId,
    cursor: Cursor,
    size: usize,
) -> Result<MessagePage, StoreError> {
    let size = size.clamp(1, MESSAGES_MAX);
    match cursor {
        Cursor::Newest => older(view, of, Bound::Included(Seq::MAX), size),
        Cursor::Before(seq) => older(view, of, Bound::Excluded(seq), size),
        Cursor::After(seq) => newer(view, of, seq, size),
        Cursor::Around(seq) => {
            let mut messages = newer(view, of, seq, size / 2)?.messages;
            messages.reverse();
            let older = older(view, of, Bound::Included(seq), size - size / 2)?;
            messages.extend(older.messages);
            Ok(MessagePage { messages, more: older.more })
        }
    }
}

/// Newest first, from `last` on.
fn older(view: &View<'_>, of: ConversationId, last: Bound<Seq>, size: usize) -> Result<MessagePage, StoreError> {
    let rows = view.range(&MESSAGES, (Bound::Included((of, Seq::ZERO)), last.map(|seq| (of, seq))));
    page(view, of, rows.rev(), size)
}

/// Oldest first, after `seq`.
fn newer(view: &View<'_>, of: ConversationId, seq: Seq, size: usize) -> Result<MessagePage, StoreError> {
    let rows = view.range(&MESSAGES, (Bound::Excluded((of, seq)), Bound::Included((of, Seq::MAX))));
    page(view, of, rows, size)
}

fn page(
    view: &View<'_>,
    of: ConversationId,
    rows: impl Iterator<Item = Result<(UserKey, State), StoreError>>,
    size: usize,
) -> Result<MessagePage, StoreError> {
    let mut page = MessagePage::default();
    for row in rows {
        let (key, state) = row?;
        // An edit that came before its message.
        if !state.created {
            continue;
        }
        if page.messages.len() == size {
            page.more = true;
            break;
        }
        page.messages.push(message(view, of, ends_with_seq(&key)?, &state)?);
    }
    Ok(page)
}

/// A message that was created, as it stands now.
pub(super) fn message(view: &View<'_>, of: ConversationId, seq: Seq, state: &State) -> Result<Message, StoreError> {
    let (stored, created) = event(view, of, seq)?;
    let edit = match state.edit {
        Some(edit) => Some((edit, event(view, of, edit)?.1)),
        None => None,
    };
    fold::message(of, MessageId::new(stored.shard()?, seq), created, edit, state.deleted)
}

fn event(view: &View<'_>, of: ConversationId, seq: Seq) -> Result<(Stored, Event), StoreError> {
    let missing = || StoreError::Other(format!("no event at {seq}, where one is named"));
    let stored = view.get(&EVENTS, (of, seq))?.ok_or_else(missing)?;
    let event = fold::decode(&stored.event)?;
    Ok((stored, event))
}

pub(super) fn events(view: &View<'_>, of: ConversationId, after: Seq, size: usize) -> Result<EventPage, StoreError> {
    let size = size.clamp(1, EVENTS_MAX);
    let mut page = EventPage::default();
    for row in view.range(&EVENTS, (Bound::Excluded((of, after)), Bound::Included((of, Seq::MAX)))) {
        let (key, stored) = row?;
        if page.events.len() == size {
            page.more = true;
            break;
        }
        let (shard, seq) = (stored.shard()?, ends_with_seq(&key)?);
        page.events.push(EventRow { conversation: of, shard, seq, event: stored.event });
    }
    if let Some(first) = page.events.first() {
        page.prev = last_before(view, of, Bound::Excluded(first.seq))?.unwrap_or(Seq::ZERO);
    }
    Ok(page)
}

/// The newest position of a conversation up to a bound.
pub(super) fn last_before(view: &View<'_>, of: ConversationId, last: Bound<Seq>) -> Result<Option<Seq>, StoreError> {
    let mut rows = view.range(&EVENTS, (Bound::Included((of, Seq::ZERO)), last.map(|seq| (of, seq))));
    rows.next_back().map(|row| ends_with_seq(&row?.0)).transpose()
}
