//! Blocks, bans, members' own settings.

use std::ops::Bound;

use async_trait::async_trait;
use chat_protocol::{
    ConversationId, Seq, Timestamp, UserId,
    model::{Ban, Block, MemberSettings},
};
use serde::{Deserialize, Serialize};

use super::{
    Embedded,
    key::ends_with_id,
    latest::Latest,
    stage::Stage,
    tables::{Subject, Table},
    view::{View, between},
};
use crate::{Relations, StoreError};

/// By the user who blocks and the one who is blocked: since when, or no longer.
static BLOCKS: Table<Latest<Option<Timestamp>>> = Table::new(Subject::Users, b'b');
/// By conversation and user: how they are kept out, or no longer.
static BANS: Table<Latest<Option<Ban>>> = Table::new(Subject::Members, b'b');
/// By user and conversation.
static SETTINGS: Table<Latest<MemberSettings>> = Table::new(Subject::Members, b's');

/// A block comes or goes.
pub(super) fn block(
    stage: &mut Stage<'_>,
    seq: Seq,
    (by, user): (UserId, UserId),
    since: Option<Timestamp>,
) -> Result<(), StoreError> {
    put(stage, &BLOCKS, (by, user), seq, since)
}

/// A ban comes or goes.
pub(super) fn ban(
    stage: &mut Stage<'_>,
    seq: Seq,
    (of, user): (ConversationId, UserId),
    ban: Option<Ban>,
) -> Result<(), StoreError> {
    put(stage, &BANS, (of, user), seq, ban)
}

/// A user's settings of a conversation.
pub(super) fn settings(
    stage: &mut Stage<'_>,
    seq: Seq,
    (of, conversation): (UserId, ConversationId),
    settings: MemberSettings,
) -> Result<(), StoreError> {
    put(stage, &SETTINGS, (of, conversation), seq, settings)
}

fn put<T: Serialize + for<'de> Deserialize<'de>>(
    stage: &mut Stage<'_>,
    table: &Table<Latest<T>>,
    key: impl super::key::Key,
    seq: Seq,
    value: T,
) -> Result<(), StoreError> {
    let mut row = stage.get(table, &key)?;
    Latest::put(&mut row, seq, value);
    match row {
        Some(row) => stage.put(table, &key, &row),
        None => Ok(()),
    }
}

/// Removes a part of a conversation's bans; whether there may be more.
pub(super) fn purge(stage: &mut Stage<'_>, of: ConversationId, most: usize) -> Result<bool, StoreError> {
    stage.remove_some(&BANS, of, most)
}

/// Removes what a user said about others; whether there may be more.
pub(super) fn erase(stage: &mut Stage<'_>, user: UserId, most: usize) -> Result<bool, StoreError> {
    Ok(stage.remove_some(&BLOCKS, user, most)? || stage.remove_some(&SETTINGS, user, most)?)
}

#[async_trait]
impl Relations for Embedded {
    async fn blocks(&self, of: UserId, after: Option<UserId>, limit: usize) -> Result<Vec<Block>, StoreError> {
        self.read("blocks", move |view| {
            let first = after.map_or(Bound::Included((of, UserId::from_u128(0))), |user| Bound::Excluded((of, user)));
            let rows = view.range(&BLOCKS, (first, Bound::Included((of, UserId::from_u128(u128::MAX)))));
            let blocks = rows.map(|row| {
                let (key, row) = row?;
                let user = UserId::from_u128(ends_with_id(&key)?);
                Ok(row.value.map(|at| Block { user, at }))
            });
            blocks.filter_map(Result::transpose).take(limit).collect()
        })
        .await
    }

    async fn blocked_between(&self, user: UserId, others: &[UserId]) -> Result<Vec<UserId>, StoreError> {
        let others = others.to_vec();
        self.read("blocked_between", move |view| {
            let between = others.into_iter().map(|other| {
                let blocked = blocks(view, user, other)? || blocks(view, other, user)?;
                Ok(blocked.then_some(other))
            });
            between.filter_map(Result::transpose).collect()
        })
        .await
    }

    async fn blocked_by(&self, user: UserId, others: &[UserId]) -> Result<Vec<UserId>, StoreError> {
        let others = others.to_vec();
        self.read("blocked_by", move |view| {
            let blockers = others.into_iter().map(|other| Ok(blocks(view, other, user)?.then_some(other)));
            blockers.filter_map(Result::transpose).collect()
        })
        .await
    }

    async fn ban(&self, of: ConversationId, user: UserId) -> Result<Option<Ban>, StoreError> {
        self.read("ban", move |view| Ok(view.get(&BANS, (of, user))?.and_then(|row| row.value))).await
    }

    async fn bans(&self, of: ConversationId, after: Option<UserId>, limit: usize) -> Result<Vec<Ban>, StoreError> {
        self.read("bans", move |view| {
            let first = after.map_or(Bound::Included((of, UserId::from_u128(0))), |user| Bound::Excluded((of, user)));
            let rows = view.range(&BANS, (first, Bound::Included((of, UserId::from_u128(u128::MAX)))));
            rows.map(|row| Ok(row?.1.value)).filter_map(Result::transpose).take(limit).collect()
        })
        .await
    }

    async fn member_settings(&self, of: UserId, here: &[ConversationId]) -> Result<Vec<MemberSettings>, StoreError> {
        let here = here.to_vec();
        self.read("member_settings", move |view| {
            let settings = here.into_iter().map(|conversation| {
                Ok(view.get(&SETTINGS, (of, conversation))?.map(|row| row.value).unwrap_or_default())
            });
            settings.collect()
        })
        .await
    }

    async fn archived(&self, of: UserId) -> Result<Vec<ConversationId>, StoreError> {
        self.read("archived", move |view| {
            let (first, last) = (ConversationId::from_u128(0), ConversationId::from_u128(u128::MAX));
            let rows = view.range(&SETTINGS, between((of, first), (of, last)));
            let archived = rows.map(|row| {
                let (key, row) = row?;
                let conversation = ConversationId::from_u128(ends_with_id(&key)?);
                Ok(row.value.archived.then_some(conversation))
            });
            archived.filter_map(Result::transpose).collect()
        })
        .await
    }
}

fn blocks(view: &View<'_>, by: UserId, user: UserId) -> Result<bool, StoreError> {
    Ok(view.get(&BLOCKS, (by, user))?.is_some_and(|row| row.value.is_some()))
}
