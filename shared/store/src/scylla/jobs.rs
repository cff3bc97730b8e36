//! Long work: claimed by conditional statements, so that a job has one worker.

use async_trait::async_trait;
use chat_protocol::{
    ConversationId, JobId, Timestamp, UserId,
    model::{Job, JobKind, JobState},
};
use futures_util::future::try_join_all;
use scylla::{DeserializeRow, statement::prepared::PreparedStatement, value::CqlTimestamp};

use super::{
    Scylla,
    cells::{self, AsKey},
    db::{Cas, Db},
};
use crate::{JobRow, Jobs, StoreError};

pub(crate) struct Statements {
    create: PreparedStatement,
    find: PreparedStatement,
    find_serial: PreparedStatement,
    claim: PreparedStatement,
    note: PreparedStatement,
    open: PreparedStatement,
    list: PreparedStatement,
    end: PreparedStatement,
}

impl Statements {
    pub(crate) async fn prepare(db: &Db) -> Result<Self, StoreError> {
        let find = "SELECT id, kind, subject, started_by, state, progress, worker, lease_until, created_at, not_before \
                    FROM jobs WHERE id = ?";
        Ok(Self {
            create: db
                .prepare_cas(
                    "INSERT INTO jobs (id, kind, subject, started_by, state, progress, worker, lease_until, \
                     created_at, not_before) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS",
                )
                .await?,
            find: db.prepare_read(find).await?,
            find_serial: db.prepare_serial(find).await?,
            claim: db
                .prepare_cas(
                    "UPDATE jobs SET worker = ?, lease_until = ?, state = ? WHERE id = ? \
                     IF worker = ? AND lease_until = ? AND state = ?",
                )
                .await?,
            note: db
                .prepare_cas("UPDATE jobs SET state = ?, progress = ? WHERE id = ? IF worker = ? AND state = ?")
                .await?,
            open: db.prepare_write("INSERT INTO open_jobs (kind, id) VALUES (?, ?)").await?,
            list: db.prepare_read("SELECT id FROM open_jobs WHERE kind = ? LIMIT ?").await?,
            end: db.prepare_write("DELETE FROM open_jobs WHERE kind = ? AND id = ?").await?,
        })
    }
}

#[derive(DeserializeRow)]
struct Row<'row> {
    id: &'row [u8],
    kind: Option<&'row str>,
    subject: Option<&'row str>,
    started_by: Option<&'row [u8]>,
    state: Option<&'row str>,
    progress: Option<&'row str>,
    worker: Option<&'row str>,
    lease_until: Option<CqlTimestamp>,
    created_at: Option<CqlTimestamp>,
    not_before: Option<CqlTimestamp>,
}

/// A job with who has it.
struct Claimed {
    row: JobRow,
    worker: String,
    lease_until: Timestamp,
}

impl Row<'_> {
    fn claimed(&self) -> Result<Claimed, StoreError> {
        let broken = || cells::broken("job");
        let job = Job {
            id: cells::job_id(self.id)?,
            kind: cells::from_word(self.kind.ok_or_else(broken)?)?,
            state: cells::from_word(self.state.ok_or_else(broken)?)?,
            started_by: cells::user_id(self.started_by.ok_or_else(broken)?)?,
            created_at: cells::time(self.created_at.ok_or_else(broken)?),
        };
        let subject = self.subject.and_then(|subject| u128::from_str_radix(subject, 16).ok()).ok_or_else(broken)?;
        let row = JobRow {
            job,
            subject,
            progress: self.progress.unwrap_or_default().to_owned(),
            not_before: self.not_before.map_or(Timestamp::EPOCH, cells::time),
        };
        let lease_until = self.lease_until.map_or(Timestamp::EPOCH, cells::time);
        Ok(Claimed { row, worker: self.worker.unwrap_or_default().to_owned(), lease_until })
    }
}

fn name(worker: u128) -> String {
    format!("{worker:032x}")
}

const fn has_ended(state: JobState) -> bool {
    matches!(state, JobState::Done | JobState::Failed | JobState::Cancelled)
}

