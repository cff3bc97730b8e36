//! Long work that outlives the request which asked for it: claimed by one worker at a time, resumed by any.

use async_trait::async_trait;
use chat_protocol::{
    ConversationId, JobId, Timestamp, UserId,
    model::{Job, JobKind, JobState},
};

use crate::StoreError;

/// A job with what its worker needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// What its starter sees.
    pub job: Job,
    /// What it is about: a conversation's or a user's id.
    pub subject: u128,
    /// Where to go on, as its worker wrote it; empty at the beginning.
    pub progress: String,
    /// Not to be begun before.
    pub not_before: Timestamp,
}

/// Jobs, and the work that they do in the store.
#[async_trait]
pub trait Jobs: Send + Sync + 'static {
    /// Writes a job to be done; the same id again changes nothing.
    async fn create_job(&self, row: &JobRow) -> Result<(), StoreError>;
    /// One job.
    async fn job(&self, id: JobId) -> Result<Option<JobRow>, StoreError>;
    /// Jobs of a kind that are neither done, failed nor cancelled; at most `limit`.
    async fn open_jobs(&self, kind: JobKind, limit: usize) -> Result<Vec<JobRow>, StoreError>;
    /// Takes a job for `worker` until `lease_until`, if nobody else holds it at `now`; renews an own lease. `false`: it
    /// is somebody else's, or it has ended.
    async fn claim_job(
        &self,
        id: JobId,
        worker: u128,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Notes where a claimed job is to go on, or that it has ended; `false` if it is no longer this worker's.
    async fn note_job(&self, id: JobId, worker: u128, state: JobState, progress: &str) -> Result<bool, StoreError>;
    /// Removes a bounded part of a deleted conversation's rows (messages, windows' rows, reactions, pins, markers,
    /// members of it last); answers where to go on, `None` when nothing is left. The row of the conversation itself
    /// stays, deleted, so that its id is never used again. Repeating a step is right.
    async fn purge(&self, conversation: ConversationId, progress: &str) -> Result<Option<String>, StoreError>;
    /// Removes what a closed account left beside messages: profile, sessions, settings, markers, blocks. The id stays,
    /// erased; its name is free again.
    async fn erase_user(&self, user: UserId) -> Result<(), StoreError>;
}
