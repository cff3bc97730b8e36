//! What stands between users, and between a user and a conversation.

use async_trait::async_trait;
use chat_protocol::{
    ConversationId, UserId,
    model::{Ban, Block, MemberSettings},
};

use crate::StoreError;

/// Blocks, bans and members' own settings. Written by [`crate::Messages::apply`] only: blocks and settings follow from
/// the user's feed, bans from the conversation.
#[async_trait]
pub trait Relations: Send + Sync + 'static {
    /// Whom a user blocks, by user id, after `after`.
    async fn blocks(&self, of: UserId, after: Option<UserId>, limit: usize) -> Result<Vec<Block>, StoreError>;
    /// Those of `others` (at most 100) with a block between them and `user`: who blocks whom makes no difference.
    async fn blocked_between(&self, user: UserId, others: &[UserId]) -> Result<Vec<UserId>, StoreError>;
    /// Those of `others` (at most 500) who block `user`.
    async fn blocked_by(&self, user: UserId, others: &[UserId]) -> Result<Vec<UserId>, StoreError>;
    /// One ban, whether or not its `until` has passed; `None` once lifted.
    async fn ban(&self, of: ConversationId, user: UserId) -> Result<Option<Ban>, StoreError>;
    /// The bans of a conversation that were not lifted, by user id, after `after`.
    async fn bans(&self, of: ConversationId, after: Option<UserId>, limit: usize) -> Result<Vec<Ban>, StoreError>;
    /// What a user set for these conversations (at most 200), in the order asked; the defaults where nothing was set.
    async fn member_settings(&self, of: UserId, here: &[ConversationId]) -> Result<Vec<MemberSettings>, StoreError>;
    /// The conversations a user archived, to tell them from the rest of the list.
    async fn archived(&self, of: UserId) -> Result<Vec<ConversationId>, StoreError>;
}
