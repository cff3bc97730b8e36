//! Reactions and pins.

use std::collections::HashMap;

use async_trait::async_trait;
use chat_protocol::{ConversationId, Seq, Timestamp, UserId, limits, model::Reaction};
use serde::{Deserialize, Serialize};

use super::{
    Embedded,
    key::{Key, ends_with_seq},
    stage::Stage,
    tables::{Subject, Table},
    view::{View, between},
};
use crate::{Pin, Reacted, Reactions, StoreError};

/// Reactions by conversation, position of the message, user and emoji.
static REACTIONS: Table<Toggle> = Table::new(Subject::Messages, b'x');
/// Pins by conversation and position of the message.
static PINS: Table<Toggle> = Table::new(Subject::Messages, b'p');
/// What stands in a key of [`REACTIONS`] before the user: the table, the conversation, the message.
const BEFORE_USER: usize = 1 + 16 + 8;
/// Rows read of one message: every reaction that counts, and as many that were taken back.
const ROWS: usize = 2 * limits::EMOJI_PER_MESSAGE * limits::REACTION_COUNT as usize;

/// Something that is there or no longer. The row stays: an older event may still come.
#[derive(Serialize, Deserialize)]
pub(super) struct Toggle {
    /// The position of the last change.
    seq: Seq,
    present: bool,
    at: Timestamp,
    by: UserId,
}

/// One change of a [`Toggle`].
#[derive(Clone, Copy)]
pub(super) struct Change {
    pub(super) seq: Seq,
    pub(super) present: bool,
    pub(super) at: Timestamp,
    pub(super) by: UserId,
}

/// A reaction comes or goes.
pub(super) fn react(
    stage: &mut Stage<'_>,
    (of, message, user, emoji): (ConversationId, Seq, UserId, &str),
    change: Change,
) -> Result<(), StoreError> {
    toggle(stage, &REACTIONS, (of, message, user, emoji), change)
}

/// A pin comes or goes.
pub(super) fn pin(
    stage: &mut Stage<'_>,
    (of, message): (ConversationId, Seq),
    change: Change,
) -> Result<(), StoreError> {
    toggle(stage, &PINS, (of, message), change)
}

fn toggle(stage: &mut Stage<'_>, table: &Table<Toggle>, key: impl Key, change: Change) -> Result<(), StoreError> {
    let Change { seq, present, at, by } = change;
    match stage.get(table, &key)? {
        Some(held) if held.seq >= seq => Ok(()),
        _ => stage.put(table, &key, &Toggle { seq, present, at, by }),
    }
}

/// Removes a part of a conversation's reactions and pins; whether there may be more.
pub(super) fn purge(stage: &mut Stage<'_>, of: ConversationId, most: usize) -> Result<bool, StoreError> {
    Ok(stage.remove_some(&REACTIONS, of, most)? || stage.remove_some(&PINS, of, most)?)
}

#[async_trait]
impl Reactions for Embedded {
    async fn reactions(&self, of: ConversationId, messages: &[Seq]) -> Result<Vec<Reacted>, StoreError> {
        let messages = messages.to_vec();
        self.read("reactions", move |view| {
            let reacted = messages.into_iter().map(|message| {
                let mut reactions = reactions_of(view, of, message)?;
                reactions.sort_by(Reaction::oldest_first);
                let mut counts: HashMap<String, u32> = HashMap::new();
                reactions.retain(|reaction| {
                    let count = counts.entry(reaction.emoji.clone()).or_default();
                    *count += 1;
                    *count <= limits::REACTION_COUNT
                });
                Ok(Reacted { message, reactions })
            });
            reacted.filter(|row| row.as_ref().map_or(true, |row| !row.reactions.is_empty())).collect()
        })
        .await
    }

    async fn reactions_to(
        &self,
        of: ConversationId,
        message: Seq,
        after: Option<(&str, UserId)>,
        limit: usize,
    ) -> Result<Vec<Reaction>, StoreError> {
        let after = after.map(|(emoji, user)| (emoji.to_owned(), user));
        self.read("reactions_to", move |view| {
            let mut reactions = reactions_of(view, of, message)?;
            reactions.sort_by(|a, b| (&a.emoji, a.user).cmp(&(&b.emoji, b.user)));
            let beyond = |reaction: &Reaction| {
                after.as_ref().is_none_or(|(emoji, user)| (&reaction.emoji, reaction.user) > (emoji, *user))
            };
            Ok(reactions.into_iter().filter(beyond).take(limit).collect())
        })
        .await
    }

    async fn pins(&self, of: ConversationId) -> Result<Vec<Pin>, StoreError> {
        self.read("pins", move |view| {
            let rows = view.range(&PINS, between((of, Seq::ZERO), (of, Seq::MAX))).rev();
            let pins = rows.map(|row| {
                let (key, Toggle { present, at, by, .. }) = row?;
                let message = ends_with_seq(&key)?;
                Ok(present.then_some(Pin { message, by, at }))
            });
            pins.filter_map(Result::transpose).collect()
        })
        .await
    }
}

/// Those that are there, by user and emoji.
fn reactions_of(view: &View<'_>, of: ConversationId, message: Seq) -> Result<Vec<Reaction>, StoreError> {
    let (first, last) = (UserId::from_u128(0), UserId::from_u128(u128::MAX));
    // Above every emoji of the last user: UTF-8 has no such byte.
    let last = (of, message, last, [0xff_u8].as_slice());
    let rows = view.range(&REACTIONS, between((of, message, first, [].as_slice()), last));
    let mut reactions = Vec::new();
    for row in rows.take(ROWS) {
        let (key, Toggle { present, at, .. }) = row?;
        if present {
            let (user, emoji) = user_and_emoji(&key)?;
            reactions.push(Reaction { emoji, user, at });
        }
    }
    Ok(reactions)
}

fn user_and_emoji(key: &[u8]) -> Result<(UserId, String), StoreError> {
    let parts = key.get(BEFORE_USER..).and_then(|rest| {
        let (user, emoji) = rest.split_first_chunk()?;
        Some((UserId::from_u128(u128::from_be_bytes(*user)), String::from_utf8(emoji.to_vec()).ok()?))
    });
    parts.ok_or_else(|| StoreError::Other("a key does not end with what its table says".into()))
}

#[cfg(test)]
pub(super) fn reaction(
    view: &View<'_>,
    of: ConversationId,
    (message, user, emoji): (Seq, UserId, &str),
) -> Result<Option<(Seq, bool)>, StoreError> {
    Ok(view.get(&REACTIONS, (of, message, user, emoji))?.map(|row| (row.seq, row.present)))
}

#[cfg(test)]
pub(super) fn pinned(view: &View<'_>, of: ConversationId, message: Seq) -> Result<Option<(Seq, bool)>, StoreError> {
    Ok(view.get(&PINS, (of, message))?.map(|row| (row.seq, row.present)))
}
