//! Conversations by id.

use async_trait::async_trait;
use chat_protocol::{
    ConversationId,
    model::{Conversation, Settings},
};
use scylla::{DeserializeRow, statement::prepared::PreparedStatement, value::CqlTimestamp};

use super::{
    Scylla,
    cells::{self, AsKey},
    db::Db,
};
use crate::{Conversations, StoreError};

pub(crate) struct Statements {
    find: PreparedStatement,
}

impl Statements {
    pub(crate) async fn prepare(db: &Db) -> Result<Self, StoreError> {
        Ok(Self {
            find: db
                .prepare_read(
                    "SELECT kind, visibility, history, settings, created_by, created_at, version, deleted \
                     FROM conversations WHERE id = ?",
                )
                .await?,
        })
    }
}

#[derive(DeserializeRow)]
struct Row<'row> {
    kind: Option<&'row str>,
    visibility: Option<&'row str>,
    history: Option<&'row str>,
    settings: Option<&'row str>,
    created_by: Option<&'row [u8]>,
    created_at: Option<CqlTimestamp>,
    version: Option<i64>,
    deleted: Option<bool>,
}

impl Row<'_> {
    /// `None` where a later change came before the creation.
    fn conversation(self, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        let (Some(kind), Some(visibility), Some(history), Some(by), Some(created_at), Some(version)) =
            (self.kind, self.visibility, self.history, self.created_by, self.created_at, self.version)
        else {
            return Ok(None);
        };
        Ok(Some(Conversation {
            id,
            kind: cells::from_word(kind)?,
            visibility: cells::from_word(visibility)?,
            history: cells::from_word(history)?,
            settings: cells::json::<Settings>(self.settings)?.unwrap_or_default(),
            created_by: cells::user_id(by)?,
            created_at: cells::time(created_at),
            version: cells::seq(version)?,
            deleted: self.deleted.unwrap_or(false),
        }))
    }
}

#[async_trait]
impl Conversations for Scylla {
    async fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        let find = async {
            let answer = self.db.select(&self.conversations.find, (id.key(),)).await?;
            cells::first::<Row<'_>>(&answer)?.map_or(Ok(None), |row| row.conversation(id))
        };
        self.db.reading("conversation", find).await
    }
}
