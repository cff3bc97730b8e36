//! The thread that commits: one job after the other, and one sync to disk for all that waited.

use std::{sync::Arc, thread::JoinHandle, time::Duration};

use fjall::PersistMode;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    stage::Stage,
    sweep::Sweeper,
    tables::{Tables, unwritable},
};
use crate::StoreError;

/// Jobs that wait; a caller that finds no room within the deadline is told that the store is away.
const QUEUE: usize = 256;
/// Jobs that one sync covers.
const GROUP: usize = 64;
/// A third of what the log waits for an acknowledgement.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

/// Stages its writes.
type Job = Box<dyn FnOnce(&mut Stage<'_>) -> Outcome + Send>;
/// Tells the caller, once it is known whether what was committed is on disk.
type Tell = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

struct Outcome {
    /// Whether what was staged counts: a job that failed half way writes nothing.
    commit: bool,
    tell: Tell,
}

pub(super) struct Writer {
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(tables: Arc<Tables>) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || Loop { tables: &tables, refused: false, sweeper: Sweeper::default() }.run(jobs))
            .map_err(|err| StoreError::Other(format!("no thread for the store: {err}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Commits all that `work` stages and waits until it is on disk. An error of `work` commits nothing.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Stage<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |stage| {
            let answer = work(stage);
            let commit = answer.is_ok();
            let tell = Box::new(move |durable: Result<(), StoreError>| {
                // A caller that no longer waits has its deadline behind it and knows nothing of the outcome.
                let _ = tell.send(answer.and_then(|answer| durable.map(|()| answer)));
            });
            Outcome { commit, tell }
        });
        let queue = self.queue.as_ref().ok_or(StoreError::Unavailable)?;
        let written = async {
            queue.send(job).await.map_err(|_| StoreError::Unavailable)?;
            told.await.map_err(|_| StoreError::Unavailable)?
        };
        timeout(WRITE_DEADLINE, written).await.unwrap_or(Err(StoreError::Unavailable))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        // A thread that panicked has nothing left to write.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Loop<'t> {
    tables: &'t Tables,
    /// The disk refused a write: the engine takes no more, and what it holds in memory may not be on disk.
    refused: bool,
    sweeper: Sweeper,
}

impl Loop<'_> {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut waiting = vec![self.commit(first)];
            while waiting.len() < GROUP
                && let Ok(job) = jobs.try_recv()
            {
                waiting.push(self.commit(job));
            }
            self.sweep();
            let synced = self.tables.database.persist(PersistMode::SyncData);
            self.refused |= synced.is_err();
            for (tell, committed) in waiting {
                tell(committed.and_then(|()| synced.as_ref().copied().map_err(unwritable)));
            }
        }
    }

    fn commit(&mut self, job: Job) -> (Tell, Result<(), StoreError>) {
        let mut stage = Stage::new(self.tables);
        let outcome = job(&mut stage);
        let committed = match (self.refused, outcome.commit && !stage.is_empty()) {
            (true, _) => Err(StoreError::Full),
            (false, true) => stage.commit(),
            (false, false) => Ok(()),
        };
        self.refused |= matches!(committed, Err(StoreError::Full));
        (outcome.tell, committed)
    }

    /// A bounded step, with the same sync: nobody waits for it, and what it leaves is found again.
    fn sweep(&mut self) {
        if self.refused {
            return;
        }
        let mut stage = Stage::new(self.tables);
        if let Err(err) = self.sweeper.step(self.tables, &mut stage).and_then(|()| stage.commit()) {
            tracing::warn!(error = %err, "rows that ended are not removed");
        }
    }
}
