//! Connections in: a permit before each accept, header time-outs that really fire, no trust in the other side.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, StatusCode, header::CONNECTION},
};
use chat_protocol::limits;
use hyper::{Request, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::ServiceExt;

use crate::{app::App, metrics, rest::Peer};

/// Unacknowledged data may wait this long before the kernel gives a connection up.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// After a failed accept: short, so that a freed descriptor is used soon, and doubling, so that none is no busy loop.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// Descriptors for everything that is no connection: listeners, the log, the store, files.
const RESERVED_FILES: u64 = 64;

/// A place among the connections; held for as long as the connection, or the socket it became, lives.
#[derive(Debug, Clone)]
pub struct Place(#[expect(dead_code, reason = "held, never read")] Arc<OwnedSemaphorePermit>);

/// Accepts until the doors close, also while the gateway leaves: whoever routes connections here needs a while to hear.
pub async fn run(listener: TcpListener, router: Router, app: Arc<App>) {
    let connections = Arc::new(Semaphore::new(connections_max(app.config.connections_max)));
    let mut pause = PAUSE_MIN;
    loop {
        let accepted = tokio::select! {
            () = app.doors.cancelled() => return,
            accepted = accept(&listener, &connections) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                pause = PAUSE_MIN;
                if let Err(err) = prepare(&stream) {
                    tracing::debug!(error = %err, "connection lost before it began");
                    continue;
                }
                app.shutdown.spawn(serve(stream, peer, Place(Arc::new(permit)), router.clone(), Arc::clone(&app)));
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

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, Peer, OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
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
