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

pub(crate) struct Statements {
    find: PreparedStatement,
    stamp: PreparedStatement,
    list: PreparedStatement,
    of_user: PreparedStatement,
    set_reader: PreparedStatement,
    set_reader_of_user: PreparedStatement,
}

impl Statements {
    pub(crate) async fn prepare(db: &Db) -> Result<Self, StoreError> {
        Ok(Self {
            find: db
                .prepare_read(
                    "SELECT user_id AS other, present, role, joined_at, joined_seq FROM members \
                     WHERE conversation = ? AND user_id = ?",
                )
                .await?,
            stamp: db
                .prepare_read("SELECT present, WRITETIME(present) FROM members WHERE conversation = ? AND user_id = ?")
                .await?,
            list: db
                .prepare_read(
                    "SELECT user_id AS other, present, role, joined_at, joined_seq FROM members \
                     WHERE conversation = ? AND user_id > ? LIMIT ?",
                )
                .await?,
            of_user: db
                .prepare_read(
                    "SELECT conversation AS other, present, role, joined_at, joined_seq FROM memberships \
                     WHERE user_id = ? AND conversation > ? LIMIT ?",
                )
                .await?,
            set_reader: db
                .prepare_write(
                    "UPDATE members USING TIMESTAMP ? SET present = ?, role = ?, joined_at = ?, joined_seq = ? \
                     WHERE conversation = ? AND user_id = ?",
                )
                .await?,
            set_reader_of_user: db
                .prepare_write(
                    "UPDATE memberships USING TIMESTAMP ? SET present = ?, role = ?, joined_at = ?, joined_seq = ? \
                     WHERE user_id = ? AND conversation = ?",
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
    role: Option<&'row str>,
    joined_at: Option<CqlTimestamp>,
    joined_seq: Option<i64>,
}

impl Row<'_> {
    /// `None` for who left, and where a change of role came before the joining.
    fn member(&self, user: UserId) -> Result<Option<Member>, StoreError> {
        let (Some(true), Some(role), Some(joined_at), Some(joined_seq)) =
            (self.present, self.role, self.joined_at, self.joined_seq)
        else {
            return Ok(None);
        };
        Ok(Some(Member {
            user,
            role: cells::from_word(role)?,
            joined_at: cells::time(joined_at),
            joined_seq: cells::seq(joined_seq)?,
        }))
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
    /// larger value win. So each step is stamped above the one before, and a step that changes nothing is not written.
    async fn toggle_reader(
        &self,
        of: ConversationId,
        user: UserId,
        joined: Option<Timestamp>,
        seq: Seq,
    ) -> Result<(), StoreError> {
        let answer = self.db.select(&self.members.stamp, (of.key(), user.key())).await?;
        let last = cells::first::<(Option<bool>, Option<i64>)>(&answer)?;
        let (present, last) = last.map_or((false, None), |(present, stamp)| (present.unwrap_or(false), stamp));
        if present == joined.is_some() {
            return Ok(());
        }
        let stamp = cells::position(seq).max(last.map_or(0, |last| last + 1));
        let (role, at) = (cells::word(Role::Reader), cells::time_cell(joined.unwrap_or_default()));
        let row = (stamp, joined.is_some(), &role, at, cells::position(seq), of.key(), user.key());
        let of_user = (stamp, joined.is_some(), &role, at, cells::position(seq), user.key(), of.key());
        try_join(
            self.db.write(&self.members.set_reader, row),
            self.db.write(&self.members.set_reader_of_user, of_user),
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
