//! High-water marks.

use async_trait::async_trait;
use chat_protocol::{Seq, Shard};

use super::{
    Embedded,
    tables::{Subject, Table},
};
use crate::{Marks, StoreError};

/// By shard.
static MARKS: Table<Seq> = Table::new(Subject::Marks, b'm');

#[async_trait]
impl Marks for Embedded {
    async fn raise_mark(&self, shard: Shard, seq: Seq) -> Result<(), StoreError> {
        self.write("raise_mark", move |stage| match stage.get(&MARKS, shard)? {
            Some(mark) if mark >= seq => Ok(()),
            _ => stage.put(&MARKS, shard, &seq),
        })
        .await
    }

    async fn mark(&self, shard: Shard) -> Result<Option<Seq>, StoreError> {
        self.read("mark", move |view| view.get(&MARKS, shard)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        // The format was checked when it was opened. A job without writes fails once the disk refused one.
        self.write("check", |_| Ok(())).await
    }
}
