//! What users said about their presence, and when they were last there.

use async_trait::async_trait;
use chat_protocol::{Timestamp, UserId, model::Status};
use futures_util::future::{FutureExt, try_join_all};
use scylla::{statement::prepared::PreparedStatement, value::CqlTimestamp};

use super::{
    Scylla,
    apply::at_once,
    cells::{self, AsKey},
    db::Db,
};
use crate::{Statuses, StoreError};

/// Rows written at once.
const AT_ONCE: usize = 32;

pub(crate) struct Statements {
    set: PreparedStatement,
    find: PreparedStatement,
    seen: PreparedStatement,
    last_seen: PreparedStatement,
}

impl Statements {
    pub(crate) async fn prepare(db: &Db) -> Result<Self, StoreError> {
        Ok(Self {
            set: db
                .prepare_write("INSERT INTO user_status (user_id, state, status_text, until) VALUES (?, ?, ?, ?)")
                .await?,
            find: db.prepare_read("SELECT state, status_text, until FROM user_status WHERE user_id = ?").await?,
            seen: db.prepare_write("UPDATE last_seen USING TIMESTAMP ? SET at = ? WHERE user_id = ?").await?,
            last_seen: db.prepare_read("SELECT at FROM last_seen WHERE user_id = ?").await?,
        })
    }
}

#[async_trait]
impl Statuses for Scylla {
    async fn set_status(&self, of: UserId, status: &Status, _at: Timestamp) -> Result<(), StoreError> {
        // Written by its user alone, one request at a time: the servers' own order of writes is enough.
        let until = cells::time_cell(status.until.unwrap_or(Timestamp::EPOCH));
        let values = (of.key(), cells::word(status.state), status.text.as_deref().unwrap_or_default(), until);
        self.db.writing("set_status", self.db.write(&self.statuses.set, values)).await
    }

    async fn statuses(&self, of: &[UserId]) -> Result<Vec<Status>, StoreError> {
        let find = try_join_all(of.iter().map(|user| self.find_status(*user)));
        self.db.reading("statuses", find).await
    }

    async fn seen(&self, seen: &[(UserId, Timestamp)]) -> Result<(), StoreError> {
        let writes = seen.iter().map(|(user, at)| {
            // Stamped with itself, in the microseconds that stamps count in.
            let values = (at.as_ms().saturating_mul(1_000), cells::time_cell(*at), user.key());
            async move { self.db.write(&self.statuses.seen, values).await }.boxed()
        });
        let write = at_once(AT_ONCE, writes.collect());
        self.db.writing("seen", write).await
    }

    async fn last_seen(&self, of: &[UserId]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let find = try_join_all(of.iter().map(|user| async {
            let answer = self.db.select(&self.statuses.last_seen, (user.key(),)).await?;
            Ok(cells::first::<(Option<CqlTimestamp>,)>(&answer)?.and_then(|(at,)| at).map(cells::time))
        }));
        self.db.reading("last_seen", find).await
    }
}

impl Scylla {
    async fn find_status(&self, of: UserId) -> Result<Status, StoreError> {
        let answer = self.db.select(&self.statuses.find, (of.key(),)).await?;
        match cells::first::<(Option<&str>, Option<&str>, Option<CqlTimestamp>)>(&answer)? {
            Some((Some(state), text, until)) => Ok(Status {
                state: cells::from_word(state)?,
                text: cells::text(text),
                until: until.map(cells::time).filter(|until| *until != Timestamp::EPOCH),
            }),
            _ => Ok(Status::default()),
        }
    }
}
