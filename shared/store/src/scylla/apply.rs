//! Writing what the log said. Events of one conversation go in their order, so that what is stored of it is a beginning
//! of what was said, never a part with a hole; conversations go side by side. Rows of one partition travel together.

use std::collections::{BTreeMap, HashMap};

use chat_protocol::{
    ClientId, ConversationId, Seq, UserId,
    event::{Body, Event},
    limits,
};
use futures_util::{
    future::{BoxFuture, FutureExt, try_join},
    stream::{self, StreamExt, TryStreamExt},
};
use scylla::{serialize::row::SerializeRow, statement::prepared::PreparedStatement};

use super::{
    Scylla,
    cells::{self, AsKey},
    db::{Db, Row},
};
use crate::{
    EventRow, StoreError,
    fold::{self, Change, Folded},
    window::Window,
};

/// Conversations written at once. Each has one batch in flight, and some for what follows from it.
const CONVERSATIONS: usize = 64;
const SIDES: usize = 8;
/// Of one batch: where servers begin to warn.
const BATCH_BYTES: usize = 5 * 1024;
const BATCH_ROWS: usize = 64;
/// What a row costs beside its event.
const ROW_BYTES: usize = 120;
/// How much of a client id's time shares a partition of dedupe rows.
const SLOT_MS: u64 = 10 * 60 * 1000;

/// The partition of a client id's dedupe row within its conversation.
pub(crate) const fn slot(id: ClientId) -> i64 {
    (id.ulid_ms() / SLOT_MS).cast_signed()
}

pub(crate) struct Statements {
    event: PreparedStatement,
    message: PreparedStatement,
    dedupe: PreparedStatement,
    edit: PreparedStatement,
    revision: PreparedStatement,
    delete: PreparedStatement,
    deleted: PreparedStatement,
    revisions: PreparedStatement,
    event_of: PreparedStatement,
    blank_event: PreparedStatement,
    reaction: PreparedStatement,
    pin: PreparedStatement,
    conversation: PreparedStatement,
    settings: PreparedStatement,
    delete_conversation: PreparedStatement,
    join: PreparedStatement,
    join_of_user: PreparedStatement,
    role: PreparedStatement,
    role_of_user: PreparedStatement,
    leave: PreparedStatement,
    leave_of_user: PreparedStatement,
}

impl Statements {
    pub(crate) async fn prepare(db: &Db) -> Result<Self, StoreError> {
        let write = |cql: &'static str| db.prepare_write(cql);
        Ok(Self {
            event: write(
                "INSERT INTO messages (conversation, win, seq, shard, event) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            message: write(
                "INSERT INTO messages (conversation, win, seq, shard, event, created, by_user, at, client_id) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            dedupe: write(
                "INSERT INTO dedupe (conversation, slot, user_id, client_id, seq, shard, expires_at) \
                 VALUES (?, ?, ?, ?, ?, ?, ?) USING TTL ? AND TIMESTAMP ?",
            )
            .await?,
            edit: write(
                "UPDATE messages USING TIMESTAMP ? SET edit = ? WHERE conversation = ? AND win = ? AND seq = ?",
            )
            .await?,
            revision: write(
                "INSERT INTO revisions (conversation, win, message, seq) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            delete: write(
                "UPDATE messages USING TIMESTAMP ? SET deleted = ?, event = ?, edit = ? \
                 WHERE conversation = ? AND win = ? AND seq = ?",
            )
            .await?,
            deleted: db
                .prepare_count("SELECT deleted FROM messages WHERE conversation = ? AND win = ? AND seq = ?")
                .await?,
            revisions: db
                .prepare_count("SELECT seq FROM revisions WHERE conversation = ? AND win = ? AND message = ?")
                .await?,
            event_of: db
                .prepare_count("SELECT event FROM messages WHERE conversation = ? AND win = ? AND seq = ?")
                .await?,
            blank_event: write(
                "UPDATE messages USING TIMESTAMP ? SET event = ? WHERE conversation = ? AND win = ? AND seq = ?",
            )
            .await?,
            reaction: write(
                "INSERT INTO reactions (conversation, win, message, emoji, user_id, present, at) \
                 VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            pin: write(
                "INSERT INTO pins (conversation, message, present, by_user, at) VALUES (?, ?, ?, ?, ?) \
                 USING TIMESTAMP ?",
            )
            .await?,
            conversation: write(
                "INSERT INTO conversations (id, kind, history, created_by, created_at) VALUES (?, ?, ?, ?, ?) \
                 USING TIMESTAMP ?",
            )
            .await?,
            settings: write(
                "UPDATE conversations USING TIMESTAMP ? SET visibility = ?, settings = ?, version = ? WHERE id = ?",
            )
            .await?,
            delete_conversation: write(
                "UPDATE conversations USING TIMESTAMP ? SET deleted = true, version = ? WHERE id = ?",
            )
            .await?,
            join: write(
                "UPDATE members USING TIMESTAMP ? SET present = true, role = ?, joined_at = ?, joined_seq = ? \
                 WHERE conversation = ? AND user_id = ?",
            )
            .await?,
            join_of_user: write(
                "UPDATE memberships USING TIMESTAMP ? SET present = true, role = ?, joined_at = ?, joined_seq = ? \
                 WHERE conversation = ? AND user_id = ?",
            )
            .await?,
            role: write("UPDATE members USING TIMESTAMP ? SET role = ? WHERE conversation = ? AND user_id = ?").await?,
            role_of_user: write(
                "UPDATE memberships USING TIMESTAMP ? SET role = ? WHERE conversation = ? AND user_id = ?",
            )
            .await?,
            leave: write("UPDATE members USING TIMESTAMP ? SET present = false WHERE conversation = ? AND user_id = ?")
                .await?,
            leave_of_user: write(
                "UPDATE memberships USING TIMESTAMP ? SET present = false WHERE conversation = ? AND user_id = ?",
            )
            .await?,
        })
    }
}

