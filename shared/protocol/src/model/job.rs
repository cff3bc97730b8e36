//! Long work.

use serde::{Deserialize, Serialize};

use crate::{
    id::{JobId, UserId},
    time::Timestamp,
};

/// Long work that somebody started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Job {
    /// A ULID.
    pub id: JobId,
    /// What is done: `purge` (a deleted conversation), `erase` (a closed account).
    pub kind: JobKind,
    /// How far it is.
    pub state: JobState,
    /// Who started it.
    pub started_by: UserId,
    /// When.
    pub created_at: Timestamp,
}

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Removes the rows of a deleted conversation.
    Purge,
    /// Removes what is left of a closed account.
    Erase,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum JobState {
    Waiting,
    Running,
    Done,
    Failed,
    Cancelled,
}
