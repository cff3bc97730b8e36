//! Blocks, bans, members' own settings.

use async_trait::async_trait;
use chat_protocol::{
    ConversationId, Timestamp, UserId,
    model::{Ban, Block, MemberSettings},
};
use futures_util::future::{try_join, try_join_all};
use scylla::{DeserializeRow, statement::prepared::PreparedStatement, value::CqlTimestamp};

use super::{
    Scylla,
    apply::{Side, Write},
    cells::{self, AsKey, Key},
    db::Db,
};
use crate::{EventRow, Relations, StoreError, fold::Change};

/// Rows asked for by their keys at once.
const KEYS: usize = 100;
/// Rows read at once while looking for what is there among what ended.
const STEP: usize = 500;
/// Below every id.
const BEFORE_ALL: &[u8] = &[];

pub(crate) struct Statements {
    block: PreparedStatement,
    blocked: PreparedStatement,
    blocks: PreparedStatement,
    blocks_one: PreparedStatement,
    blockers: PreparedStatement,
    ban: PreparedStatement,
    lift: PreparedStatement,
    banned: PreparedStatement,
    bans: PreparedStatement,
    set: PreparedStatement,
    settings: PreparedStatement,
    all_settings: PreparedStatement,
}

impl Statements {
    pub(crate) async fn prepare(db: &Db) -> Result<Self, StoreError> {
        let ban = "SELECT user_id, present, by_user, reason, until, at FROM bans WHERE conversation = ?";
        Ok(Self {
            block: db
                .prepare_write(
                    "INSERT INTO blocks (user_id, blocked, present, at) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
                )
                .await?,
            blocked: db
                .prepare_write("INSERT INTO blocked_by (blocked, user_id, present) VALUES (?, ?, ?) USING TIMESTAMP ?")
                .await?,
            blocks: db
                .prepare_read("SELECT blocked, present, at FROM blocks WHERE user_id = ? AND blocked > ? LIMIT ?")
                .await?,
            blocks_one: db.prepare_read("SELECT present FROM blocks WHERE user_id = ? AND blocked = ?").await?,
            blockers: db
                .prepare_read("SELECT user_id, present FROM blocked_by WHERE blocked = ? AND user_id IN ?")
                .await?,
            ban: db
                .prepare_write(
                    "INSERT INTO bans (conversation, user_id, present, by_user, reason, until, at) \
                     VALUES (?, ?, true, ?, ?, ?, ?) USING TIMESTAMP ?",
                )
                .await?,
            lift: db
                .prepare_write(
                    "UPDATE bans USING TIMESTAMP ? SET present = false WHERE conversation = ? AND user_id = ?",
                )
                .await?,
            banned: db.prepare_read(&format!("{ban} AND user_id = ?")).await?,
            bans: db.prepare_read(&format!("{ban} AND user_id > ? LIMIT ?")).await?,
            set: db
                .prepare_write(
                    "INSERT INTO member_settings (user_id, conversation, settings) VALUES (?, ?, ?) USING TIMESTAMP ?",
                )
                .await?,
            settings: db
                .prepare_read(
                    "SELECT conversation, settings FROM member_settings WHERE user_id = ? AND conversation IN ?",
                )
                .await?,
            all_settings: db
                .prepare_read(
                    "SELECT conversation, settings FROM member_settings WHERE user_id = ? AND conversation > ? LIMIT ?",
                )
                .await?,
        })
    }
}

#[derive(DeserializeRow)]
struct BanRow<'row> {
    user_id: &'row [u8],
    present: Option<bool>,
    by_user: Option<&'row [u8]>,
    reason: Option<&'row str>,
    until: Option<CqlTimestamp>,
    at: Option<CqlTimestamp>,
}