/// One row to write, and where.
pub(crate) struct Write {
    statement: PreparedStatement,
    row: Row,
    bytes: usize,
}

impl Write {
    pub(crate) fn new(statement: &PreparedStatement, row: impl SerializeRow + Send + Sync + 'static) -> Self {
        Self { statement: statement.clone(), row: Box::new(row), bytes: ROW_BYTES }
    }

    pub(crate) fn of_bytes(self, bytes: usize) -> Self {
        Self { bytes: self.bytes + bytes, ..self }
    }
}

/// A partition of a table beside the messages, within one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Dedupe {
        slot: i64,
    },
    Revisions {
        win: i64,
    },
    Reactions {
        win: i64,
    },
    Pins,
    Conversation,
    Members,
    MembershipsOf(UserId),
    Bans,
    /// Of the user whose feed this is, like the next but one.
    Blocks,
    BlockedBy(UserId),
    MemberSettings,
}

/// What is to be written of one conversation.
#[derive(Default)]
struct Plan {
    /// Rows of the messages in the order of their events, with their windows.
    rows: Vec<(i64, Write)>,
    /// All else, in any order.
    sides: HashMap<Side, Vec<Write>>,
    /// Messages whose content and edits must be gone once all this is written.
    gone: Vec<Gone>,
}

/// An edit or a deletion: the two must not miss each other.
enum Gone {
    Deleted { message: (i64, Seq), at: Seq },
    Edited { message: (i64, Seq), by: (i64, Seq) },
}

impl Scylla {
    pub(crate) async fn apply_events(&self, batch: &[EventRow]) -> Result<(), StoreError> {
        let mut conversations: HashMap<ConversationId, BTreeMap<Seq, (&EventRow, Folded)>> = HashMap::new();
        for row in batch {
            conversations.entry(row.conversation).or_default().insert(row.seq, (row, fold::fold(row)?));
        }
        let each = conversations.into_iter().map(|(of, events)| self.apply_conversation(of, events).boxed());
        at_once(CONVERSATIONS, each.collect()).await
    }

    async fn apply_conversation(
        &self,
        of: ConversationId,
        events: BTreeMap<Seq, (&EventRow, Folded)>,
    ) -> Result<(), StoreError> {
        let mut plan = Plan::default();
        for (row, folded) in events.into_values() {
            self.plan(row, folded, &mut plan).await?;
        }
        let rows = async {
            for together in in_order(plan.rows) {
                self.db.write_together(&together).await?;
            }
            Ok(())
        };
        let sides: Vec<Together> = plan.sides.into_values().flat_map(batches).collect();
        let sides = sides.iter().map(|together| self.db.write_together(together).boxed());
        try_join(rows, at_once(SIDES, sides.collect())).await?;
        for gone in plan.gone {
            self.forget(of, gone).await?;
        }
        Ok(())
    }

