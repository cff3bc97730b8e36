//! Long work: who has it, and its steps in this store.

use async_trait::async_trait;
use chat_protocol::{
    ConversationId, JobId, Timestamp, UserId,
    model::{Job, JobKind, JobState},
};
use serde::{Deserialize, Serialize};

use super::{
    Embedded,
    key::ends_with_id,
    markers, members, messages, reactions, relations, sessions, statuses,
    tables::{Subject, Table},
    users,
    view::between,
};
use crate::{JobRow, Jobs, StoreError};

/// By job.
static JOBS: Table<Row> = Table::new(Subject::Marks, b'j');
/// By kind and job: those that have not ended.
static OPEN: Table<()> = Table::new(Subject::Marks, b'o');
/// Rows removed in one step: a commit of some milliseconds.
const STEP: usize = 1_000;

#[derive(Serialize, Deserialize)]
struct Row {
    job: Job,
    subject: u128,
    progress: String,
    not_before: Timestamp,
    #[serde(default)]
    claim: Option<Claim>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Claim {
    worker: u128,
    until: Timestamp,
}

impl From<Row> for JobRow {
    fn from(Row { job, subject, progress, not_before, .. }: Row) -> Self {
        Self { job, subject, progress, not_before }
    }
}

const fn has_ended(state: JobState) -> bool {
    matches!(state, JobState::Done | JobState::Failed | JobState::Cancelled)
}

const fn of_kind(kind: JobKind) -> [u8; 1] {
    match kind {
        JobKind::Purge => *b"p",
        JobKind::Erase => *b"e",
    }
}

#[async_trait]
impl Jobs for Embedded {
    async fn create_job(&self, row: &JobRow) -> Result<(), StoreError> {
        let JobRow { job, subject, progress, not_before } = row.clone();
        self.write("create_job", move |stage| {
            if stage.get(&JOBS, job.id)?.is_some() {
                return Ok(());
            }
            stage.put(&OPEN, (of_kind(job.kind).as_slice(), job.id), &())?;
            let id = job.id;
            stage.put(&JOBS, id, &Row { job, subject, progress, not_before, claim: None })
        })
        .await
    }

    async fn job(&self, id: JobId) -> Result<Option<JobRow>, StoreError> {
        self.read("job", move |view| Ok(view.get(&JOBS, id)?.map(JobRow::from))).await
    }

    async fn open_jobs(&self, kind: JobKind, limit: usize) -> Result<Vec<JobRow>, StoreError> {
        self.read("open_jobs", move |view| {
            let kind = of_kind(kind);
            let (first, last) = (JobId::from_u128(0), JobId::from_u128(u128::MAX));
            let open = view.range(&OPEN, between((kind.as_slice(), first), (kind.as_slice(), last)));
            let rows = open.map(|row| Ok(view.get(&JOBS, JobId::from_u128(ends_with_id(&row?.0)?))?.map(JobRow::from)));
            rows.filter_map(Result::transpose).take(limit).collect()
        })
        .await
    }

    async fn claim_job(
        &self,
        id: JobId,
        worker: u128,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write("claim_job", move |stage| {
            let Some(mut row) = stage.get(&JOBS, id)? else { return Ok(false) };
            let taken = row.claim.is_some_and(|claim| claim.worker != worker && claim.until > now);
            if taken || has_ended(row.job.state) || row.not_before > now {
                return Ok(false);
            }
            row.claim = Some(Claim { worker, until: lease_until });
            row.job.state = JobState::Running;
            stage.put(&JOBS, id, &row)?;
            Ok(true)
        })
        .await
    }

    async fn note_job(&self, id: JobId, worker: u128, state: JobState, progress: &str) -> Result<bool, StoreError> {
        let progress = progress.to_owned();
        self.write("note_job", move |stage| {
            let Some(mut row) = stage.get(&JOBS, id)? else { return Ok(false) };
            if row.claim.is_none_or(|claim| claim.worker != worker) || has_ended(row.job.state) {
                return Ok(false);
            }
            row.progress = progress;
            row.job.state = state;
            if has_ended(state) {
                stage.remove(&OPEN, (of_kind(row.job.kind).as_slice(), id));
            }
            stage.put(&JOBS, id, &row)?;
            Ok(true)
        })
        .await
    }

    async fn purge(&self, of: ConversationId, _progress: &str) -> Result<Option<String>, StoreError> {
        // What is gone is gone: a step finds where the last one ended by itself.
        let more = self.write("purge", move |stage| {
            Ok(reactions::purge(stage, of, STEP)?
                || messages::purge(stage, of, STEP)?
                || markers::purge(stage, of, STEP)?
                || relations::purge(stage, of, STEP)?
                || members::purge(stage, of, STEP)?)
        });
        Ok(more.await?.then(String::new))
    }

    async fn erase_user(&self, user: UserId) -> Result<(), StoreError> {
        loop {
            let more = self.write("erase_user", move |stage| {
                for of in members::conversations(stage, user)? {
                    markers::erase(stage, of, user);
                }
                statuses::erase(stage, user);
                sessions::erase(stage, user)?;
                users::erase(stage, user)?;
                relations::erase(stage, user, STEP)
            });
            if !more.await? {
                return Ok(());
            }
        }
    }
}
