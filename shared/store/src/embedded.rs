//! The engine of one process: an embedded key-value database, no server. Durable, crash-safe, the same promises.
//!
//! All writes go through one thread: it may read before it writes without a race, and one sync to disk covers every
//! write that waits. Reads run on blocking threads, a bounded number at once, each on one snapshot.

mod conversations;
mod jobs;
mod key; // how ids and positions sort as bytes
mod latest; // the last writer by position
mod markers;
mod marks;
mod members;
mod messages;
mod reactions;
mod relations;
mod sessions;
mod stage; // the writes of one job, readable before they are committed
mod statuses;
mod sweep; // rows that end by themselves
mod tables; // which row lies where
mod users;
mod view; // one snapshot
mod writer; // the thread that commits

use std::{sync::Arc, time::Duration};

use chat_protocol::Clock;
use fjall::Database;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use self::{stage::Stage, tables::Tables, view::View, writer::Writer};
use crate::{StoreError, metrics};

/// Reads at once; more wait. A read that misses the cache holds a thread for one disk access.
const READS: usize = 32;
/// A read that takes longer is of no use to whoever waits for it.
const READ_DEADLINE: Duration = Duration::from_secs(2);

/// The embedded store. Dropping it waits for the writes that were begun.
pub struct Embedded {
    tables: Arc<Tables>,
    reads: Arc<Semaphore>,
    writer: Writer,
}

impl Embedded {
    /// Opens the store in a database that may hold other things too; its keyspaces are its own.
    ///
    /// # Errors
    /// [`StoreError::Other`] if the database is damaged, was written by a later version, or refuses a thread.
    pub fn open(database: Database, clock: impl Clock) -> Result<Self, StoreError> {
        let tables = Arc::new(Tables::open(database, Arc::new(clock))?);
        let writer = Writer::start(Arc::clone(&tables))?;
        Ok(Self { tables, reads: Arc::new(Semaphore::new(READS)), writer })
    }

    /// Answers from one snapshot.
    async fn read<T: Send + 'static>(
        &self,
        query: &'static str,
        work: impl FnOnce(&View<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let answer = timeout(READ_DEADLINE, self.look(work)).await.unwrap_or(Err(StoreError::Unavailable));
        metrics::observe(query, began.elapsed(), &answer);
        answer
    }

    async fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&View<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.reads).acquire_owned().await.map_err(|_| StoreError::Unavailable)?;
        let tables = Arc::clone(&self.tables);
        let reading = tokio::task::spawn_blocking(move || {
            let answer = work(&View::of(&tables));
            drop(permit); // held to here: a caller that gave up does not make room for another read
            answer
        });
        reading.await.unwrap_or_else(|err| Err(StoreError::Other(format!("a read ended early: {err}"))))
    }

    /// Writes all that `work` stages, or nothing; on disk when it returns.
    async fn write<T: Send + 'static>(
        &self,
        query: &'static str,
        work: impl FnOnce(&mut Stage<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let answer = self.writer.write(work).await;
        metrics::observe(query, began.elapsed(), &answer);
        answer
    }
}

#[cfg(test)]
mod tests;