    async fn plan(&self, row: &EventRow, folded: Folded, plan: &mut Plan) -> Result<(), StoreError> {
        let (of, seq) = (row.conversation, row.seq);
        let win = self.win(of, seq).await?;
        plan.rows.push((win, self.event_row(row, &folded.event, win)));
        for change in folded.changes {
            let message = match &change {
                Change::MessageUpdated { message }
                | Change::MessageDeleted { message }
                | Change::Reaction { message, .. } => Some((self.win(of, *message).await?, *message)),
                _ => None,
            };
            match (change, message) {
                (Change::MessageUpdated { .. }, Some(message)) => {
                    let edit = Write::new(
                        &self.apply.edit,
                        (cells::position(seq), row.event.clone(), of.key(), message.0, cells::position(message.1)),
                    );
                    plan.rows.push((message.0, edit.of_bytes(row.event.len())));
                    let place =
                        (of.key(), message.0, cells::position(message.1), cells::position(seq), cells::position(seq));
                    plan.side(Side::Revisions { win: message.0 }, Write::new(&self.apply.revision, place));
                    plan.gone.push(Gone::Edited { message, by: (win, seq) });
                }
                (Change::MessageDeleted { .. }, Some(message)) => {
                    let stamp = cells::position(seq);
                    let place = (of.key(), message.0, cells::position(message.1));
                    let delete = (stamp, stamp, NOTHING, NOTHING, place.0, place.1, place.2);
                    plan.rows.push((message.0, Write::new(&self.apply.delete, delete)));
                    plan.gone.push(Gone::Deleted { message, at: seq });
                }
                (change, message) => {
                    for (side, write) in self.sides(row, &folded.event, change, message)? {
                        plan.side(side, write);
                    }
                }
            }
        }
        Ok(())
    }

    /// The row of the event itself. A message's says again who, when and by which client id: that outlives its content.
    fn event_row(&self, row: &EventRow, event: &Event, win: i64) -> Write {
        let (of, seq, shard) = (row.conversation.key(), cells::position(row.seq), cells::shard_cell(row.shard));
        let bytes = row.event.len();
        match &event.body {
            Body::MessageCreated(created) => {
                let (by, at, client_id) = (event.by.key(), cells::time_cell(event.at), created.client_id.key());
                let kind = cells::word(created.kind);
                let row = (of, win, seq, shard, row.event.clone(), kind, by, at, client_id, seq);
                Write::new(&self.apply.message, row).of_bytes(bytes)
            }
            _ => Write::new(&self.apply.event, (of, win, seq, shard, row.event.clone(), seq)).of_bytes(bytes),
        }
    }

    /// What a change writes beside the messages.
    fn sides(
        &self,
        row: &EventRow,
        event: &Event,
        change: Change,
        message: Option<(i64, Seq)>,
    ) -> Result<Vec<(Side, Write)>, StoreError> {
        let (of, seq, at) = (row.conversation.key(), cells::position(row.seq), cells::time_cell(event.at));
        let statements = &self.apply;
        let one = |side: Side, write: Write| Ok(vec![(side, write)]);
        match change {
            Change::MessageCreated { by, client_id } => {
                let expires_at =
                    event.at.plus_ms(i64::try_from(limits::DEDUPE_ROW_LIFE.as_millis()).unwrap_or(i64::MAX));
                let Some(ttl) = self.ttl(expires_at) else { return Ok(Vec::new()) };
                let (slot, shard) = (slot(client_id), cells::shard_cell(row.shard));
                let expires_at = cells::time_cell(expires_at);
                let values = (of, slot, by.key(), client_id.key(), seq, shard, expires_at, ttl, seq);
                one(Side::Dedupe { slot }, Write::new(&statements.dedupe, values))
            }
            Change::Reaction { user, emoji, present, .. } => {
                let (win, message) = message.ok_or_else(|| cells::broken("reaction"))?;
                let values = (of, win, cells::position(message), emoji, user.key(), present, at, seq);
                one(Side::Reactions { win }, Write::new(&statements.reaction, values))
            }
            Change::Pin { message, present } => {
                let values = (of, cells::position(message), present, event.by.key(), at, seq);
                one(Side::Pins, Write::new(&statements.pin, values))
            }
            Change::ConversationCreated { kind, history, created_by, created_at } => {
                let words = (cells::word(kind), cells::word(history));
                let values = (of, words.0, words.1, created_by.key(), cells::time_cell(created_at), seq);
                one(Side::Conversation, Write::new(&statements.conversation, values))
            }
            Change::ConversationSettings { visibility, settings } => {
                let settings = cells::json_cell(Some(&settings))?;
                let bytes = settings.len();
                let write = Write::new(&statements.settings, (seq, cells::word(visibility), settings, seq, of));
                one(Side::Conversation, write.of_bytes(bytes))
            }
            Change::ConversationDeleted => {
                one(Side::Conversation, Write::new(&statements.delete_conversation, (seq, seq, of)))
            }
            Change::MemberJoined(member) => {
                let (joined_at, joined_seq) = (cells::time_cell(member.joined_at), cells::position(member.joined_seq));
                let values = (seq, cells::word(member.role), joined_at, joined_seq, of, member.user.key());
                Ok(both(
                    member.user,
                    Write::new(&statements.join, values.clone()),
                    Write::new(&statements.join_of_user, values),
                ))
            }
            Change::MemberRole { user, role } => {
                let values = (seq, cells::word(role), of, user.key());
                Ok(both(
                    user,
                    Write::new(&statements.role, values.clone()),
                    Write::new(&statements.role_of_user, values),
                ))
            }
            Change::MemberLeft { user } => {
                let values = (seq, of, user.key());
                Ok(both(user, Write::new(&statements.leave, values), Write::new(&statements.leave_of_user, values)))
            }
            change @ (Change::Ban { .. } | Change::Block { .. } | Change::MemberSettings { .. }) => {
                self.relation_rows(row, event.at, change)
            }
            // Rows of the messages themselves.
            Change::MessageUpdated { .. } | Change::MessageDeleted { .. } => Ok(Vec::new()),
        }
    }

