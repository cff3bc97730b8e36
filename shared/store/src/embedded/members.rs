//! Members by conversation, and conversations by user.

use std::ops::Bound;

use async_trait::async_trait;
use chat_protocol::{ConversationId, Seq, Timestamp, UserId, model::Member, rights::Role};
use serde::{Deserialize, Serialize};

use super::{
    Embedded,
    key::ends_with_id,
    latest::Latest,
    stage::Stage,
    tables::{Subject, Table},
};
use crate::{Members, Membership, StoreError};

/// By conversation and user. Who left stays as a row that says so: an older joining may still come.
static MEMBERS: Table<Row> = Table::new(Subject::Members, b'm');
/// By user and conversation: there as long as [`MEMBERS`] says that the user is a member.
static OF_USER: Table<()> = Table::new(Subject::Members, b'u');

#[derive(Default, Serialize, Deserialize)]
struct Row {
    place: Option<Latest<Option<Place>>>,
    role: Option<Latest<Role>>,
}

/// Where a membership began.
#[derive(Serialize, Deserialize)]
struct Place {
    joined_at: Timestamp,
    joined_seq: Seq,
}

impl Row {
    fn member(&self, user: UserId) -> Option<Member> {
        let Place { joined_at, joined_seq } = self.place.as_ref()?.value.as_ref()?;
        let role = self.role.as_ref()?.value;
        Some(Member { user, role, joined_at: *joined_at, joined_seq: *joined_seq })
    }
}

#[async_trait]
impl Members for Embedded {
    async fn member(&self, of: ConversationId, user: UserId) -> Result<Option<Member>, StoreError> {
        self.read("member", move |view| Ok(view.get(&MEMBERS, (of, user))?.and_then(|row| row.member(user)))).await
    }

    async fn members(
        &self,
        of: ConversationId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, StoreError> {
        self.read("members", move |view| {
            let last = Bound::Included((of, UserId::from_u128(u128::MAX)));
            let first = after.map_or(Bound::Included((of, UserId::from_u128(0))), |user| Bound::Excluded((of, user)));
            let members = view.range(&MEMBERS, (first, last)).map(|row| {
                let (key, row) = row?;
                Ok(row.member(UserId::from_u128(ends_with_id(&key)?)))
            });
            members.filter_map(Result::transpose).take(limit).collect()
        })
        .await
    }

    async fn memberships(
        &self,
        of: UserId,
        after: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<Membership>, StoreError> {
        self.read("memberships", move |view| {
            let last = Bound::Included((of, ConversationId::from_u128(u128::MAX)));
            let none = Bound::Included((of, ConversationId::from_u128(0)));
            let first = after.map_or(none, |conversation| Bound::Excluded((of, conversation)));
            let memberships = view.range(&OF_USER, (first, last)).map(|row| {
                let conversation = ConversationId::from_u128(ends_with_id(&row?.0)?);
                let member = view.get(&MEMBERS, (conversation, of))?.and_then(|row| row.member(of));
                Ok(member.map(|member| Membership { conversation, member }))
            });
            memberships.filter_map(Result::transpose).take(limit).collect()
        })
        .await
    }

    async fn set_reader(
        &self,
        of: ConversationId,
        user: UserId,
        joined: Option<Timestamp>,
        seq: Seq,
    ) -> Result<(), StoreError> {
        self.write("set_reader", move |stage| {
            change(stage, of, user, |row| {
                if row.member(user).is_some() == joined.is_some() {
                    return;
                }
                Latest::put_over(&mut row.place, seq, joined.map(|joined_at| Place { joined_at, joined_seq: seq }));
                if joined.is_some() {
                    Latest::put_over(&mut row.role, seq, Role::Reader);
                }
            })
        })
        .await
    }
}

/// A user is a member from `seq` on.
pub(super) fn joined(
    stage: &mut Stage<'_>,
    of: ConversationId,
    seq: Seq,
    Member { user, role, joined_at, joined_seq }: Member,
) -> Result<(), StoreError> {
    change(stage, of, user, |row| {
        Latest::put(&mut row.place, seq, Some(Place { joined_at, joined_seq }));
        Latest::put(&mut row.role, seq, role);
    })
}

/// A user's role from `seq` on.
pub(super) fn role(
    stage: &mut Stage<'_>,
    of: ConversationId,
    seq: Seq,
    user: UserId,
    role: Role,
) -> Result<(), StoreError> {
    change(stage, of, user, |row| Latest::put(&mut row.role, seq, role))
}

/// A user is no member from `seq` on.
pub(super) fn left(stage: &mut Stage<'_>, of: ConversationId, seq: Seq, user: UserId) -> Result<(), StoreError> {
    change(stage, of, user, |row| Latest::put(&mut row.place, seq, None))
}

/// Changes a member's row, and the user's list with it.
fn change(
    stage: &mut Stage<'_>,
    of: ConversationId,
    user: UserId,
    change: impl FnOnce(&mut Row),
) -> Result<(), StoreError> {
    let mut row = stage.get(&MEMBERS, (of, user))?.unwrap_or_default();
    change(&mut row);
    stage.put(&MEMBERS, (of, user), &row)?;
    if row.member(user).is_some() {
        stage.put(&OF_USER, (user, of), &())
    } else {
        stage.remove(&OF_USER, (user, of));
        Ok(())
    }
}

/// The conversations whose lists hold a user, or did.
pub(super) fn conversations(stage: &Stage<'_>, user: UserId) -> Result<Vec<ConversationId>, StoreError> {
    let keys = stage.keys(&OF_USER, user)?;
    keys.iter().map(|key| Ok(ConversationId::from_u128(ends_with_id(key)?))).collect()
}

/// Removes a part of a conversation's members, from their own lists too; whether there may be more.
pub(super) fn purge(stage: &mut Stage<'_>, of: ConversationId, most: usize) -> Result<bool, StoreError> {
    let keys = stage.some_keys(&MEMBERS, of, most)?;
    let more = keys.len() == most;
    for key in keys {
        let user = UserId::from_u128(ends_with_id(&key)?);
        stage.remove(&OF_USER, (user, of));
        stage.remove(&MEMBERS, (of, user));
    }
    Ok(more)
}
