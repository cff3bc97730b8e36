//! Reactions and pins: what members add to messages.

use async_trait::async_trait;
use chat_protocol::{ConversationId, Seq, Timestamp, UserId, model::Reaction};

use crate::StoreError;

/// All reactions to one message that are known, oldest first by emoji and within one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reacted {
    /// The message.
    pub message: Seq,
    /// Of each emoji at most [`chat_protocol::limits::REACTION_COUNT`].
    pub reactions: Vec<Reaction>,
}

/// A pinned message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// The message.
    pub message: Seq,
    /// Who pinned it.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
}

/// Reactions and pins. Written by [`crate::Messages::apply`] only.
#[async_trait]
pub trait Reactions: Send + Sync + 'static {
    /// The reactions to messages of one conversation, at most 200 of them; those without any are left out.
    async fn reactions(&self, of: ConversationId, messages: &[Seq]) -> Result<Vec<Reacted>, StoreError>;
    /// Who reacted to a message, by emoji and user, after `after`.
    async fn reactions_to(
        &self,
        of: ConversationId,
        message: Seq,
        after: Option<(&str, UserId)>,
        limit: usize,
    ) -> Result<Vec<Reaction>, StoreError>;
    /// The pinned messages of a conversation that are not deleted, newest message first; at most
    /// [`chat_protocol::limits::PINS`] and a few more that raced.
    async fn pins(&self, of: ConversationId) -> Result<Vec<Pin>, StoreError>;
}