    /// Takes the content of a deleted message out of the rows of its edits. An edit looks for a deletion after both its
    /// rows are written, a deletion looks for edits after its own is: whichever comes second finds the other.
    async fn forget(&self, of: ConversationId, gone: Gone) -> Result<(), StoreError> {
        match gone {
            Gone::Deleted { message: (win, message), at } => {
                let answer = self.db.select(&self.apply.revisions, (of.key(), win, cells::position(message))).await?;
                for edit in cells::each(&answer, |(edit,): (i64,)| cells::seq(edit))? {
                    self.blank((of, win, message), (self.win(of, edit).await?, edit), at).await?;
                }
                Ok(())
            }
            Gone::Edited { message: (win, message), by } => {
                let place = (of.key(), win, cells::position(message));
                let answer = self.db.select(&self.apply.deleted, place).await?;
                let Some(at) = cells::first::<(Option<i64>,)>(&answer)?.and_then(|(at,)| at) else { return Ok(()) };
                self.blank((of, win, message), by, cells::seq(at)?).await
            }
        }
    }

    /// Takes the content of an edit out of its event and out of the message. The stamps lie above the edit's own, so
    /// that no redelivery brings it back.
    async fn blank(
        &self,
        (of, win, message): (ConversationId, i64, Seq),
        (edit_win, edit): (i64, Seq),
        deleted: Seq,
    ) -> Result<(), StoreError> {
        let stamp = cells::position(deleted.max(edit.next()));
        let place = (of.key(), edit_win, cells::position(edit));
        let answer = self.db.select(&self.apply.event_of, place).await?;
        if let Some(event) = cells::first::<(Option<&[u8]>,)>(&answer)?.and_then(|(event,)| event) {
            let bare = fold::without_content(fold::decode(event)?).encode();
            self.db.write(&self.apply.blank_event, (stamp, bare, place.0, place.1, place.2)).await?;
        }
        self.db.write(&self.apply.edit, (stamp, NOTHING, of.key(), win, cells::position(message))).await
    }

    async fn win(&self, of: ConversationId, position: Seq) -> Result<i64, StoreError> {
        let Window { first, .. } = self.window_to_write(of, position).await?;
        Ok(cells::position(first))
    }
}

/// What is written over content; a null would do the same with a tombstone.
const NOTHING: &[u8] = &[];

/// A member's change, seen from the conversation and from the user.
fn both(user: UserId, of_conversation: Write, of_user: Write) -> Vec<(Side, Write)> {
    vec![(Side::Members, of_conversation), (Side::MembershipsOf(user), of_user)]
}

impl Plan {
    fn side(&mut self, side: Side, write: Write) {
        self.sides.entry(side).or_default().push(write);
    }
}

/// Does all of it, so many at once, until one fails.
pub(crate) async fn at_once(most: usize, work: Vec<BoxFuture<'_, Result<(), StoreError>>>) -> Result<(), StoreError> {
    stream::iter(work).buffer_unordered(most).try_collect().await
}

type Together = Vec<(PreparedStatement, Row)>;

/// Rows in their order, in batches of one partition.
fn in_order(rows: Vec<(i64, Write)>) -> Vec<Together> {
    let mut batches: Vec<(i64, Batch)> = Vec::new();
    for (win, write) in rows {
        match batches.last_mut() {
            Some((last, batch)) if *last == win && batch.takes(&write) => batch.add(write),
            _ => batches.push((win, Batch::of(write))),
        }
    }
    batches.into_iter().map(|(_, batch)| batch.writes).collect()
}

/// Rows of one partition in batches.
fn batches(writes: Vec<Write>) -> Vec<Together> {
    in_order(writes.into_iter().map(|write| (0, write)).collect())
}

struct Batch {
    writes: Together,
    bytes: usize,
}

impl Batch {
    fn of(write: Write) -> Self {
        Self { bytes: write.bytes, writes: vec![(write.statement, write.row)] }
    }

    fn takes(&self, write: &Write) -> bool {
        self.writes.len() < BATCH_ROWS && self.bytes + write.bytes <= BATCH_BYTES
    }

    fn add(&mut self, write: Write) {
        self.bytes += write.bytes;
        self.writes.push((write.statement, write.row));
    }
}
