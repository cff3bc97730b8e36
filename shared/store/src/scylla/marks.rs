//! High-water marks: a cell stamped with its own value, so that the highest one wins whatever the order.

use async_trait::async_trait;
use chat_protocol::{Seq, Shard};
use scylla::statement::prepared::PreparedStatement;

use super::{Scylla, cells, db::Db};
use crate::{Marks, StoreError, migrate};

pub(crate) struct Statements {
    raise: PreparedStatement,
    find: PreparedStatement,
}

impl Statements {
    pub(crate) async fn prepare(db: &Db) -> Result<Self, StoreError> {
        Ok(Self {
            raise: db.prepare_write("UPDATE marks USING TIMESTAMP ? SET seq = ? WHERE shard = ?").await?,
            find: db.prepare_read("SELECT seq FROM marks WHERE shard = ?").await?,
        })
    }
}

#[async_trait]
impl Marks for Scylla {
    async fn raise_mark(&self, shard: Shard, seq: Seq) -> Result<(), StoreError> {
        let mark = cells::position(seq);
        self.db.writing("raise_mark", self.db.write(&self.marks.raise, (mark, mark, cells::shard_cell(shard)))).await
    }

    async fn mark(&self, shard: Shard) -> Result<Option<Seq>, StoreError> {
        let find = async {
            let answer = self.db.select(&self.marks.find, (cells::shard_cell(shard),)).await?;
            cells::first::<(Option<i64>,)>(&answer)?.and_then(|(mark,)| mark).map(cells::seq).transpose()
        };
        self.db.reading("mark", find).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        let check = async { Ok(migrate::check_version(self.db.session(), &self.keyspace).await?) };
        self.db.reading("check", check).await
    }
}
