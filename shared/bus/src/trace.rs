//! Traces over the log: a caller's trace goes into the headers of what it appends, and comes out with the event.

use std::{future::Future, sync::Arc};

use async_nats::HeaderMap;
use chat_protocol::trace::TraceParent;

/// W3C's name of it.
const HEADER: &str = "traceparent";

tokio::task_local! {
    static CARRIED: TraceParent;
}

/// Runs `work`; what it appends carries `parent`. The embedded log carries nothing: it has no headers.
pub async fn carrying<T>(parent: TraceParent, work: impl Future<Output = T>) -> T {
    CARRIED.scope(parent, work).await
}

pub(crate) fn write(headers: &mut HeaderMap) {
    if let Ok(parent) = CARRIED.try_with(|parent| *parent) {
        headers.insert(HEADER, parent.to_string());
    }
}

pub(crate) fn read(headers: Option<&HeaderMap>) -> Option<Arc<TraceParent>> {
    headers?.get(HEADER)?.as_str().parse().ok().map(Arc::new)
}
