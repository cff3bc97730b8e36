//! Reactions and pins: what members add to messages.

use async_trait::async_trait;
use chat_protocol::{ConversationId, Seq, Timestamp, UserId, model::Reaction};

use crate::StoreError;

/// The reactions to one message, oldest first.
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
    /// The reactions to messages of one conversation, at most 200 of them, in the order asked; those without any are left
    /// out. Of a deleted message they are still there: whoever read it knows that it is a tombstone.
    async fn reactions(&self, of: ConversationId, messages: &[Seq]) -> Result<Vec<Reacted>, StoreError>;
    /// Who reacted to a message, by emoji and user, after `after`.
    async fn reactions_to(
        &self,
        of: ConversationId,
        message: Seq,
        after: Option<(&str, UserId)>,
        limit: usize,
    ) -> Result<Vec<Reaction>, StoreError>;
    /// The pinned messages of a conversation, also those that were deleted since, newest message first.
    async fn pins(&self, of: ConversationId) -> Result<Vec<Pin>, StoreError>;
}
