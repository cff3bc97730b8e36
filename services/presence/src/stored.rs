//! What is read from the store and written to it: some users at once, one call of each kind at a time, off the
//! worker's loop. A store that is away delays it; nothing is lost but what the worker itself loses.

use std::{
    collections::{BTreeSet, HashMap},
    future::pending,
    sync::Arc,
};

use chat_protocol::{Timestamp, UserId, model::Status};
use chat_store::Store;
use tokio::task::JoinHandle;

use crate::metrics;

/// Users of one call.
const BATCH: usize = 500;
/// Last-seen times that wait for the store; beyond it they are dropped: the next leaving writes a newer one.
const WAITING: usize = 200_000;

/// Statuses to read.
#[derive(Default)]
pub struct Statuses {
    wanted: BTreeSet<UserId>,
    reading: Option<JoinHandle<Vec<(UserId, Status)>>>,
}

impl Statuses {
    /// One more.
    pub fn want(&mut self, user: UserId) {
        self.wanted.insert(user);
    }

    /// Reads what is wanted, unless it is reading.
    pub fn start(&mut self, store: &Arc<dyn Store>) {
        if self.reading.is_some() || self.wanted.is_empty() {
            return;
        }
        let users: Vec<UserId> = self.wanted.iter().copied().take(BATCH).collect();
        users.iter().for_each(|user| {
            self.wanted.remove(user);
        });
        let store = Arc::clone(store);
        self.reading = Some(tokio::spawn(async move {
            match store.statuses(&users).await {
                Ok(statuses) => users.into_iter().zip(statuses).collect(),
                // The tracker asks again.
                Err(err) => {
                    tracing::debug!(error = %err, users = users.len(), "statuses not read");
                    Vec::new()
                }
            }
        }));
    }

    /// What was read; waits while nothing is. Cancel-safe.
    pub async fn read(&mut self) -> Vec<(UserId, Status)> {
        match &mut self.reading {
            Some(reading) => {
                let read = reading.await.unwrap_or_default();
                self.reading = None;
                read
            }
            None => pending().await,
        }
    }
}

/// Last-seen times to write.
#[derive(Default)]
pub struct Seen {
    waiting: HashMap<UserId, Timestamp>,
    /// What is being written comes back if it could not be.
    writing: Option<JoinHandle<Vec<(UserId, Timestamp)>>>,
}

impl Seen {
    /// One more.
    pub fn push(&mut self, user: UserId, at: Timestamp) {
        if self.waiting.len() >= WAITING && !self.waiting.contains_key(&user) {
            return metrics::shed("seen");
        }
        let held = self.waiting.entry(user).or_insert(at);
        *held = (*held).max(at);
    }

    /// Writes what waits, unless it is writing.
    pub fn start(&mut self, store: &Arc<dyn Store>) {
        if self.writing.is_none() && !self.waiting.is_empty() {
            let batch = self.take();
            self.writing = Some(tokio::spawn(write(Arc::clone(store), batch)));
        }
    }

    /// A write ended; waits while there is none. Cancel-safe.
    pub async fn written(&mut self) {
        match &mut self.writing {
            Some(writing) => {
                let failed = writing.await.unwrap_or_default();
                self.writing = None;
                failed.into_iter().for_each(|(user, at)| self.push(user, at));
            }
            None => pending().await,
        }
    }

    /// Writes everything, once; for the end.
    pub async fn flush(&mut self, store: &Arc<dyn Store>) {
        if self.writing.is_some() {
            self.written().await;
        }
        while !self.waiting.is_empty() {
            let batch = self.take();
            if !write(Arc::clone(store), batch).await.is_empty() {
                return;
            }
        }
    }

    fn take(&mut self) -> Vec<(UserId, Timestamp)> {
        let users: Vec<UserId> = self.waiting.keys().copied().take(BATCH).collect();
        users.into_iter().filter_map(|user| self.waiting.remove_entry(&user)).collect()
    }
}

/// Answers what the store did not take.
async fn write(store: Arc<dyn Store>, batch: Vec<(UserId, Timestamp)>) -> Vec<(UserId, Timestamp)> {
    match store.seen(&batch).await {
        Ok(()) => Vec::new(),
        Err(err) => {
            tracing::debug!(error = %err, users = batch.len(), "last-seen times not written");
            batch
        }
    }
}
