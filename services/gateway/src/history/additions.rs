//! Reactions and pins as they are now: what the store says, and over it what the log's tail says.
//!
//! What is added to a message comes after it: where the tail in memory reaches back to a message, it holds everything
//! that was ever added to it, and the store is not asked.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chat_protocol::{
    ErrorCode, Seq, UserId, limits,
    model::{Message, Reaction, ReactionSummary},
};
use chat_store::{Pin, Reacted};

use super::{Overlay, Unsettled, shared::Asked};
use crate::{app::App, fault::Fault, hub::Room};

/// Reactions to some messages, and the pins of their conversation.
type Additions = (Vec<Reacted>, Vec<Pin>);

impl App {
    /// Adds to messages of one conversation what `viewer` sees of their reactions and pins. Where the store is away,
    /// those that the log still holds.
    pub async fn add_additions(&self, room: &Arc<Room>, viewer: UserId, messages: &mut [Message]) -> Result<(), Fault> {
        let Some(first) = messages.iter().map(|message| message.seq).min() else { return Ok(()) };
        if let Some((overlay, _)) = room.overlay_after(first.before()).await {
            add(&overlay, (Vec::new(), Vec::new()), viewer, messages);
            return Ok(());
        }
        room.reach_acknowledged().await;
        let Unsettled { overlay, asked, .. } = self.unsettled(room).await?;
        let stored = self.stored_additions(room, asked, messages).await.or_else(without_store)?;
        add(&overlay, stored, viewer, messages);
        Ok(())
    }

    /// What the store says of them; to be read after the log's tail was.
    pub(super) async fn stored_additions(
        &self,
        room: &Room,
        asked: Asked,
        messages: &[Message],
    ) -> Result<Additions, Fault> {
        let living = messages.iter().filter(|message| !message.deleted).map(|message| message.seq).collect();
        tokio::try_join!(self.reads.reactions(&self.store, asked, living), self.stored_pins(room, asked))
    }

    async fn stored_pins(&self, room: &Room, asked: Asked) -> Result<Vec<Pin>, Fault> {
        match room.pins_in_memory() {
            Some(pins) => Ok(pins),
            None => self.reads.pins(&self.store, asked).await,
        }
    }

    /// The reactions to one message, oldest first.
    pub async fn reactions_to(&self, room: &Arc<Room>, message: Seq) -> Result<Vec<Reaction>, Fault> {
        if let Some((overlay, _)) = room.overlay_after(message.before()).await {
            return Ok(overlay.reactions(message, Vec::new()));
        }
        room.reach_acknowledged().await;
        let Unsettled { overlay, asked, .. } = self.unsettled(room).await?;
        let stored = self.reads.reactions(&self.store, asked, vec![message]).await?;
        let stored = stored.into_iter().next().map(|reacted| reacted.reactions).unwrap_or_default();
        Ok(overlay.reactions(message, stored))
    }

    /// The pins of a conversation, in no particular order.
    pub async fn pins(&self, room: &Arc<Room>) -> Result<Vec<Pin>, Fault> {
        room.reach_acknowledged().await;
        if let Some(pins) = room.pins_in_memory() {
            return Ok(pins);
        }
        let Unsettled { overlay, asked, .. } = self.unsettled(room).await?;
        Ok(overlay.pins(self.reads.pins(&self.store, asked).await?))
    }
}

/// Lays the events of the tail over what the store says of messages.
pub(super) fn add(overlay: &Overlay, (reacted, pins): Additions, viewer: UserId, messages: &mut [Message]) {
    let mut stored: HashMap<Seq, Vec<Reaction>> =
        reacted.into_iter().map(|Reacted { message, reactions }| (message, reactions)).collect();
    let pinned = overlay.pins(pins);
    for message in messages.iter_mut().filter(|message| !message.deleted) {
        let reactions = overlay.reactions(message.seq, stored.remove(&message.seq).unwrap_or_default());
        message.reactions = summaries(&reactions, viewer);
        message.pinned = pinned.iter().any(|pin| pin.message == message.seq);
    }
}

/// Without the store what is recent is still shown.
pub(super) fn without_store(fault: Fault) -> Result<Additions, Fault> {
    if fault.code == ErrorCode::StoreUnavailable { Ok((Vec::new(), Vec::new())) } else { Err(fault) }
}

/// By emoji, in the order in which each first came.
pub(super) fn summaries(reactions: &[Reaction], viewer: UserId) -> Vec<ReactionSummary> {
    let mut order: Vec<ReactionSummary> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for Reaction { emoji, user, .. } in reactions {
        let place = *places.entry(emoji).or_insert_with(|| {
            order.push(ReactionSummary { emoji: emoji.clone(), count: 0, users: Vec::new(), mine: false });
            order.len() - 1
        });
        if let Some(summary) = order.get_mut(place) {
            summary.count = (summary.count + 1).min(limits::REACTION_COUNT);
            summary.mine |= *user == viewer;
            if summary.users.len() < limits::REACTION_USERS {
                summary.users.push(*user);
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use chat_protocol::Timestamp;

    use super::*;

    #[test]
    fn a_summary_counts_names_the_first_and_knows_the_viewer() {
        let reaction = |n: u64, emoji: &str| Reaction {
            emoji: emoji.into(),
            user: UserId::from_u128(n.into()),
            at: Timestamp::from_ms(i64::try_from(n).unwrap()),
        };
        let mut reactions: Vec<Reaction> = vec![reaction(0, "b")];
        reactions.extend((1..=30).map(|n| reaction(n, "a")));
        let seen = summaries(&reactions, UserId::from_u128(25));
        let [b, a] = &seen[..] else { panic!("two emoji: {seen:?}") };
        assert_eq!((b.emoji.as_str(), b.count, b.mine), ("b", 1, false));
        assert_eq!((a.emoji.as_str(), a.count, a.users.len(), a.mine), ("a", 30, 20, true));
        assert_eq!(a.users.first(), Some(&UserId::from_u128(1)));
    }
}
