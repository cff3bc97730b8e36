//! Traces over the log: a caller's trace goes with what it appends, on NATS in its headers, and comes out with the event.

use std::{future::Future, sync::Arc};

use async_nats::HeaderMap;
use chat_protocol::trace::TraceParent;

/// W3C's name of it.
const HEADER: &str = "traceparent";

tokio::task_local! {
    static CARRIED: TraceParent;
}

/// Runs `work`; what it appends carries `parent`.
pub async fn carrying<T>(parent: TraceParent, work: impl Future<Output = T>) -> T {
    CARRIED.scope(parent, work).await
}

/// What the caller's appends carry.
pub(crate) fn carried() -> Option<TraceParent> {
    CARRIED.try_with(|parent| *parent).ok()
}

pub(crate) fn write(headers: &mut HeaderMap) {
    if let Some(parent) = carried() {
        headers.insert(HEADER, parent.to_string());
    }
}

pub(crate) fn read(headers: Option<&HeaderMap>) -> Option<Arc<TraceParent>> {
    headers?.get(HEADER)?.as_str().parse().ok().map(Arc::new)
}
