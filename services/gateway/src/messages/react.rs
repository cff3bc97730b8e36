//! Reactions: one of each emoji and user.

use std::collections::BTreeSet;

use chat_auth::Action;
use chat_protocol::{
    ConversationId, ErrorCode, MessageId, Seq, UserId,
    event::{Body, Event, ReactionChange, ReactionChanged, ReactionOp},
    limits,
};

use crate::{app::App, fault::Fault};

impl App {
    /// Adds a reaction or takes it back; answers the position of the change: none if nothing changed.
    pub async fn react(
        &self,
        by: UserId,
        of: ConversationId,
        id: MessageId,
        emoji: String,
        op: ReactionOp,
    ) -> Result<Option<Seq>, Fault> {
        if emoji.is_empty() || emoji.len() > limits::EMOJI_BYTES || emoji.chars().any(char::is_control) {
            let detail = format!("1 to {} bytes, no control characters", limits::EMOJI_BYTES);
            return Err(Fault::field("emoji", "range", detail));
        }
        let room = self.hub.room(of).await?;
        let roster = room.authorize(by, Action::React).await?;
        self.living(&room, &roster, by, id).await?;
        let present = self.reactions_to(&room, id.seq()).await?;
        let there = present.iter().any(|reaction| reaction.user == by && reaction.emoji == emoji);
        if there == (op == ReactionOp::Add) {
            return Ok(None);
        }
        let different: BTreeSet<&str> = present.iter().map(|reaction| reaction.emoji.as_str()).collect();
        let full = different.len() >= limits::EMOJI_PER_MESSAGE && !different.contains(emoji.as_str());
        if op == ReactionOp::Add && full {
            let detail = format!("at most {} different emoji", limits::EMOJI_PER_MESSAGE);
            return Err(Fault::new(ErrorCode::LimitReached, detail));
        }
        let changes = vec![ReactionChange { user: by, emoji, op }];
        let body = Body::ReactionChanged(ReactionChanged { message: id, changes });
        self.append_change(&room, Event { at: self.now(), by, body }).await.map(Some)
    }
}