impl BanRow<'_> {
    fn ban(&self) -> Result<Option<Ban>, StoreError> {
        let (Some(true), Some(by), Some(at)) = (self.present, self.by_user, self.at) else { return Ok(None) };
        Ok(Some(Ban {
            user: cells::user_id(self.user_id)?,
            by: cells::user_id(by)?,
            reason: cells::text(self.reason),
            // Never is the epoch: a null would be a tombstone.
            until: self.until.map(cells::time).filter(|until| *until != Timestamp::EPOCH),
            at: cells::time(at),
        }))
    }
}

#[async_trait]
impl Relations for Scylla {
    async fn blocks(&self, of: UserId, after: Option<UserId>, limit: usize) -> Result<Vec<Block>, StoreError> {
        let take = |(blocked, present, at): (&[u8], Option<bool>, Option<CqlTimestamp>)| {
            let since = at.filter(|_| present == Some(true)).map(cells::time);
            let user = cells::user_id(blocked)?;
            Ok((blocked.to_vec(), since.map(|at| Block { user, at })))
        };
        let list = self.filtered(&self.relations.blocks, of.key(), after.map(AsKey::key), limit, |answer| {
            cells::each(answer, take)
        });
        self.db.reading("blocks", list).await
    }

    async fn blocked_between(&self, user: UserId, others: &[UserId]) -> Result<Vec<UserId>, StoreError> {
        let find = async {
            let each = others.iter().map(|other| async move {
                let (there, back) = try_join(self.blocks_one(user, *other), self.blocks_one(*other, user)).await?;
                Ok::<_, StoreError>((there || back).then_some(*other))
            });
            Ok(try_join_all(each).await?.into_iter().flatten().collect())
        };
        self.db.reading("blocked_between", find).await
    }

    async fn blocked_by(&self, user: UserId, others: &[UserId]) -> Result<Vec<UserId>, StoreError> {
        let find = async {
            let mut blockers = Vec::new();
            for some in others.chunks(KEYS) {
                let keys: Vec<Key> = some.iter().map(|user| user.key()).collect();
                let answer = self.db.select(&self.relations.blockers, (user.key(), keys)).await?;
                let found = cells::each(&answer, |(blocker, present): (&[u8], Option<bool>)| {
                    Ok((cells::user_id(blocker)?, present == Some(true)))
                })?;
                let blocks = |user: &UserId| found.iter().any(|(blocker, present)| blocker == user && *present);
                blockers.extend(some.iter().copied().filter(blocks));
            }
            Ok(blockers)
        };
        self.db.reading("blocked_by", find).await
    }

    async fn ban(&self, of: ConversationId, user: UserId) -> Result<Option<Ban>, StoreError> {
        let find = async {
            let answer = self.db.select(&self.relations.banned, (of.key(), user.key())).await?;
            cells::first::<BanRow<'_>>(&answer)?.map_or(Ok(None), |row| row.ban())
        };
        self.db.reading("ban", find).await
    }

