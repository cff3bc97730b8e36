//! Requests, and what a refusal must look like whatever it is about.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use chat_protocol::{ErrorCode, error::Problem};
use reqwest::{Client, Response};
use serde_json::Value;

/// Asks one gateway.
#[derive(Clone)]
pub struct Asker {
    pub site: SocketAddr,
    http: Client,
}

/// A request as it is sent.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    pub method: String,
    pub path: String,
    /// Empty = none.
    pub token: String,
    /// Empty = none.
    pub body: String,
    /// Of the body; empty = JSON.
    pub kind: String,
    /// `name: value`
    pub headers: Vec<String>,
}

impl Asker {
    pub fn at(site: SocketAddr) -> Self {
        Self { site, http: Client::new() }
    }

    /// The code of a refusal, or the status of what went well.
    pub async fn asks(&self, sent: Sent) -> anyhow::Result<String> {
        let Sent { method, path, token, body, kind, headers } = sent;
        let mut request = self.http.request(method.to_uppercase().parse()?, format!("http://{}{path}", self.site));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if !body.is_empty() {
            let kind = if kind.is_empty() { "application/json" } else { &kind };
            request = request.header("content-type", kind).body(body);
        }
        for header in headers {
            let (name, value) = header.split_once(": ").context("a header has a name and a value")?;
            request = request.header(name, value);
        }
        judged(request.send().await?).await.with_context(|| format!("{method} {path}"))
    }

    /// What goes well.
    pub async fn good(&self, token: &str, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let mut request = self.http.request(method.parse()?, format!("http://{}{path}", self.site));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{method} {path}: {status} {text}");
        Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }
}

/// Every refusal is a problem document of the error table, with the request's id, and says when to come back if it
/// makes sense.
async fn judged(answer: Response) -> anyhow::Result<String> {
    let status = answer.status().as_u16();
    if status < 400 {
        return Ok(status.to_string());
    }
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (kind, id, after) = (header("content-type"), header("x-request-id"), header("retry-after"));
    let challenge = header("www-authenticate");
    let text = answer.text().await?;
    let problem: Problem = serde_json::from_str(&text).with_context(|| format!("{status} {text}"))?;
    let code: ErrorCode = problem.code;
    ensure!(code.http() == Some(status) && problem.status == status, "{status}, but {text}");
    ensure!(kind.as_deref() == Some("application/problem+json"), "{kind:?}: {text}");
    ensure!(problem.kind == format!("/errors/{code}") && problem.title == code.title(), "{text}");
    ensure!(id.as_deref() == Some(problem.instance.as_str()), "{id:?}: {text}");
    let seconds = problem.retry_after_ms.map(|ms| ms.div_ceil(1_000).to_string());
    ensure!(
        after == seconds && (!matches!(status, 429 | 503 | 507) || after.is_some()),
        "Retry-After {after:?}: {text}"
    );
    ensure!((status == 401) == challenge.is_some(), "WWW-Authenticate {challenge:?}: {text}");
    ensure!((code == ErrorCode::Invalid) != problem.errors.is_empty() || status == 413, "{text}");
    Ok(code.code().to_owned())
}
