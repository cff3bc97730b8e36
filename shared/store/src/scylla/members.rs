//! Members by conversation, and conversations by user.

use async_trait::async_trait;
use chat_protocol::{ConversationId, Seq, Timestamp, UserId, model::Member, rights::Role};
use futures_util::future::try_join;
use scylla::{
    DeserializeRow, response::query_result::QueryRowsResult, statement::prepared::PreparedStatement,
    value::CqlTimestamp,
};

use super::{
    Scylla,
    cells::{self, AsKey, Key},
    db::Db,
};
use crate::{Members, Membership, StoreError};

/// Rows read at once while looking for members among those who left.
const STEP: usize = 500;
/// Below every id.
const BEFORE_ALL: &[u8] = &[];

/// The columns of both tables; what was written last can be told from their stamps, which are positions.
const STANDING: &str = "present, WRITETIME(present) AS present_since, role, WRITETIME(role) AS role_since, joined_at, \
                        joined_seq, reader_present, WRITETIME(reader_present) AS reader_stamp, reader_at, reader_seq";

pub(crate) struct Statements {
    find: PreparedStatement,
    list: PreparedStatement,
    of_user: PreparedStatement,
    set_reader: PreparedStatement,
    set_reader_of_user: PreparedStatement,
    leave: PreparedStatement,
}

impl Statements {
    pub(crate) async fn prepare(db: &Db) -> Result<Self, StoreError> {
        let member = format!("SELECT user_id AS other, {STANDING} FROM members WHERE conversation = ?");
        let membership = format!("SELECT conversation AS other, {STANDING} FROM memberships WHERE user_id = ?");
        Ok(Self {
            find: db.prepare_read(&format!("{member} AND user_id = ?")).await?,
            list: db.prepare_read(&format!("{member} AND user_id > ? LIMIT ?")).await?,
            of_user: db.prepare_read(&format!("{membership} AND conversation > ? LIMIT ?")).await?,
            set_reader: db
                .prepare_write(
                    "UPDATE members USING TIMESTAMP ? SET reader_present = ?, reader_at = ?, reader_seq = ? \
                     WHERE conversation = ? AND user_id = ?",
                )
                .await?,
            set_reader_of_user: db
                .prepare_write(
                    "UPDATE memberships USING TIMESTAMP ? SET reader_present = ?, reader_at = ?, reader_seq = ? \
                     WHERE conversation = ? AND user_id = ?",
                )
                .await?,
            leave: db
                .prepare_write(
                    "UPDATE members USING TIMESTAMP ? SET present = false, reader_present = false \
                     WHERE conversation = ? AND user_id = ?",
                )
                .await?,
        })
    }
}

/// A row of either table; `other` is the end that was not asked for.
#[derive(DeserializeRow)]
struct Row<'row> {
    other: &'row [u8],
    present: Option<bool>,
    present_since: Option<i64>,
    role: Option<&'row str>,
    role_since: Option<i64>,
    joined_at: Option<CqlTimestamp>,
    joined_seq: Option<i64>,
    reader_present: Option<bool>,
    reader_stamp: Option<i64>,
    reader_at: Option<CqlTimestamp>,
    reader_seq: Option<i64>,
}

impl Row<'_> {
    /// `None` for who left, and where a change of role came before the joining.
    fn member(&self, user: UserId) -> Result<Option<Member>, StoreError> {
        match self.reader_seq {
            Some(head) if self.present_since.is_none_or(|event| event <= head) => self.reader(user, head),
            _ => self.joined(user),
        }
    }

    /// By events alone.
    fn joined(&self, user: UserId) -> Result<Option<Member>, StoreError> {
        let (Some(true), Some(role), Some(at), Some(seq)) = (self.present, self.role, self.joined_at, self.joined_seq)
        else {
            return Ok(None);
        };
        let role = cells::from_word(role)?;
        Ok(Some(Member { user, role, joined_at: cells::time(at), joined_seq: cells::seq(seq)? }))
    }

    /// By what the user did without an event, at this head; a newer event may have raised the role since.
    fn reader(&self, user: UserId, head: i64) -> Result<Option<Member>, StoreError> {
        let (Some(true), Some(at)) = (self.reader_present, self.reader_at) else { return Ok(None) };
        let role = match self.role {
            Some(role) if self.role_since.is_some_and(|event| event > head) => cells::from_word(role)?,
            _ => Role::Reader,
        };
        Ok(Some(Member { user, role, joined_at: cells::time(at), joined_seq: cells::seq(head)? }))
    }
}

