//! Requests that must be refused, how each is asked and judged.

use anyhow::{Context, ensure};
use chat_protocol::limits;
use reqwest::{RequestBuilder, Response, header};
use serde_json::{Value, json};

use crate::raw::http;
use crate::world::{World, client_id};
use crate::{bodies, heads};

/// A request and its answer: a status, for a refusal also its code and every field that is wrong.
pub struct Case {
    what: String,
    request: RequestBuilder,
    answer: &'static str,
    fields: &'static [(&'static str, &'static str)],
}

type Table = fn(&World) -> Vec<Case>;

/// Every table; answers the cases that went wrong.
pub async fn all(world: &mut World) -> anyhow::Result<Vec<String>> {
    let heads =
        [heads::routes as Table, heads::ids, heads::queries, heads::outsiders, heads::handshakes, heads::tokens];
    let bodies = [bodies::kinds as Table, bodies::documents, bodies::fields, bodies::contents, bodies::accounts];
    let mut wrong = Vec::new();
    for table in heads.into_iter().chain(bodies) {
        for case in table(world) {
            let what = case.what.clone();
            wrong.extend(case.run().await.err().map(|err| format!("REST, {what}: {err:#}")));
        }
        world.bystanders_chat().await?;
    }
    wrong.extend(strangers_learn_nothing(world).await.err().map(|err| format!("REST, {err:#}")));
    wrong.extend(broken_http(world).await?);
    world.bystanders_chat().await?;
    Ok(wrong)
}

impl Case {
    pub fn new(what: impl Into<String>, request: RequestBuilder, answer: &'static str) -> Self {
        Self { what: what.into(), request, answer, fields: &[] }
    }

    pub fn naming(self, fields: &'static [(&'static str, &'static str)]) -> Self {
        Self { fields, ..self }
    }

    async fn run(self) -> anyhow::Result<()> {
        let answer = self.request.send().await?;
        let Some((status, code)) = self.answer.split_once(' ') else {
            ensure!(answer.status().as_str() == self.answer, "{} {}", answer.status(), answer.text().await?);
            return Ok(());
        };
        let problem = problem(answer).await?;
        ensure!(problem["code"] == code && problem["status"].as_u64() == status.parse().ok(), "{problem}");
        ensure!(problem["time"].is_string() == (code == "clock_skew"), "time: {problem}");
        let named: Vec<_> = problem["errors"].as_array().into_iter().flatten().collect();
        let named: Vec<_> = named.iter().map(|error| (error["field"].as_str(), error["code"].as_str())).collect();
        let expected: Vec<_> = self.fields.iter().map(|(field, code)| (Some(*field), Some(*code))).collect();
        ensure!(named == expected, "fields: {problem}");
        Ok(())
    }
}

/// The document of a refusal, in the one form that all have.
async fn problem(answer: Response) -> anyhow::Result<Value> {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let text = answer.text().await?;
    let word = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    ensure!(word("content-type") == Some("application/problem+json"), "{status} {headers:?} {text}");
    let problem: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
    ensure!(problem["status"] == status.as_u16(), "{status} {text}");
    ensure!(problem["type"] == format!("/errors/{}", problem["code"].as_str().unwrap_or_default()), "{text}");
    ensure!(["title", "detail"].iter().all(|words| problem[words].as_str().is_some_and(|it| !it.is_empty())), "{text}");
    let instance = problem["instance"].as_str();
    ensure!(instance.is_some_and(|id| id.len() == 26) && instance == word("x-request-id"), "{headers:?} {text}");
    ensure!(problem["errors"].is_array(), "{text}");
    ensure!((status == 401) == headers.contains_key("www-authenticate"), "{headers:?}");
    Ok(problem)
}

pub fn says(request: RequestBuilder, body: impl Into<reqwest::Body>) -> RequestBuilder {
    request.header(header::CONTENT_TYPE, "application/json").body(body)
}

/// What a stranger may not see answers exactly as what does not exist.
async fn strangers_learn_nothing(world: &World) -> anyhow::Result<()> {
    let (alice, message) = (&world.alice.id, &world.message);
    let requests = [
        ("GET", String::new(), None),
        ("GET", "/members".to_owned(), None),
        ("GET", format!("/members/{alice}"), None),
        ("GET", "/members/me".to_owned(), None),
        ("GET", "/messages".to_owned(), None),
        ("GET", format!("/messages/{message}"), None),
        ("GET", "/events".to_owned(), None),
        ("POST", "/messages".to_owned(), Some(json!({"text": "hi"}))),
        ("POST", "/members".to_owned(), Some(json!({"users": [world.mallory.id]}))),
        ("PUT", "/members/me".to_owned(), None),
        ("DELETE", "/members/me".to_owned(), None),
        ("DELETE", format!("/members/{alice}"), None),
    ];
    let absent = client_id(0);
    for (method, tail, body) in requests {
        let mut answers = Vec::new();
        for conversation in [&world.private, &absent] {
            let path = format!("/v1/conversations/{conversation}{tail}");
            let request = world.ask(method, &path).bearer_auth(&world.mallory.token);
            let request = body.iter().fold(request, |request, body| says(request, body.to_string()));
            let mut problem = problem(request.send().await?).await?;
            ensure!(problem["code"] == "not_found", "{method} {tail} of a foreign conversation: {problem}");
            problem["instance"].take();
            answers.push(problem);
        }
        ensure!(answers[0] == answers[1], "{method} {tail} tells a foreign conversation from none: {answers:?}");
    }
    Ok(())
}

/// What is no HTTP, or too much of it, ends its connection and nothing else.
async fn broken_http(world: &World) -> anyhow::Result<Vec<String>> {
    let at = world.chat.public();
    let me = "GET /v1/users/me HTTP/1.1\r\nHost: chat\r\nConnection: close\r\n";
    let many: String = (0..65).map(|number| format!("x-{number}: 1\r\n")).collect();
    let long = format!("x-long: {}\r\n", "x".repeat(limits::HEADER_BYTES));
    let chunked = "POST /v1/users HTTP/1.1\r\nHost: chat\r\nConnection: close\r\nContent-Type: application/json\r\n\
                   Transfer-Encoding: chunked\r\n\r\n";
    let mut wrong = Vec::new();
    for (what, request, expected) in [
        ("no HTTP", "\x16\x03\x01 hello\r\n\r\n".to_owned(), Some(400)),
        ("HTTP/2 by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), None),
        ("more than 64 headers", format!("{me}{many}\r\n"), Some(431)),
        ("headers over 16 KiB", format!("{me}{long}\r\n"), Some(431)),
        ("a broken header", format!("{me}no colon\r\n\r\n"), Some(400)),
        ("a broken chunk", format!("{chunked}ZZ\r\n"), Some(400)),
        ("a length that is none", format!("{me}Content-Length: -1\r\n\r\n"), Some(400)),
    ] {
        let answer = http(at, request.as_bytes()).await?;
        let status: Option<u16> = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
        // Of these only the broken chunk gets as far as a route, and a problem document.
        let told = what != "a broken chunk" || answer.contains(r#""code":"malformed""#);
        if status != expected || status.is_none() != answer.is_empty() || !told {
            wrong.push(format!("HTTP, {what}: {answer}"));
        }
    }
    Ok(wrong)
}
