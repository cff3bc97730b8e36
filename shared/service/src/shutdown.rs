//! Two stages: drain (take no new work, finish what is open), then stop (let go of everything).
//!
//! The first SIGTERM or SIGINT asks for the drain; a second one ends the process at once.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long tasks have to end after the hard stop before they are given up.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// The stop signal and the list of what still runs. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// How a shutdown ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything finished within the drain window.
    Drained,
    /// The window closed first; what was left obeyed the hard stop.
    Stopped,
    /// This many tasks ignored even the hard stop.
    Abandoned(usize),
}

impl Shutdown {
    pub fn new() -> Self {
        Self::default()
    }

    /// Stage 1: take no new work, finish what is open.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Stage 2: let go of everything. Implies stage 1.
    pub fn stop(&self) {
        self.drain.cancel();
        self.stop.cancel();
    }

    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Ends when the drain begins. Cancel-safe.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Ends at the hard stop. Cancel-safe.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Runs a task that [`Shutdown::finish`] waits for.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(task)
    }

    /// How many tracked tasks still run.
    pub fn running(&self) -> usize {
        self.tasks.len()
    }

    /// Begins the drain, waits at most `window` for all tracked tasks, then stops hard what is left.
    pub async fn finish(&self, window: Duration) -> Ended {
        self.finish_within(window, STOP_GRACE).await
    }

    async fn finish_within(&self, window: Duration, grace: Duration) -> Ended {
        self.drain();
        self.tasks.close();
        let stopping = async {
            tokio::select! {
                () = tokio::time::sleep(window) => {}
                () = self.stopping() => {}
            }
        };
        tokio::select! {
            () = self.tasks.wait() => {}
            () = stopping => self.stop(),
        }
        if !self.is_stopping() {
            return Ended::Drained;
        }
        match timeout(grace, self.tasks.wait()).await {
            Ok(()) => Ended::Stopped,
            Err(_) => Ended::Abandoned(self.tasks.len()),
        }
    }

    /// Listens for SIGTERM and SIGINT from now on: the first begins the drain, a second one exits at once.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn on_signals(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            tracing::info!("draining; a second signal exits at once");
            shutdown.drain();
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            tracing::warn!("second signal: exiting at once");
            std::process::exit(130);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn waits_for_open_work_and_no_longer() {
        let shutdown = Shutdown::new();
        let open = shutdown.clone();
        let (finished, seen) = oneshot::channel();
        shutdown.spawn(async move {
            open.draining().await;
            tokio::time::sleep(SHORT).await;
            finished.send(open.is_stopping()).unwrap();
        });

        assert_eq!(shutdown.finish(LONG).await, Ended::Drained);
        assert!(!seen.await.unwrap(), "the hard stop did not come first");
    }

    #[tokio::test]
    async fn stops_hard_when_the_window_closes() {
        let shutdown = Shutdown::new();
        let stubborn = shutdown.clone();
        shutdown.spawn(async move { stubborn.stopping().await });

        assert_eq!(shutdown.finish(SHORT).await, Ended::Stopped);
        assert!(shutdown.is_draining() && shutdown.is_stopping());
    }

    #[tokio::test]
    async fn a_hard_stop_cuts_the_window_short() {
        let shutdown = Shutdown::new();
        let (stubborn, other) = (shutdown.clone(), shutdown.clone());
        shutdown.spawn(async move { stubborn.stopping().await });
        tokio::spawn(async move { other.stop() });

        let ended = timeout(LONG / 2, shutdown.finish(LONG)).await;
        assert_eq!(ended.expect("long before the window closes"), Ended::Stopped);
    }

    #[tokio::test]
    async fn counts_who_ignores_even_that() {
        let shutdown = Shutdown::new();
        shutdown.spawn(std::future::pending::<()>());
        assert_eq!(shutdown.finish_within(SHORT, SHORT).await, Ended::Abandoned(1));
    }
}
