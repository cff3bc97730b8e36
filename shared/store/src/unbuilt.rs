//! Temporary: methods that the engines do not have yet.

use async_trait::async_trait;
use chat_protocol::{
    ConversationId, JobId, Seq, Timestamp, UserId,
    model::{Ban, Block, JobKind, JobState, Marker, MemberSettings, Reaction, Status},
};

use crate::*;

fn no<T>() -> Result<T, StoreError> {
    Err(StoreError::Other("not built".into()))
}

macro_rules! unbuilt {
    ($engine:ty) => {
        #[async_trait]
        impl Reactions for $engine {
            async fn reactions(&self, _of: ConversationId, _messages: &[Seq]) -> Result<Vec<Reacted>, StoreError> {
                no()
            }
            async fn reactions_to(
                &self,
                _of: ConversationId,
                _message: Seq,
                _after: Option<(&str, UserId)>,
                _limit: usize,
            ) -> Result<Vec<Reaction>, StoreError> {
                no()
            }
            async fn pins(&self, _of: ConversationId) -> Result<Vec<Pin>, StoreError> {
                no()
            }
        }
        #[async_trait]
        impl Relations for $engine {
            async fn blocks(
                &self,
                _of: UserId,
                _after: Option<UserId>,
                _limit: usize,
            ) -> Result<Vec<Block>, StoreError> {
                no()
            }
            async fn blocked_between(&self, _user: UserId, _others: &[UserId]) -> Result<Vec<UserId>, StoreError> {
                no()
            }
            async fn blocked_by(&self, _user: UserId, _others: &[UserId]) -> Result<Vec<UserId>, StoreError> {
                no()
            }
            async fn ban(&self, _of: ConversationId, _user: UserId) -> Result<Option<Ban>, StoreError> {
                no()
            }
            async fn bans(
                &self,
                _of: ConversationId,
                _after: Option<UserId>,
                _limit: usize,
            ) -> Result<Vec<Ban>, StoreError> {
                no()
            }
            async fn member_settings(
                &self,
                _of: UserId,
                _here: &[ConversationId],
            ) -> Result<Vec<MemberSettings>, StoreError> {
                no()
            }
            async fn archived(&self, _of: UserId) -> Result<Vec<ConversationId>, StoreError> {
                no()
            }
        }
        #[async_trait]
        impl Markers for $engine {
            async fn raise_markers(
                &self,
                _of: UserId,
                _markers: &[(ConversationId, Marker)],
            ) -> Result<(), StoreError> {
                no()
            }
            async fn markers(&self, _of: UserId, _here: &[ConversationId]) -> Result<Vec<Option<Marker>>, StoreError> {
                no()
            }
            async fn markers_in(&self, _of: ConversationId, _limit: usize) -> Result<Vec<Marker>, StoreError> {
                no()
            }
        }
        #[async_trait]
        impl Statuses for $engine {
            async fn set_status(&self, _of: UserId, _status: &Status, _at: Timestamp) -> Result<(), StoreError> {
                no()
            }
            async fn statuses(&self, _of: &[UserId]) -> Result<Vec<Status>, StoreError> {
                no()
            }
            async fn seen(&self, _seen: &[(UserId, Timestamp)]) -> Result<(), StoreError> {
                no()
            }
            async fn last_seen(&self, _of: &[UserId]) -> Result<Vec<Option<Timestamp>>, StoreError> {
                no()
            }
        }
        #[async_trait]
        impl Jobs for $engine {
            async fn create_job(&self, _row: &JobRow) -> Result<(), StoreError> {
                no()
            }
            async fn job(&self, _id: JobId) -> Result<Option<JobRow>, StoreError> {
                no()
            }
            async fn open_jobs(&self, _kind: JobKind, _limit: usize) -> Result<Vec<JobRow>, StoreError> {
                no()
            }
            async fn claim_job(
                &self,
                _id: JobId,
                _worker: u128,
                _now: Timestamp,
                _lease_until: Timestamp,
            ) -> Result<bool, StoreError> {
                no()
            }
            async fn note_job(
                &self,
                _id: JobId,
                _worker: u128,
                _state: JobState,
                _progress: &str,
            ) -> Result<bool, StoreError> {
                no()
            }
            async fn purge(
                &self,
                _conversation: ConversationId,
                _progress: &str,
            ) -> Result<Option<String>, StoreError> {
                no()
            }
            async fn erase_user(&self, _user: UserId) -> Result<(), StoreError> {
                no()
            }
        }
    };
}
unbuilt!(Embedded);
unbuilt!(Scylla);
