//! What users said about their presence, and when they were last there.

use async_trait::async_trait;
use chat_protocol::{Timestamp, UserId, model::Status};

use crate::StoreError;

/// Statuses, and last-seen times. The last writer wins for statuses; times are merged by maximum.
#[async_trait]
pub trait Statuses: Send + Sync + 'static {
    /// Replaces a user's status.
    async fn set_status(&self, of: UserId, status: &Status, at: Timestamp) -> Result<(), StoreError>;
    /// Statuses of these users (at most 500), in the order asked; the default where nothing was set. Whether `until`
    /// has passed is the caller's to see.
    async fn statuses(&self, of: &[UserId]) -> Result<Vec<Status>, StoreError>;
    /// Raises last-seen times (at most 500).
    async fn seen(&self, seen: &[(UserId, Timestamp)]) -> Result<(), StoreError>;
    /// When these users (at most 500) were last seen, in the order asked.
    async fn last_seen(&self, of: &[UserId]) -> Result<Vec<Option<Timestamp>>, StoreError>;
}
