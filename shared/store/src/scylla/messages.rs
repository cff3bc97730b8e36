//! Reading what was said: pages walk the windows, newest to oldest or the other way, and stop when they are full.

use async_trait::async_trait;
use bytes::Bytes;
use chat_protocol::{
    ClientId, ConversationId, MessageId, Seq, Shard, UserId,
    event::{Body, Event, MessageCreated},
    model::{Content, Message},
};
use futures_util::future::try_join_all;
use scylla::{DeserializeRow, statement::prepared::PreparedStatement, value::CqlTimestamp};

use super::{
    Scylla,
    cells::{self, AsKey},
    db::Db,
};
use crate::{
    Cursor, DedupeRow, EventPage, EventRow, MessagePage, Messages, Quarantined, StoreError, fold,
    window::{Window, window_of},
};

/// Rows fetched at once at most: a row may have the size of a frame.
const STEP: usize = 250;
/// Above every position.
const PAST_ALL: i64 = i64::MAX;

pub(crate) struct Statements {
    down: PreparedStatement,
    up: PreparedStatement,
    one: PreparedStatement,
    head: PreparedStatement,
    first_with: PreparedStatement,
    quarantine: PreparedStatement,
    quarantined: PreparedStatement,
}

impl Statements {
    pub(crate) async fn prepare(db: &Db) -> Result<Self, StoreError> {
        let rows = "SELECT seq, shard, event, created, by_user, at, client_id, edit, WRITETIME(edit) AS edited, \
                    deleted FROM messages WHERE conversation = ? AND win = ?";
        Ok(Self {
            down: db.prepare_read(&format!("{rows} AND seq < ? ORDER BY seq DESC LIMIT ?")).await?,
            up: db.prepare_read(&format!("{rows} AND seq > ? ORDER BY seq ASC LIMIT ?")).await?,
            one: db.prepare_read(&format!("{rows} AND seq = ?")).await?,
            head: db
                .prepare_read(
                    "SELECT seq, shard FROM messages WHERE conversation = ? AND win = ? AND seq < ? \
                     ORDER BY seq DESC LIMIT ?",
                )
                .await?,
            first_with: db
                .prepare_read(
                    "SELECT seq, shard, expires_at FROM dedupe WHERE conversation = ? AND slot = ? AND user_id = ? \
                     AND client_id = ? LIMIT 1",
                )
                .await?,
            quarantine: db
                .prepare_write(
                    "INSERT INTO quarantine (shard, seq, conversation, event, reason, at) VALUES (?, ?, ?, ?, ?, ?) \
                     USING TIMESTAMP ?",
                )
                .await?,
            quarantined: db
                .prepare_read("SELECT seq, conversation, event, reason, at FROM quarantine WHERE shard = ? LIMIT ?")
                .await?,
        })
    }
}

#[derive(DeserializeRow)]
struct Row<'row> {
    seq: i64,
    shard: Option<i16>,
    event: Option<&'row [u8]>,
    created: Option<&'row str>,
    by_user: Option<&'row [u8]>,
    at: Option<CqlTimestamp>,
    client_id: Option<&'row [u8]>,
    edit: Option<&'row [u8]>,
    edited: Option<i64>,
    deleted: Option<i64>,
}

/// An event as it is stored, with what became of the message that it made.
struct Stored {
    id: MessageId,
    event: Bytes,
    message: Option<State>,
}

/// What changed a message after it was made.
struct State {
    edit: Option<(Seq, Bytes)>,
    deleted: Option<Seq>,
}

impl Row<'_> {
    /// `None` for what a change left of an event that is not stored yet.
    fn stored(&self) -> Result<Option<Stored>, StoreError> {
        let (Some(shard), Some(event)) = (self.shard, self.event) else { return Ok(None) };
        let deleted = self.deleted.map(cells::seq).transpose()?;
        let event = if deleted.is_some() { self.blank()? } else { cells::owned(event) };
        let message = match self.created {
            Some(_) => Some(State { edit: self.edit()?, deleted }),
            None => None,
        };
        Ok(Some(Stored { id: MessageId::new(cells::shard(shard)?, cells::seq(self.seq)?), event, message }))
    }

    fn edit(&self) -> Result<Option<(Seq, Bytes)>, StoreError> {
        match (self.edited, self.edit) {
            (Some(edited), Some(edit)) if !edit.is_empty() => Ok(Some((cells::seq(edited)?, cells::owned(edit)))),
            _ => Ok(None),
        }
    }

    /// The creation of a deleted message: who and when, not what.
    fn blank(&self) -> Result<Bytes, StoreError> {
        let (Some(kind), Some(by), Some(at), Some(client_id)) = (self.created, self.by_user, self.at, self.client_id)
        else {
            return Err(cells::broken("tombstone"));
        };
        let created = MessageCreated {
            client_id: cells::client_id(client_id)?,
            kind: cells::from_word(kind)?,
            content: Content::default(),
            mentions: Vec::new(),
            deleted: true,
        };
        let body = Body::MessageCreated(Box::new(created));
        Ok(Event { at: cells::time(at), by: cells::user_id(by)?, body }.encode())
    }
}