#[async_trait]
impl Jobs for Scylla {
    async fn create_job(&self, row: &JobRow) -> Result<(), StoreError> {
        let JobRow { job, subject, progress, not_before } = row;
        let create = async {
            // Listed first: a listed job that does not exist is passed over, one that is not listed would never be done.
            self.db.write(&self.jobs.open, (cells::word(job.kind), job.id.key())).await?;
            let values = (
                job.id.key(),
                cells::word(job.kind),
                name(*subject),
                job.started_by.key(),
                cells::word(job.state),
                progress,
                "",
                cells::time_cell(Timestamp::EPOCH),
                cells::time_cell(job.created_at),
                cells::time_cell(*not_before),
            );
            self.db.cas(&self.jobs.create, values).await.map(drop)
        };
        self.db.writing("create_job", create).await
    }

    async fn job(&self, id: JobId) -> Result<Option<JobRow>, StoreError> {
        let find = async { Ok(self.find_job(&self.jobs.find, id).await?.map(|claimed| claimed.row)) };
        self.db.reading("job", find).await
    }

    async fn open_jobs(&self, kind: JobKind, limit: usize) -> Result<Vec<JobRow>, StoreError> {
        let list = async {
            let limit = i32::try_from(limit).unwrap_or(i32::MAX);
            let answer = self.db.select(&self.jobs.list, (cells::word(kind), limit)).await?;
            let ids = cells::each(&answer, |(id,): (&[u8],)| cells::job_id(id))?;
            let found = try_join_all(ids.into_iter().map(|id| self.find_job(&self.jobs.find, id))).await?;
            let open = found.into_iter().flatten().filter(|claimed| !has_ended(claimed.row.job.state));
            Ok(open.map(|claimed| claimed.row).collect())
        };
        self.db.reading("open_jobs", list).await
    }

    async fn claim_job(
        &self,
        id: JobId,
        worker: u128,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<bool, StoreError> {
        let claim = async {
            let Some(held) = self.find_job(&self.jobs.find_serial, id).await? else { return Ok(false) };
            let worker = name(worker);
            let taken = !held.worker.is_empty() && held.worker != worker && held.lease_until > now;
            if taken || has_ended(held.row.job.state) || held.row.not_before > now {
                return Ok(false);
            }
            let values = (
                worker,
                cells::time_cell(lease_until),
                cells::word(JobState::Running),
                id.key(),
                held.worker,
                cells::time_cell(held.lease_until),
                cells::word(held.row.job.state),
            );
            Ok(self.db.cas(&self.jobs.claim, values).await? == Cas::Applied)
        };
        self.db.writing("claim_job", claim).await
    }

    async fn note_job(&self, id: JobId, worker: u128, state: JobState, progress: &str) -> Result<bool, StoreError> {
        let note = async {
            let values = (cells::word(state), progress, id.key(), name(worker), cells::word(JobState::Running));
            let noted = self.db.cas(&self.jobs.note, values).await? == Cas::Applied;
            if noted
                && has_ended(state)
                && let Some(held) = self.find_job(&self.jobs.find, id).await?
            {
                self.db.write(&self.jobs.end, (cells::word(held.row.job.kind), id.key())).await?;
            }
            Ok(noted)
        };
        self.db.writing("note_job", note).await
    }

    async fn purge(&self, of: ConversationId, progress: &str) -> Result<Option<String>, StoreError> {
        self.db.writing("purge", self.purge_step(of, progress)).await
    }

    async fn erase_user(&self, user: UserId) -> Result<(), StoreError> {
        self.db.writing("erase_user", self.erase_account(user)).await
    }
}

impl Scylla {
    async fn find_job(&self, statement: &PreparedStatement, id: JobId) -> Result<Option<Claimed>, StoreError> {
        let answer = self.db.select(statement, (id.key(),)).await?;
        cells::first::<Row<'_>>(&answer)?.map(|row| row.claimed()).transpose()
    }
}
