//! Every failed request answers an RFC 9457 problem document, whatever failed.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chat_protocol::{ErrorCode, error};

use crate::fault::Fault;

/// A failure as a response; the request's id is filled in by the outermost layer.
#[derive(Debug)]
pub struct Problem(pub Fault);

impl<F: Into<Fault>> From<F> for Problem {
    fn from(fault: F) -> Self {
        Self(fault.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let fault = self.0;
        // A code without a status of its own never ends a request; if one does, it is our fault.
        let (code, status) = match fault.code.http() {
            Some(status) => (fault.code, status),
            None => (ErrorCode::Internal, 500),
        };
        // Whoever is sent away with 503 comes back, here or elsewhere, and not all at once.
        let retry_after_ms = fault.retry_after_ms.or_else(|| (status == 503).then(|| rand::random_range(1_000..2_000)));
        let document = error::Problem {
            kind: format!("/errors/{code}"),
            title: code.title().into(),
            status,
            code,
            detail: fault.detail,
            instance: super::request_id(),
            retry_after_ms,
            time: fault.time,
            errors: fault.fields,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(after_ms) = retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after_ms.div_ceil(1_000)));
        }
        if code.http() == Some(401) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
