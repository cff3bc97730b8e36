//! One statement's way to the cluster: a bounded number at once, a deadline for the whole of what was asked, one
//! speculative attempt for reads, few retries.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use scylla::{
    client::{
        execution_profile::{ExecutionProfile, ExecutionProfileBuilder, ExecutionProfileHandle},
        session::Session,
    },
    errors::{DbError, ExecutionError, RequestAttemptError},
    policies::speculative_execution::SimpleSpeculativeExecutionPolicy,
    response::query_result::{QueryResult, QueryRowsResult},
    serialize::row::SerializeRow,
    statement::{
        Consistency, SerialConsistency,
        batch::{Batch, BatchType},
        prepared::PreparedStatement,
    },
};
use tokio::{sync::Semaphore, time::Instant};

use super::options::Deadlines;
use crate::{StoreError, metrics};

/// A slow replica costs a read this much before a second one is asked.
const SPECULATE_AFTER: Duration = Duration::from_millis(100);
/// Statements at once: enough for one process to keep a cluster busy, few enough not to bury one that is slow.
const READS: usize = 256;
const WRITES: usize = 128;
/// Attempts of one statement.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The values of one row, whatever its table.
pub(crate) type Row = Box<dyn SerializeRow + Send + Sync>;

/// How a conditional statement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cas {
    Applied,
    Refused,
    /// It may still be applied: only a serial read can tell.
    Unknown,
}

pub(crate) struct Db {
    session: Session,
    deadlines: Deadlines,
    read_profile: ExecutionProfileHandle,
    write_profile: ExecutionProfileHandle,
    reads: Semaphore,
    writes: Semaphore,
    budget: RetryBudget,
    complaint: Mutex<Option<Instant>>,
}

impl Db {
    pub(crate) fn new(session: Session, deadlines: Deadlines) -> Self {
        Self {
            session,
            deadlines,
            read_profile: read_profile(deadlines.read).into_handle_with_label("read".into()),
            write_profile: profile(deadlines.write).build().into_handle_with_label("write".into()),
            reads: Semaphore::new(READS),
            writes: Semaphore::new(WRITES),
            budget: RetryBudget::default(),
            complaint: Mutex::new(None),
        }
    }

    pub(crate) const fn session(&self) -> &Session {
        &self.session
    }

    /// For statements that only read.
    pub(crate) async fn prepare_read(&self, cql: &str) -> Result<PreparedStatement, StoreError> {
        self.prepare(cql, &self.read_profile, true).await
    }

    /// For statements that do the same when they run twice.
    pub(crate) async fn prepare_write(&self, cql: &str) -> Result<PreparedStatement, StoreError> {
        self.prepare(cql, &self.write_profile, true).await
    }

    /// For reads on behalf of a write, which may take as long as it.
    pub(crate) async fn prepare_count(&self, cql: &str) -> Result<PreparedStatement, StoreError> {
        self.prepare(cql, &self.write_profile, true).await
    }

    /// For `IF` statements: never repeated by the driver, because the second run would see the first one's effect.
    pub(crate) async fn prepare_cas(&self, cql: &str) -> Result<PreparedStatement, StoreError> {
        self.prepare(cql, &self.write_profile, false).await
    }

    /// For reads that must see, and finish, conditional statements in flight.
    pub(crate) async fn prepare_serial(&self, cql: &str) -> Result<PreparedStatement, StoreError> {
        let mut statement = self.prepare(cql, &self.write_profile, false).await?;
        statement.set_consistency(Consistency::LocalSerial);
        Ok(statement)
    }

    async fn prepare(
        &self,
        cql: &str,
        profile: &ExecutionProfileHandle,
        idempotent: bool,
    ) -> Result<PreparedStatement, StoreError> {
        let mut statement = self.session.prepare(cql).await.map_err(|error| self.judge(&error.into()))?;
        statement.set_is_idempotent(idempotent);
        statement.set_execution_profile_handle(Some(profile.clone()));
        Ok(statement)
    }

