//! Connections in: a permit before each accept, header time-outs that really fire, no trust in the other side.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, StatusCode, header::CONNECTION},
    response::IntoResponse,
};
use chat_protocol::{ErrorCode, limits};
use chat_service::health::Check;
use hyper::{Request, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::ServiceExt;

use crate::{
    app::App,
    fault::Fault,
    metrics,
    rest::{Peer, Problem},
};

/// Unacknowledged data may wait this long before the kernel gives a connection up.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// Who is refused must ask soon: there are few places to do it in.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);
/// After a failed accept: short, so that a freed descriptor is used soon, and doubling, so that none is no busy loop.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// Descriptors for everything that is no connection: listeners, the log, the store, files.
const RESERVED_FILES: u64 = 64;

/// Connections beyond the last place that are answered at once: refused in words, they go elsewhere, where a queue would
/// only make them wait.
const CROWD: usize = 32;
/// Of the places, one in so many must be free before a full gateway is ready again: readiness does not flutter.
const FREE_SHARE: usize = 20;

/// The places of one gateway's connections.
#[derive(Debug)]
pub struct Places {
    all: usize,
    free: Arc<Semaphore>,
    crowd: Arc<Semaphore>,
}

impl Places {
    /// As many as configured, or as the limit of open files allows.
    pub fn new(configured: usize) -> Self {
        let all = connections_max(configured);
        Self { all, free: Arc::new(Semaphore::new(all)), crowd: Arc::new(Semaphore::new(CROWD)) }
    }

    /// Says whether there is room for more.
    pub fn report(&self, check: &Check) {
        // With nobody in the crowd the next connection's place is taken already, by the accept that waits for it.
        let waiting = usize::from(self.crowd.available_permits() == CROWD);
        let free = self.free.available_permits() + waiting;
        if free == 0 {
            check.fail(format!("all {} connections are taken", self.all));
        } else if free * FREE_SHARE >= self.all {
            check.ok();
        }
    }

    fn try_place(&self) -> Option<Permit> {
        Arc::clone(&self.free).try_acquire_owned().ok().map(Permit::Place)
    }

    /// A place; without one, a permit to say so.
    async fn take(&self) -> Option<Permit> {
        if let Some(place) = self.try_place() {
            return Some(place);
        }
        tokio::select! {
            place = Arc::clone(&self.free).acquire_owned() => place.ok().map(Permit::Place),
            refusal = Arc::clone(&self.crowd).acquire_owned() => refusal.ok().map(Permit::Refusal),
        }
    }
}

/// What one accepted connection is to get.
#[derive(Debug)]
enum Permit {
    Place(OwnedSemaphorePermit),
    Refusal(OwnedSemaphorePermit),
}

/// A place among the connections; held for as long as the connection, or the socket it became, lives.
#[derive(Debug, Clone)]
pub struct Place(#[expect(dead_code, reason = "held, never read")] Arc<OwnedSemaphorePermit>);

/// Accepts until the doors close, also while the gateway leaves: whoever routes connections here needs a while to hear.
pub async fn run(listener: TcpListener, router: Router, app: Arc<App>) {
    let mut pause = PAUSE_MIN;
    loop {
        let accepted = tokio::select! {
            () = app.doors.cancelled() => return,
            accepted = accept(&listener, &app.places) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                pause = PAUSE_MIN;
                if let Err(err) = prepare(&stream) {
                    tracing::debug!(error = %err, "connection lost before it began");
                    continue;
                }
                match permit {
                    Permit::Place(permit) => {
                        let place = Place(Arc::new(permit));
                        app.shutdown.spawn(serve(stream, peer, place, router.clone(), Arc::clone(&app)));
                    }
                    Permit::Refusal(permit) => {
                        metrics::rejected(ErrorCode::Overloaded.code());
                        app.shutdown.spawn(async move {
                            refuse(stream).await;
                            drop(permit);
                        });
                    }
                }
            }
            Err(err) => {
                metrics::rejected("accept");
                tracing::warn!(error = %err, "accept failed");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

async fn accept(listener: &TcpListener, places: &Places) -> std::io::Result<(TcpStream, Peer, Permit)> {
    let permit = places.take().await.ok_or_else(|| std::io::Error::other("closed"))?;
    let (stream, peer) = listener.accept().await?;
    // A place may have become free while nobody came.
    let permit = match permit {
        Permit::Refusal(_) => places.try_place().unwrap_or(permit),
        place @ Permit::Place(_) => place,
    };
    Ok((stream, Peer(peer), permit))
}

fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(USER_TIMEOUT))
}

async fn serve(stream: TcpStream, peer: Peer, place: Place, router: Router, app: Arc<App>) {
    let leaving = app.shutdown.clone();
    let service = hyper::service::service_fn(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(place.clone());
        request.extensions_mut().insert(peer);
        let (answer, leaving) = (router.clone().oneshot(request.map(Body::new)), leaving.clone());
        async move {
            let mut answer = answer.await;
            // The next request goes elsewhere; a connection is never closed under one that is on its way.
            if let Ok(response) = &mut answer
                && leaving.is_draining()
                && response.status() != StatusCode::SWITCHING_PROTOCOLS
            {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER_TIMEOUT)
        .max_headers(limits::HEADERS)
        .max_buf_size(limits::HEADER_BYTES)
        .keep_alive(true);
    let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        // What a client does wrong on the wire is its own affair.
        _ = connection.as_mut() => {}
        () = app.doors.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Answers one request: no place here now.
async fn refuse(stream: TcpStream) {
    let service = hyper::service::service_fn(|_: Request<hyper::body::Incoming>| async {
        let fault = Fault::new(ErrorCode::Overloaded, "this gateway holds as many connections as it may");
        Ok::<_, Infallible>(Problem(fault).into_response())
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(REFUSAL_TIMEOUT).max_headers(limits::HEADERS).keep_alive(false);
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

/// 0.9 × what the process may open, so that the log, the store and the operator always find a descriptor.
fn connections_max(configured: usize) -> usize {
    let open_max = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::from(u16::MAX));
    let fits = usize::try_from(open_max.saturating_sub(RESERVED_FILES) / 10 * 9).unwrap_or(usize::MAX).max(1);
    let fits = fits.min(Semaphore::MAX_PERMITS);
    if configured == 0 {
        return fits;
    }
    if configured > fits {
        tracing::warn!(configured, fits, "fewer connections than configured: raise the limit of open files");
    }
    configured.min(fits)
}