    async fn bans(&self, of: ConversationId, after: Option<UserId>, limit: usize) -> Result<Vec<Ban>, StoreError> {
        let list = self.filtered(&self.relations.bans, of.key(), after.map(AsKey::key), limit, |answer| {
            cells::each(answer, |row: BanRow<'_>| Ok((row.user_id.to_vec(), row.ban()?)))
        });
        self.db.reading("bans", list).await
    }

    async fn member_settings(&self, of: UserId, here: &[ConversationId]) -> Result<Vec<MemberSettings>, StoreError> {
        let find = async {
            let mut settings = Vec::with_capacity(here.len());
            for some in here.chunks(KEYS) {
                let keys: Vec<Key> = some.iter().map(|conversation| conversation.key()).collect();
                let answer = self.db.select(&self.relations.settings, (of.key(), keys)).await?;
                let found = cells::each(&answer, |(conversation, cell): (&[u8], Option<&str>)| {
                    Ok((
                        cells::conversation_id(conversation)?,
                        cells::json::<MemberSettings>(cell)?.unwrap_or_default(),
                    ))
                })?;
                settings.extend(some.iter().map(|wanted| {
                    found
                        .iter()
                        .find(|(conversation, _)| conversation == wanted)
                        .map_or_else(Default::default, |row| row.1)
                }));
            }
            Ok(settings)
        };
        self.db.reading("member_settings", find).await
    }

    async fn archived(&self, of: UserId) -> Result<Vec<ConversationId>, StoreError> {
        let take = |(conversation, cell): (&[u8], Option<&str>)| {
            let settings: MemberSettings = cells::json(cell)?.unwrap_or_default();
            let id = cells::conversation_id(conversation)?;
            Ok((conversation.to_vec(), settings.archived.then_some(id)))
        };
        let list =
            self.filtered(&self.relations.all_settings, of.key(), None, usize::MAX, |answer| cells::each(answer, take));
        self.db.reading("archived", list).await
    }
}

impl Scylla {
    async fn blocks_one(&self, by: UserId, user: UserId) -> Result<bool, StoreError> {
        let answer = self.db.select(&self.relations.blocks_one, (by.key(), user.key())).await?;
        Ok(cells::first::<(Option<bool>,)>(&answer)?.is_some_and(|(present,)| present == Some(true)))
    }

    /// Reads a partition on until `limit` rows were taken: what ended is a row too.
    async fn filtered<T: Send>(
        &self,
        statement: &PreparedStatement,
        partition: Key,
        after: Option<Key>,
        limit: usize,
        take: impl Fn(&scylla::response::query_result::QueryRowsResult) -> Result<Vec<(Vec<u8>, Option<T>)>, StoreError>
        + Send,
    ) -> Result<Vec<T>, StoreError> {
        let mut taken = Vec::new();
        let mut after: Vec<u8> = after.map_or_else(|| BEFORE_ALL.to_vec(), |key| key.to_vec());
        loop {
            let rows = i32::try_from(STEP).unwrap_or(i32::MAX);
            let answer = self.db.select(statement, (partition, &after, rows)).await?;
            for (key, row) in take(&answer)? {
                after = key;
                taken.extend(row);
            }
            if taken.len() >= limit || answer.rows_num() < STEP {
                taken.truncate(limit);
                return Ok(taken);
            }
        }
    }

    /// What a change of these writes.
    pub(crate) fn relation_rows(
        &self,
        row: &EventRow,
        at: Timestamp,
        change: Change,
    ) -> Result<Vec<(Side, Write)>, StoreError> {
        let (of, seq) = (row.conversation.key(), cells::position(row.seq));
        let statements = &self.relations;
        Ok(match change {
            Change::Ban { user, ban: Some(ban) } => {
                let (reason, until) = (ban.reason.unwrap_or_default(), ban.until.unwrap_or(Timestamp::EPOCH));
                let bytes = reason.len();
                let (until, at) = (cells::time_cell(until), cells::time_cell(ban.at));
                let values = (of, user.key(), ban.by.key(), reason, until, at, seq);
                vec![(Side::Bans, Write::new(&statements.ban, values).of_bytes(bytes))]
            }
            Change::Ban { user, ban: None } => {
                vec![(Side::Bans, Write::new(&statements.lift, (seq, of, user.key())))]
            }
            Change::Block { by, user, present } => {
                let block = (by.key(), user.key(), present, cells::time_cell(at), seq);
                let blocked = (user.key(), by.key(), present, seq);
                vec![
                    (Side::Blocks, Write::new(&statements.block, block)),
                    (Side::BlockedBy(user), Write::new(&statements.blocked, blocked)),
                ]
            }
            Change::MemberSettings { of, conversation, settings } => {
                let settings = cells::json_cell(Some(&settings))?;
                let bytes = settings.len();
                let values = (of.key(), conversation.key(), settings, seq);
                vec![(Side::MemberSettings, Write::new(&statements.set, values).of_bytes(bytes))]
            }
            _ => Vec::new(),
        })
    }
}