#[async_trait]
impl Members for Scylla {
    async fn member(&self, of: ConversationId, user: UserId) -> Result<Option<Member>, StoreError> {
        self.db.reading("member", self.find_member(of, user)).await
    }

    async fn members(
        &self,
        of: ConversationId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, StoreError> {
        let take = |row: &Row<'_>| row.member(cells::user_id(row.other)?);
        let list = self.present(&self.members.list, of.key(), after.map(AsKey::key), limit, take);
        self.db.reading("members", list).await
    }

    async fn memberships(
        &self,
        of: UserId,
        after: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<Membership>, StoreError> {
        let take = |row: &Row<'_>| {
            let conversation = cells::conversation_id(row.other)?;
            Ok(row.member(of)?.map(|member| Membership { conversation, member }))
        };
        let list = self.present(&self.members.of_user, of.key(), after.map(AsKey::key), limit, take);
        self.db.reading("memberships", list).await
    }

    async fn set_reader(
        &self,
        of: ConversationId,
        user: UserId,
        joined: Option<Timestamp>,
        seq: Seq,
    ) -> Result<(), StoreError> {
        self.db.writing("set_reader", self.toggle_reader(of, user, joined, seq)).await
    }
}

impl Scylla {
    /// A member of a conversation that is purged.
    pub(crate) async fn leave_for_good(&self, of: ConversationId, user: UserId, stamp: i64) -> Result<(), StoreError> {
        self.db.write(&self.members.leave, (stamp, of.key(), user.key())).await
    }

    async fn find_member(&self, of: ConversationId, user: UserId) -> Result<Option<Member>, StoreError> {
        let answer = self.db.select(&self.members.find, (of.key(), user.key())).await?;
        cells::first::<Row<'_>>(&answer)?.map_or(Ok(None), |row| row.member(user))
    }

    /// Reads on until `limit` rows were taken: those who left are rows too.
    async fn present<T>(
        &self,
        statement: &PreparedStatement,
        partition: Key,
        after: Option<Key>,
        limit: usize,
        take: impl Fn(&Row<'_>) -> Result<Option<T>, StoreError> + Send,
    ) -> Result<Vec<T>, StoreError> {
        let mut taken = Vec::new();
        let mut after: Vec<u8> = after.map_or_else(|| BEFORE_ALL.to_vec(), |key| key.to_vec());
        while taken.len() < limit {
            let step = (limit - taken.len()).min(STEP);
            let rows = i32::try_from(step).unwrap_or(i32::MAX);
            let answer = self.db.select(statement, (partition, &after, rows)).await?;
            let last = collect(&answer, &take, &mut taken)?;
            match last {
                Some(last) if answer.rows_num() == step => after = last,
                _ => break,
            }
        }
        Ok(taken)
    }

    /// A quiet broadcast keeps one head while somebody joins, leaves and joins again, and equal stamps would let the
    /// larger value win: so each step is stamped above the one before. What changes nothing is not written.
    async fn toggle_reader(
        &self,
        of: ConversationId,
        user: UserId,
        joined: Option<Timestamp>,
        seq: Seq,
    ) -> Result<(), StoreError> {
        let answer = self.db.select(&self.members.find, (of.key(), user.key())).await?;
        let row = cells::first::<Row<'_>>(&answer)?;
        let is_member = row.as_ref().map_or(Ok(None), |row| row.member(user))?.is_some();
        if is_member == joined.is_some() {
            return Ok(());
        }
        let before = row.and_then(|row| row.reader_stamp);
        let stamp = cells::position(seq).max(before.map_or(0, |stamp| stamp + 1));
        let at = cells::time_cell(joined.unwrap_or_default());
        let values = (stamp, joined.is_some(), at, cells::position(seq), of.key(), user.key());
        try_join(
            self.db.write(&self.members.set_reader, values),
            self.db.write(&self.members.set_reader_of_user, values),
        )
        .await?;
        Ok(())
    }
}

/// Takes the rows of an answer and says where the next one begins.
fn collect<T>(
    answer: &QueryRowsResult,
    take: &impl Fn(&Row<'_>) -> Result<Option<T>, StoreError>,
    taken: &mut Vec<T>,
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut last = None;
    for (other, row) in cells::each(answer, |row: Row<'_>| Ok((row.other.to_vec(), take(&row)?)))? {
        last = Some(other);
        taken.extend(row);
    }
    Ok(last)
}
