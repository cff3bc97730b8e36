//! The operations listener: `/livez /readyz /startupz /metrics /drain`, never public.
//!
//! It runs on a thread and a runtime of its own, so it answers also when the runtime that serves users hangs,
//! and says so.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{Health, Shutdown};

/// The event loop must have turned within this time.
const PULSE_MAX_AGE: Duration = Duration::from_secs(5);
const PULSE_EVERY: Duration = Duration::from_secs(1);
/// Histogram samples are folded into their buckets this often, scraped or not.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// Probes and scrapers are few; more at once wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 64;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// The running listener. Dropping it stops it.
#[derive(Debug)]
pub struct Ops {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Ops {
    /// Serves on `listener`, which the caller bound. The pulse that `/livez` feels is of the runtime that calls this.
    ///
    /// # Errors
    /// If the listener or its thread cannot be set up.
    pub fn start(
        listener: TcpListener,
        health: Health,
        shutdown: Shutdown,
        metrics: PrometheusHandle,
    ) -> anyhow::Result<Self> {
        let address = listener.local_addr().context("read the operations address")?;
        listener.set_nonblocking(true).context("prepare the operations listener")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("start the operations runtime")?;
        let stop = CancellationToken::new();
        let pulse = Pulse::start(stop.clone());
        let upkeep = metrics.clone();
        let router = router(Desk { pulse, health, shutdown, metrics });
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("ops".to_owned())
            .spawn(move || runtime.block_on(serve(listener, router, upkeep, stopped)))
            .context("start the operations thread")?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it really listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Ops {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("operations thread panicked");
        }
    }
}

/// What the routes read.
#[derive(Clone)]
struct Desk {
    pulse: Pulse,
    health: Health,
    shutdown: Shutdown,
    metrics: PrometheusHandle,
}

fn router(desk: Desk) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/startupz", get(startupz))
        .route("/metrics", get(metrics))
        .route("/drain", post(drain))
        .with_state(desk)
}

async fn livez(State(desk): State<Desk>) -> (StatusCode, &'static str) {
    if desk.pulse.felt_at(Instant::now()) {
        (StatusCode::OK, "alive\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the event loop did not turn within 5 s\n")
    }
}

async fn readyz(State(desk): State<Desk>) -> Response {
    let readiness = desk.health.readiness(desk.shutdown.is_draining());
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

async fn startupz(State(desk): State<Desk>) -> (StatusCode, &'static str) {
    if desk.health.is_started() {
        (StatusCode::OK, "started\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting\n")
    }
}

async fn metrics(State(desk): State<Desk>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], desk.metrics.render())
}

async fn drain(State(desk): State<Desk>) -> StatusCode {
    tracing::info!("drain asked for by the operator");
    desk.shutdown.drain();
    StatusCode::ACCEPTED
}

async fn serve(listener: TcpListener, router: Router, upkeep: PrometheusHandle, stop: CancellationToken) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(err) => return tracing::error!(error = %err, "operations listener not served"),
    };
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut fold = tokio::time::interval(UPKEEP_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = fold.tick() => upkeep.run_upkeep(),
            () = accept(&listener, &permits, &router) => {}
        }
    }
}

/// Takes one connection when there is room for it. hyper gets a timer, without which its header timeout never fires.
async fn accept(listener: &tokio::net::TcpListener, permits: &Arc<Semaphore>, router: &Router) {
    let Ok(permit) = Arc::clone(permits).acquire_owned().await else {
        return;
    };
    let stream = match listener.accept().await {
        Ok((stream, _)) => stream,
        Err(err) => {
            tracing::warn!(error = %err, "operations accept failed");
            return tokio::time::sleep(ACCEPT_RETRY).await;
        }
    };
    let service = TowerToHyperService::new(router.clone());
    tokio::spawn(async move {
        let _permit = permit;
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(err) = connection.await {
            tracing::debug!(error = %err, "operations connection ended");
        }
    });
}

/// When the observed event loop last turned.
#[derive(Clone, Debug)]
struct Pulse {
    origin: Instant,
    last_ms: Arc<AtomicU64>,
}

impl Pulse {
    /// Beats on the runtime that calls this, until `stop`.
    fn start(stop: CancellationToken) -> Self {
        let pulse = Self { origin: Instant::now(), last_ms: Arc::default() };
        let beating = pulse.clone();
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            let mut beat = tokio::time::interval(PULSE_EVERY);
            loop {
                beat.tick().await;
                beating.last_ms.store(millis(beating.origin.elapsed()), Ordering::Relaxed);
            }
        }));
        pulse
    }

    fn felt_at(&self, now: Instant) -> bool {
        let age = millis(now.duration_since(self.origin)).saturating_sub(self.last_ms.load(Ordering::Relaxed));
        age < millis(PULSE_MAX_AGE)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_loop_that_stops_turning_is_not_alive() {
        let stop = CancellationToken::new();
        let pulse = Pulse::start(stop.clone());
        assert!(pulse.felt_at(Instant::now()));

        stop.cancel();
        assert!(!pulse.felt_at(Instant::now() + PULSE_MAX_AGE + PULSE_EVERY));
    }
}
