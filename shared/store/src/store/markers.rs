//! How far members have read.

use async_trait::async_trait;
use chat_protocol::{ConversationId, UserId, model::Marker};

use crate::StoreError;

/// Markers: each part of one is merged by maximum, so writes may come late, twice and in any order. `read` implies
/// `delivered`. `at` is when the highest pair was last said.
#[async_trait]
pub trait Markers: Send + Sync + 'static {
    /// Raises markers of one user in some conversations (at most 500); what is lower changes nothing.
    async fn raise_markers(&self, of: UserId, markers: &[(ConversationId, Marker)]) -> Result<(), StoreError>;
    /// A user's markers in these conversations (at most 500), in the order asked.
    async fn markers(&self, of: UserId, here: &[ConversationId]) -> Result<Vec<Option<Marker>>, StoreError>;
    /// The markers of a conversation, by user id; at most `limit`.
    async fn markers_in(&self, of: ConversationId, limit: usize) -> Result<Vec<Marker>, StoreError>;
}
