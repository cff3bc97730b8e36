//! Which pages of other origins may ask and read the answers: those that may open a socket, and no others.
//!
//! There are no cookies, so nothing is allowed with credentials: a page brings its user's token itself.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{
            ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
        },
    },
    middleware::Next,
    response::Response,
};

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
const HEADERS: &str = "authorization, content-type, if-match, x-request-id";
/// What of an answer a page may look at, beside its body.
const EXPOSED: &str = "etag, link, location, ratelimit, ratelimit-policy, retry-after, x-request-id";
/// Seconds for which a browser need not ask again: as long as browsers remember at most.
const REMEMBERED_S: &str = "7200";

/// Lets pages of the allowed origins ask.
pub async fn allow(State(allowed): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    if allowed.is_empty() {
        return next.run(request).await;
    }
    let origin = allowed_origin(request.headers(), &allowed);
    let asks_first =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut answer = match &origin {
        Some(_) if asks_first => may_ask(),
        _ => next.run(request).await,
    };
    let headers = answer.headers_mut();
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    answer
}

fn allowed_origin(headers: &HeaderMap, allowed: &[String]) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    allowed.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

/// The answer to a browser that asks before it asks.
fn may_ask() -> Response {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(REMEMBERED_S));
    answer
}

#[cfg(test)]
mod tests {
    use axum::{Router, middleware, routing::get};
    use tower::ServiceExt as _;

    use super::*;

    const PAGE: &str = "https://page.example.com";

    async fn ask(allowed: &[&str], method: Method, origin: Option<&str>) -> Response {
        let allowed: Arc<[String]> = allowed.iter().map(|origin| (*origin).to_owned()).collect();
        let router =
            Router::new().route("/", get(async || "hello")).layer(middleware::from_fn_with_state(allowed, allow));
        let mut request = Request::builder().method(method).header(ACCESS_CONTROL_REQUEST_METHOD, "GET");
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn an_allowed_page_asks_first_and_reads_the_answer() {
        let first = ask(&[PAGE], Method::OPTIONS, Some(PAGE)).await;
        assert_eq!(
            (first.status(), first.headers()[ACCESS_CONTROL_ALLOW_ORIGIN].as_bytes()),
            (StatusCode::NO_CONTENT, PAGE.as_bytes())
        );
        assert_eq!(first.headers()[ACCESS_CONTROL_ALLOW_HEADERS], HEADERS);
        let then = ask(&[PAGE], Method::GET, Some(PAGE)).await;
        assert_eq!(
            (then.status(), then.headers()[ACCESS_CONTROL_ALLOW_ORIGIN].as_bytes()),
            (StatusCode::OK, PAGE.as_bytes())
        );
        assert!(!then.headers().contains_key("access-control-allow-credentials"));
    }

    #[tokio::test]
    async fn others_are_told_nothing() {
        for origin in ["https://page.example.com.evil.org", "http://page.example.com", "null", "*"] {
            for method in [Method::OPTIONS, Method::GET] {
                let answer = ask(&[PAGE], method, Some(origin)).await;
                assert!(!answer.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), "{origin}");
                assert_eq!(answer.headers()[VARY], "origin");
            }
        }
        let plain = ask(&[], Method::OPTIONS, Some(PAGE)).await;
        assert_eq!(plain.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert!(!plain.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }
}
