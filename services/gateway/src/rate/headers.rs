//! `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers): what the limits that a request met say.

use std::{cell::RefCell, future::Future};

use axum::http::{HeaderMap, HeaderValue};

use super::{Bucket, buckets::Taken, quota::Quota};

/// Limits one request meets: its caller's, and those of what it does.
const LIMITS: usize = 4;

#[derive(Clone, Copy)]
struct Met {
    bucket: Bucket,
    quota: Quota,
    taken: Taken,
}

tokio::task_local! {
    static MET: RefCell<Vec<Met>>;
}

/// Serves a request; what limits it meets on the way is told in the headers of its answer.
pub async fn told<T>(serve: impl Future<Output = T>, headers: impl FnOnce(&mut T) -> &mut HeaderMap) -> T {
    MET.scope(RefCell::default(), async {
        let mut answer = serve.await;
        let headers = headers(&mut answer);
        MET.with(|met| {
            let met = met.borrow();
            let list = |item: fn(&Met) -> String| met.iter().map(item).collect::<Vec<_>>().join(", ");
            if let (false, Ok(policy), Ok(limit)) =
                (met.is_empty(), HeaderValue::from_str(&list(policy)), HeaderValue::from_str(&list(state)))
            {
                headers.insert("ratelimit-policy", policy);
                headers.insert("ratelimit", limit);
            }
        });
        answer
    })
    .await
}

/// The request that this task serves, if it serves one, met a limit.
pub(super) fn met(bucket: Bucket, quota: Quota, taken: Taken) {
    // On a socket's task nobody is told: there are no headers.
    let _ = MET.try_with(|met| {
        let mut met = met.borrow_mut();
        if met.len() < LIMITS {
            met.push(Met { bucket, quota, taken });
        }
    });
}

fn policy(met: &Met) -> String {
    format!("\"{}\";q={};w={}", met.bucket.name(), met.quota.burst(), met.quota.window().as_secs().max(1))
}

fn state(met: &Met) -> String {
    format!("\"{}\";r={};t={}", met.bucket.name(), met.taken.left, met.taken.full_in_ms.div_ceil(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_read_as_the_draft_says() {
        let taken = Taken { outcome: Ok(()), left: 12, full_in_ms: 3_400 };
        let met = Met { bucket: Bucket::Send, quota: "30/10s".parse().unwrap(), taken };
        assert_eq!((policy(&met), state(&met)), (r#""send";q=30;w=10"#.into(), r#""send";r=12;t=4"#.into()));
    }
}
