//! Reactions and pins: a range of one window's partition for a page of messages, one partition for all pins.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use chat_protocol::{ConversationId, Seq, UserId, limits, model::Reaction};
use scylla::{statement::prepared::PreparedStatement, value::CqlTimestamp};

use super::{
    Scylla,
    cells::{self, AsKey},
    db::Db,
};
use crate::{Pin, Reacted, Reactions, StoreError, window::window_of};

/// Rows of one window read for a page: more reactions than that on 200 messages are not all counted.
const ROWS: i32 = 20_000;
/// Rows read at once while looking for what is there among what was taken back.
const STEP: usize = 500;
/// Above every position.
const PAST_ALL: i64 = i64::MAX;

pub(crate) struct Statements {
    range: PreparedStatement,
    to: PreparedStatement,
    pins: PreparedStatement,
}

impl Statements {
    pub(crate) async fn prepare(db: &Db) -> Result<Self, StoreError> {
        Ok(Self {
            range: db
                .prepare_read(
                    "SELECT message, emoji, user_id, present, at FROM reactions \
                     WHERE conversation = ? AND win = ? AND message >= ? AND message <= ? LIMIT ?",
                )
                .await?,
            to: db
                .prepare_read(
                    "SELECT message, emoji, user_id, present, at FROM reactions \
                     WHERE conversation = ? AND win = ? AND message = ? AND (emoji, user_id) > (?, ?) LIMIT ?",
                )
                .await?,
            pins: db
                .prepare_read(
                    "SELECT message, present, by_user, at FROM pins WHERE conversation = ? AND message < ? \
                     ORDER BY message DESC LIMIT ?",
                )
                .await?,
        })
    }
}

type Row<'row> = (i64, &'row str, &'row [u8], Option<bool>, Option<CqlTimestamp>);

/// A reaction and the message it is to; `None` for one that was taken back.
fn reaction(
    (message, emoji, user, present, at): Row<'_>,
) -> Result<(Seq, String, UserId, Option<Reaction>), StoreError> {
    let (message, user) = (cells::seq(message)?, cells::user_id(user)?);
    let there = at.filter(|_| present == Some(true));
    let reaction = there.map(|at| Reaction { emoji: emoji.to_owned(), user, at: cells::time(at) });
    Ok((message, emoji.to_owned(), user, reaction))
}

#[async_trait]
impl Reactions for Scylla {
    async fn reactions(&self, of: ConversationId, messages: &[Seq]) -> Result<Vec<Reacted>, StoreError> {
        self.db.reading("reactions", self.find_reactions(of, messages)).await
    }

    async fn reactions_to(
        &self,
        of: ConversationId,
        message: Seq,
        after: Option<(&str, UserId)>,
        limit: usize,
    ) -> Result<Vec<Reaction>, StoreError> {
        let list = async {
            let windows = self.windows_below(of, message.next()).await?;
            let Some(window) = window_of(&windows, message) else { return Ok(Vec::new()) };
            let (win, seq) = (cells::position(window.first), cells::position(message));
            let mut after = after
                .map_or_else(|| (String::new(), Vec::new()), |(emoji, user)| (emoji.to_owned(), user.key().to_vec()));
            let mut found = Vec::new();
            loop {
                let rows = i32::try_from(STEP).unwrap_or(i32::MAX);
                let values = (of.key(), win, seq, after.0.as_str(), after.1.as_slice(), rows);
                let answer = self.db.select(&self.reactions.to, values).await?;
                for (_, emoji, user, reaction) in cells::each(&answer, reaction)? {
                    after = (emoji, user.key().to_vec());
                    found.extend(reaction);
                }
                if found.len() >= limit || answer.rows_num() < STEP {
                    found.truncate(limit);
                    return Ok(found);
                }
            }
        };
        self.db.reading("reactions_to", list).await
    }

    async fn pins(&self, of: ConversationId) -> Result<Vec<Pin>, StoreError> {
        let list = async {
            let mut pins = Vec::new();
            let mut below = PAST_ALL;
            loop {
                let rows = i32::try_from(STEP).unwrap_or(i32::MAX);
                let answer = self.db.select(&self.reactions.pins, (of.key(), below, rows)).await?;
                let found = cells::each(&answer, |row: (i64, Option<bool>, Option<&[u8]>, Option<CqlTimestamp>)| {
                    let (message, present, by, at) = row;
                    let pin = match (present, by, at) {
                        (Some(true), Some(by), Some(at)) => Some((cells::user_id(by)?, cells::time(at))),
                        _ => None,
                    };
                    Ok((message, pin))
                })?;
                for (message, pin) in found {
                    below = message;
                    let message = cells::seq(message)?;
                    pins.extend(pin.map(|(by, at)| Pin { message, by, at }));
                }
                if answer.rows_num() < STEP {
                    return Ok(pins);
                }
            }
        };
        self.db.reading("pins", list).await
    }
}

impl Scylla {
    async fn find_reactions(&self, of: ConversationId, messages: &[Seq]) -> Result<Vec<Reacted>, StoreError> {
        let Some(last) = messages.iter().max() else { return Ok(Vec::new()) };
        let windows = self.windows_below(of, last.next()).await?;
        let mut ranges: BTreeMap<Seq, (Seq, Seq)> = BTreeMap::new();
        for message in messages {
            if let Some(window) = window_of(&windows, *message) {
                let range = ranges.entry(window.first).or_insert((*message, *message));
                *range = (range.0.min(*message), range.1.max(*message));
            }
        }
        let wanted: HashSet<Seq> = messages.iter().copied().collect();
        let mut found: BTreeMap<Seq, Vec<Reaction>> = BTreeMap::new();
        for (win, (first, last)) in ranges {
            let (win, first, last) = (cells::position(win), cells::position(first), cells::position(last));
            let answer = self.db.select(&self.reactions.range, (of.key(), win, first, last, ROWS)).await?;
            for (message, _, _, reaction) in cells::each(&answer, reaction)? {
                if wanted.contains(&message) {
                    found.entry(message).or_default().extend(reaction);
                }
            }
        }
        let asked = messages.iter().filter_map(|message| found.remove(message).map(|found| (*message, found)));
        let reacted = asked.map(|(message, reactions)| Reacted { message, reactions: counted(reactions) });
        Ok(reacted.filter(|reacted| !reacted.reactions.is_empty()).collect())
    }
}

/// Oldest first, and of each emoji no more than are counted.
fn counted(mut reactions: Vec<Reaction>) -> Vec<Reaction> {
    reactions.sort_by(Reaction::oldest_first);
    let mut counts: HashMap<String, u32> = HashMap::new();
    reactions.retain(|reaction| {
        let count = counts.entry(reaction.emoji.clone()).or_default();
        *count += 1;
        *count <= limits::REACTION_COUNT
    });
    reactions
}
