//! Events at their positions, and what follows from them.

mod apply; // writes
mod page; // reads

use std::ops::Bound;

use async_trait::async_trait;
use bytes::Bytes;
use chat_protocol::{ClientId, ConversationId, MessageId, Seq, Shard, Timestamp, UserId, model::Message};
use serde::{Deserialize, Serialize};

use super::{
    Embedded,
    key::ends_with_seq,
    stage::Stage,
    tables::{Subject, Table},
    view::between,
};
use crate::{Cursor, DedupeRow, EventPage, EventRow, MessagePage, Messages, Quarantined, StoreError};

/// Every event by conversation and position.
static EVENTS: Table<Stored> = Table::new(Subject::Messages, b'e');
/// Messages by conversation and position: what became of them. Their texts are in their events.
static MESSAGES: Table<State> = Table::new(Subject::Messages, b'm');
/// Edits by conversation, position of the message, position of the edit.
static EDITS: Table<()> = Table::new(Subject::Messages, b'r');
/// Messages by conversation, sender and client id.
static DEDUPE: Table<Dedupe> = Table::new(Subject::Messages, b'd');
/// Events put aside, by shard and position.
static QUARANTINE: Table<Aside> = Table::new(Subject::Messages, b'q');

#[derive(Serialize, Deserialize)]
struct Stored {
    shard: u16,
    /// As appended; without content where it created or edited a message that is deleted.
    event: Bytes,
}

impl Stored {
    fn shard(&self) -> Result<Shard, StoreError> {
        Shard::new(self.shard).ok_or_else(|| StoreError::Other("a stored shard is out of range".into()))
    }
}

/// What became of a message. Edits and deletions may come before its creation.
#[derive(Default, Serialize, Deserialize)]
struct State {
    created: bool,
    /// The last edit.
    edit: Option<Seq>,
    /// The last deletion.
    deleted: Option<Seq>,
}

#[derive(Serialize, Deserialize)]
struct Dedupe {
    message: MessageId,
    until: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Aside {
    conversation: ConversationId,
    event: Bytes,
    reason: String,
    at: Timestamp,
}

#[async_trait]
impl Messages for Embedded {
    async fn apply(&self, batch: &[EventRow]) -> Result<(), StoreError> {
        let batch = batch.to_vec();
        self.write("apply", move |stage| batch.iter().try_for_each(|row| apply::event(stage, row))).await
    }

    async fn messages(&self, of: ConversationId, cursor: Cursor, size: usize) -> Result<MessagePage, StoreError> {
        self.read("messages", move |view| page::messages(view, of, cursor, size)).await
    }

    async fn message(&self, of: ConversationId, seq: Seq) -> Result<Option<Message>, StoreError> {
        self.read("message", move |view| match view.get(&MESSAGES, (of, seq))? {
            Some(state) if state.created => page::message(view, of, seq, &state).map(Some),
            _ => Ok(None),
        })
        .await
    }

    async fn events(&self, of: ConversationId, after: Seq, size: usize) -> Result<EventPage, StoreError> {
        self.read("events", move |view| page::events(view, of, after, size)).await
    }

    async fn stored_heads(&self, of: &[ConversationId]) -> Result<Vec<Option<Seq>>, StoreError> {
        let of = of.to_vec();
        self.read("stored_heads", move |view| {
            of.into_iter().map(|of| page::last_before(view, of, Bound::Included(Seq::MAX))).collect()
        })
        .await
    }

    async fn first_with(&self, of: ConversationId, by: UserId, id: ClientId) -> Result<Option<DedupeRow>, StoreError> {
        self.read("first_with", move |view| {
            let row = view.get(&DEDUPE, (of, by, id))?.filter(|row| row.until > view.now);
            Ok(row.map(|row| DedupeRow { message: row.message }))
        })
        .await
    }

    async fn quarantine(&self, event: &Quarantined) -> Result<(), StoreError> {
        let Quarantined { row, reason, at } = event.clone();
        self.write("quarantine", move |stage| {
            let aside = Aside { conversation: row.conversation, event: row.event, reason, at };
            stage.put(&QUARANTINE, (row.shard, row.seq), &aside)
        })
        .await
    }

    async fn quarantined(&self, shard: Shard, limit: usize) -> Result<Vec<Quarantined>, StoreError> {
        self.read("quarantined", move |view| {
            let rows = view.range(&QUARANTINE, between((shard, Seq::ZERO), (shard, Seq::MAX)));
            let aside = rows.take(limit).map(|row| {
                let (key, Aside { conversation, event, reason, at }) = row?;
                let row = EventRow { conversation, shard, seq: ends_with_seq(&key)?, event };
                Ok(Quarantined { row, reason, at })
            });
            aside.collect()
        })
        .await
    }
}

/// Removes a part of a conversation's events and what follows from them; whether there may be more.
pub(super) fn purge(stage: &mut Stage<'_>, of: ConversationId, most: usize) -> Result<bool, StoreError> {
    Ok(stage.remove_some(&DEDUPE, of, most)?
        || stage.remove_some(&EDITS, of, most)?
        || stage.remove_some(&MESSAGES, of, most)?
        || stage.remove_some(&EVENTS, of, most)?)
}
