//! Around every request: an id for its answer and its log lines, a count and a time by route; within them its limits, and
//! of a page where the list goes on. All in one layer: each costs every request some allocations.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{MatchedPath, State},
    http::{HeaderValue, Request},
    middleware::Next,
    response::{IntoResponse, Response},
};
use chat_protocol::{Clock, SocketId, time::SystemClock};
use tokio::time::Instant;

use super::{Problem, limit::admit, paging::link};
use crate::{app::App, metrics, rate::told};

tokio::task_local! {
    static REQUEST_ID: String;
}

/// The id of the request that this task serves.
pub fn request_id() -> String {
    REQUEST_ID.try_with(Clone::clone).unwrap_or_default()
}

/// The outermost layer.
pub async fn observe(State(app): State<Arc<App>>, request: Request<Body>, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let now_ms = u64::try_from(SystemClock.now().as_ms()).unwrap_or(0);
    // A ULID like any other; requests have no type of their own, for nobody parses them.
    let id = SocketId::ulid(now_ms, rand::random()).to_string();
    let header = HeaderValue::from_str(&id);
    let mut response = REQUEST_ID.scope(id, told(serve(&app, request, next), Response::headers_mut)).await;
    if let Ok(header) = header {
        response.headers_mut().insert("x-request-id", header);
    }
    let route = route.as_ref().map_or("unknown", MatchedPath::as_str);
    metrics::request(route, response.status().as_u16(), started.elapsed());
    response
}

async fn serve(app: &App, mut request: Request<Body>, next: Next) -> Response {
    if let Err(fault) = admit(app, &mut request) {
        return Problem(fault).into_response();
    }
    let asked = request.uri().clone();
    let mut answer = next.run(request).await;
    link(&asked, &mut answer);
    answer
}