    /// Runs a whole read within its deadline and measures it as `name`.
    pub(crate) async fn reading<T>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.within(name, self.deadlines.read, work).await
    }

    /// Runs a whole write within its deadline and measures it as `name`.
    pub(crate) async fn writing<T>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.within(name, self.deadlines.write, work).await
    }

    async fn within<T>(
        &self,
        name: &'static str,
        deadline: Duration,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let started = Instant::now();
        let done = tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| {
            self.complain("no answer within the deadline");
            Err(StoreError::Unavailable)
        });
        metrics::observe(name, started.elapsed(), &done);
        done
    }

    /// The rows a statement selects.
    pub(crate) async fn select(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow + Sync,
    ) -> Result<QueryRowsResult, StoreError> {
        let result = self.attempt(&self.reads, || self.session.execute_unpaged(statement, &values)).await?;
        result.into_rows_result().map_err(|error| StoreError::Other(error.to_string()))
    }

    /// Writes one row.
    pub(crate) async fn write(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow + Sync,
    ) -> Result<(), StoreError> {
        self.attempt(&self.writes, || self.session.execute_unpaged(statement, &values)).await.map(drop)
    }

    /// Writes rows of one partition at once: all or none of them become visible.
    pub(crate) async fn write_together(&self, writes: &[(PreparedStatement, Row)]) -> Result<(), StoreError> {
        if let [(statement, row)] = writes {
            return self.write(statement, row).await;
        }
        let mut batch = Batch::new(BatchType::Unlogged);
        batch.set_is_idempotent(true);
        batch.set_execution_profile_handle(Some(self.write_profile.clone()));
        for (statement, _) in writes {
            batch.append_statement(statement.clone());
        }
        let rows: Vec<&Row> = writes.iter().map(|(_, row)| row).collect();
        self.attempt(&self.writes, || self.session.batch(&batch, &rows)).await.map(drop)
    }

    /// Runs a conditional statement once.
    pub(crate) async fn cas(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow + Sync,
    ) -> Result<Cas, StoreError> {
        let _permit = self.writes.acquire().await.expect("never closed");
        match self.session.execute_unpaged(statement, &values).await {
            Ok(result) => match applied(result).map_err(StoreError::Other)? {
                true => Ok(Cas::Applied),
                false => Ok(Cas::Refused),
            },
            Err(error) => match self.judge(&error) {
                StoreError::Unavailable => Ok(Cas::Unknown),
                refused => Err(refused),
            },
        }
    }

    async fn attempt<F>(&self, lane: &Semaphore, run: impl Fn() -> F + Send) -> Result<QueryResult, StoreError>
    where
        F: Future<Output = Result<QueryResult, ExecutionError>> + Send,
    {
        let _permit = lane.acquire().await.expect("never closed");
        let mut pause = FIRST_PAUSE;
        for left in (0..ATTEMPTS).rev() {
            match run().await {
                Ok(result) => {
                    self.budget.earn();
                    return Ok(result);
                }
                Err(error) => {
                    let judged = self.judge(&error);
                    let again = left > 0 && matches!(judged, StoreError::Unavailable) && self.budget.spend();
                    if !again {
                        return Err(judged);
                    }
                }
            }
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.5))).await;
            pause *= 3;
        }
        Err(StoreError::Unavailable)
    }

    /// Ours, or the cluster's: only the first would be the same on another day.
    fn judge(&self, error: &ExecutionError) -> StoreError {
        use scylla::errors::PrepareError;
        let attempt = match error {
            ExecutionError::BadQuery(_) => return StoreError::Other(error.to_string()),
            ExecutionError::LastAttemptError(attempt) => attempt,
            ExecutionError::PrepareError(PrepareError::AllAttemptsFailed { first_attempt }) => first_attempt,
            _ => {
                self.complain(error);
                return StoreError::Unavailable;
            }
        };
        match attempt {
            RequestAttemptError::SerializationError(_)
            | RequestAttemptError::CqlRequestSerialization(_)
            | RequestAttemptError::CqlResultParseError(_)
            | RequestAttemptError::DbError(
                DbError::SyntaxError
                | DbError::Invalid
                | DbError::Unauthorized
                | DbError::AuthenticationError
                | DbError::ConfigError
                | DbError::ProtocolError,
                _,
            ) => StoreError::Other(error.to_string()),
            _ => {
                self.complain(error);
                StoreError::Unavailable
            }
        }
    }

    /// Says why the store is away, at most once a second: during an outage every statement has the same reason.
    fn complain(&self, reason: impl std::fmt::Display) {
        let mut last = self.complaint.lock();
        if last.is_none_or(|at| at.elapsed() >= Duration::from_secs(1)) {
            *last = Some(Instant::now());
            tracing::warn!(error = %reason, "store unavailable");
        }
    }
}

/// How reads are run.
pub(crate) fn read_profile(deadline: Duration) -> ExecutionProfile {
    let speculation = SimpleSpeculativeExecutionPolicy { max_retry_count: 1, retry_interval: SPECULATE_AFTER };
    profile(deadline).speculative_execution_policy(Some(Arc::new(speculation))).build()
}

fn profile(timeout: Duration) -> ExecutionProfileBuilder {
    ExecutionProfile::builder()
        .request_timeout(Some(timeout))
        .consistency(Consistency::LocalQuorum)
        .serial_consistency(Some(SerialConsistency::LocalSerial))
}

/// Whether a conditional statement was applied. Cassandra answers `[applied]` alone where it was, ScyllaDB the whole
/// row: only the one column is looked at.
pub(crate) fn applied(result: QueryResult) -> Result<bool, String> {
    use scylla::value::{CqlValue, Row};
    let rows = result.into_rows_result().map_err(|error| error.to_string())?;
    let (place, _) = rows.column_specs().get_by_name("[applied]").ok_or("no [applied] in a conditional answer")?;
    let row = rows.first_row::<Row>().map_err(|error| error.to_string())?;
    match row.columns.get(place) {
        Some(Some(CqlValue::Boolean(applied))) => Ok(*applied),
        _ => Err("[applied] is no boolean".to_owned()),
    }
}

/// At most one retry for each ten statements that succeed, and ten at once: retries must not feed an overload.
struct RetryBudget(AtomicU32);

impl RetryBudget {
    const FULL: u32 = 100;
    const RETRY: u32 = 10;

    fn earn(&self) {
        let _ =
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| (left < Self::FULL).then_some(left + 1));
    }

    fn spend(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(Self::RETRY)).is_ok()
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self(AtomicU32::new(Self::FULL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_stay_below_a_tenth_of_what_succeeds() {
        let budget = RetryBudget::default();
        let burst = std::iter::repeat_with(|| budget.spend()).take_while(|spent| *spent).count();
        assert_eq!(burst, 10);
        (0..9).for_each(|_| budget.earn());
        assert!(!budget.spend());
        budget.earn();
        assert!(budget.spend());
    }
}