impl Stored {
    fn row(self, conversation: ConversationId) -> EventRow {
        EventRow { conversation, shard: self.id.shard(), seq: self.id.seq(), event: self.event }
    }

    /// The message that this event made, as it stands now.
    fn message(self, of: ConversationId) -> Result<Option<Message>, StoreError> {
        let Some(State { edit, deleted }) = self.message else { return Ok(None) };
        let decode = |bytes: &[u8]| Event::decode(bytes).map_err(|_| cells::broken("event"));
        let edit = edit.map(|(seq, edit)| Ok::<_, StoreError>((seq, decode(&edit)?))).transpose()?;
        fold::message(of, self.id, decode(&self.event)?, edit, deleted).map(Some)
    }
}

#[async_trait]
impl Messages for Scylla {
    async fn apply(&self, batch: &[EventRow]) -> Result<(), StoreError> {
        self.db.writing("apply", self.apply_events(batch)).await
    }

    async fn messages(&self, of: ConversationId, cursor: Cursor, size: usize) -> Result<MessagePage, StoreError> {
        self.db.reading("messages", self.page(of, cursor, size)).await
    }

    async fn message(&self, of: ConversationId, seq: Seq) -> Result<Option<Message>, StoreError> {
        let find = async {
            let windows = self.windows_below(of, seq.next()).await?;
            let Some(window) = window_of(&windows, seq) else { return Ok(None) };
            let place = (of.key(), cells::position(window.first), cells::position(seq));
            let answer = self.db.select(&self.messages.one, place).await?;
            let stored = cells::first::<Row<'_>>(&answer)?.map(|row| row.stored()).transpose()?.flatten();
            stored.map_or(Ok(None), |stored| stored.message(of))
        };
        self.db.reading("message", find).await
    }

    async fn events(&self, of: ConversationId, after: Seq, size: usize) -> Result<EventPage, StoreError> {
        let page = async {
            let mut found = self.above(of, after, size + 1, |_| true).await?;
            let more = found.len() > size;
            found.truncate(size);
            if found.is_empty() {
                return Ok(EventPage::default());
            }
            let prev = self.head_below(of, cells::position(after) + 1).await?.unwrap_or(Seq::ZERO);
            Ok(EventPage { events: found.into_iter().map(|stored| stored.row(of)).collect(), prev, more })
        };
        self.db.reading("events", page).await
    }

    async fn stored_heads(&self, of: &[ConversationId]) -> Result<Vec<Option<Seq>>, StoreError> {
        let heads = try_join_all(of.iter().map(|of| self.head_below(*of, PAST_ALL)));
        self.db.reading("stored_heads", heads).await
    }

    async fn first_with(&self, of: ConversationId, by: UserId, id: ClientId) -> Result<Option<DedupeRow>, StoreError> {
        let find = async {
            let key = (of.key(), super::apply::slot(id), by.key(), id.key());
            let answer = self.db.select(&self.messages.first_with, key).await?;
            match cells::first::<(i64, Option<i16>, Option<CqlTimestamp>)>(&answer)? {
                Some((seq, Some(shard), Some(expires_at))) if cells::time(expires_at) > self.clock.now() => {
                    Ok(Some(DedupeRow { message: MessageId::new(cells::shard(shard)?, cells::seq(seq)?) }))
                }
                _ => Ok(None),
            }
        };
        self.db.reading("first_with", find).await
    }

    async fn quarantine(&self, event: &Quarantined) -> Result<(), StoreError> {
        let Quarantined { row, reason, at } = event;
        let (shard, seq) = (cells::shard_cell(row.shard), cells::position(row.seq));
        let values = (shard, seq, row.conversation.key(), &row.event, reason, cells::time_cell(*at), seq);
        self.db.writing("quarantine", self.db.write(&self.messages.quarantine, values)).await
    }

    async fn quarantined(&self, shard: Shard, limit: usize) -> Result<Vec<Quarantined>, StoreError> {
        let list = async {
            let limit = i32::try_from(limit).unwrap_or(i32::MAX);
            let answer = self.db.select(&self.messages.quarantined, (cells::shard_cell(shard), limit)).await?;
            cells::each(&answer, |row: (i64, &[u8], &[u8], &str, CqlTimestamp)| {
                let (seq, conversation, event, reason, at) = row;
                let conversation = cells::conversation_id(conversation)?;
                let row = EventRow { conversation, shard, seq: cells::seq(seq)?, event: cells::owned(event) };
                Ok(Quarantined { row, reason: reason.to_owned(), at: cells::time(at) })
            })
        };
        self.db.reading("quarantined", list).await
    }
}

