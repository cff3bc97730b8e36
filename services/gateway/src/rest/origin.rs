//! Which pages of other origins may ask and read the answers: those that may open a socket, and no others.
//!
//! There are no cookies, so nothing is allowed with credentials: a page brings its user's token itself.

use std::time::Duration;

use axum::http::{
    HeaderName, Method,
    header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, LINK, LOCATION, ORIGIN, RETRY_AFTER},
};
use tower_http::cors::{AllowOrigin, CorsLayer};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
const HEADERS: [HeaderName; 4] = [AUTHORIZATION, CONTENT_TYPE, IF_MATCH, REQUEST_ID];
/// What of an answer a page may look at, beside its body.
const EXPOSED: [HeaderName; 7] = [
    ETAG,
    LINK,
    LOCATION,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    RETRY_AFTER,
    REQUEST_ID,
];
/// For which a browser need not ask again: as long as browsers remember at most.
const REMEMBERED: Duration = Duration::from_secs(7_200);

/// Lets pages of these origins ask; `None` where there are none, and an `OPTIONS` is a wrong method like others.
pub fn allow(allowed: &[String]) -> Option<CorsLayer> {
    if allowed.is_empty() {
        return None;
    }
    let allowed = allowed.to_vec();
    let listed = AllowOrigin::predicate(move |origin, _| allowed.iter().any(|one| one.as_bytes() == origin.as_bytes()));
    let layer = CorsLayer::new().allow_origin(listed).allow_methods(METHODS).allow_headers(HEADERS);
    Some(layer.expose_headers(EXPOSED).max_age(REMEMBERED).vary([ORIGIN]))
}

#[cfg(test)]
mod tests {
    use axum::{
        Router,
        body::Body,
        extract::Request,
        http::{
            StatusCode,
            header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, VARY},
        },
        response::Response,
        routing::get,
    };
    use tower::{ServiceExt as _, util::option_layer};

    use super::*;

    const PAGE: &str = "https://page.example.com";

    async fn ask(allowed: &[&str], method: Method, origin: Option<&str>) -> Response {
        let allowed: Vec<String> = allowed.iter().map(|origin| (*origin).to_owned()).collect();
        let router = Router::new().route("/", get(async || "hello")).layer(option_layer(allow(&allowed)));
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
            (StatusCode::OK, PAGE.as_bytes())
        );
        let headers = first.headers()[ACCESS_CONTROL_ALLOW_HEADERS].as_bytes();
        assert_eq!(headers, b"authorization,content-type,if-match,x-request-id");
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