impl Scylla {
    async fn page(&self, of: ConversationId, cursor: Cursor, size: usize) -> Result<MessagePage, StoreError> {
        let is_message = |stored: &Stored| stored.message.is_some();
        let (newer, mut found, size) = match cursor {
            Cursor::Newest => (Vec::new(), self.below(of, None, size + 1, is_message).await?, size),
            Cursor::Before(seq) => (Vec::new(), self.below(of, Some(seq), size + 1, is_message).await?, size),
            Cursor::After(seq) => (Vec::new(), self.above(of, seq, size + 1, is_message).await?, size),
            Cursor::Around(seq) => {
                let (newer, older) = (size / 2, size - size / 2);
                let below = self.below(of, Some(seq.next()), older + 1, is_message).await?;
                (self.above(of, seq, newer, is_message).await?, below, older)
            }
        };
        let more = found.len() > size;
        found.truncate(size);
        let messages = newer.into_iter().rev().chain(found).map(|stored| stored.message(of));
        Ok(MessagePage { messages: messages.filter_map(Result::transpose).collect::<Result<_, _>>()?, more })
    }

    /// The newest `most` events before `below` that are wanted, newest first.
    async fn below(
        &self,
        of: ConversationId,
        below: Option<Seq>,
        most: usize,
        wanted: impl Fn(&Stored) -> bool + Send + Sync,
    ) -> Result<Vec<Stored>, StoreError> {
        let windows = match below {
            Some(below) => self.windows_below(of, below).await?,
            None => self.windows_now(of).await?,
        };
        let mut from = below.map_or(PAST_ALL, cells::position);
        let mut found = Vec::new();
        let start = from;
        for window in windows.iter().rev().filter(|window| cells::position(window.first) < start) {
            from = self.walk(&self.messages.down, of, *window, from, most, &wanted, &mut found).await?;
            if found.len() >= most {
                break;
            }
        }
        Ok(found)
    }

    /// The oldest `most` events after `above` that are wanted, oldest first.
    async fn above(
        &self,
        of: ConversationId,
        above: Seq,
        most: usize,
        wanted: impl Fn(&Stored) -> bool + Send + Sync,
    ) -> Result<Vec<Stored>, StoreError> {
        let windows = self.windows_now(of).await?;
        let mut from = cells::position(above);
        let mut found = Vec::new();
        for window in windows.iter().filter(|window| window.contains(above) || window.first > above) {
            from = self.walk(&self.messages.up, of, *window, from, most, &wanted, &mut found).await?;
            if found.len() >= most {
                break;
            }
        }
        Ok(found)
    }

    /// Goes on from `from` to the end of one window, or until `most` were found; answers how far it came.
    #[expect(clippy::too_many_arguments, reason = "one loop for both directions")]
    async fn walk(
        &self,
        statement: &PreparedStatement,
        of: ConversationId,
        window: Window,
        mut from: i64,
        most: usize,
        wanted: &(impl Fn(&Stored) -> bool + Sync),
        found: &mut Vec<Stored>,
    ) -> Result<i64, StoreError> {
        let mut step = most.saturating_sub(found.len()).clamp(1, STEP);
        while found.len() < most {
            let rows = i32::try_from(step).unwrap_or(i32::MAX);
            let place = (of.key(), cells::position(window.first), from, rows);
            let answer = self.db.select(statement, place).await?;
            for (seq, stored) in cells::each(&answer, |row: Row<'_>| Ok((row.seq, row.stored()?)))? {
                from = seq;
                found.extend(stored.filter(|stored| found.len() < most && wanted(stored)));
            }
            if answer.rows_num() < step {
                break;
            }
            // Few of them were wanted: reactions and joins lie between.
            step = (step * 2).min(STEP);
        }
        Ok(from)
    }

    /// The newest position stored before `below`.
    async fn head_below(&self, of: ConversationId, below: i64) -> Result<Option<Seq>, StoreError> {
        let windows = match cells::seq(below) {
            Ok(below) => self.windows_below(of, below).await?,
            Err(_) => self.windows_now(of).await?,
        };
        for window in windows.iter().rev().filter(|window| cells::position(window.first) < below) {
            let mut below = below;
            for rows in [1, 50].into_iter().chain(std::iter::repeat(1_000)) {
                let place = (of.key(), cells::position(window.first), below, rows);
                let answer = self.db.select(&self.messages.head, place).await?;
                // A row without a shard is a change whose event is not stored yet.
                let seqs = cells::each(&answer, |(seq, shard): (i64, Option<i16>)| Ok((seq, shard.is_some())))?;
                if let Some((seq, _)) = seqs.iter().find(|(_, is_event)| *is_event) {
                    return cells::seq(*seq).map(Some);
                }
                match seqs.last() {
                    Some((last, _)) if i32::try_from(seqs.len()) == Ok(rows) => below = *last,
                    _ => break,
                }
            }
        }
        Ok(None)
    }
}
