//! How requests fail: what the table of routes says, in the words of the error table.

use std::collections::{BTreeMap, BTreeSet};

use chat_protocol::{
    ErrorCode, Timestamp,
    error::{FieldError, Problem, Retry},
};
use serde_json::{Map, Value, json};
use utoipa::PartialSchema;

use crate::rest::{Caller, Route, Work};

/// Every code a route may answer.
fn codes(route: &Route, operation: &Map<String, Value>) -> BTreeSet<&'static str> {
    use ErrorCode::{
        Internal, Invalid, LogUnavailable, Malformed, OutcomeUnknown, Overloaded, RateLimited, StorageFull,
        StoreUnavailable, TokenExpired, TokenRevoked, TooLarge, Unauthenticated, UnsupportedMediaType,
    };
    let mut codes = route.codes.to_vec();
    if operation.contains_key("requestBody") {
        codes.extend([Malformed, UnsupportedMediaType, TooLarge, Invalid]);
    }
    if is_asked(operation) {
        codes.push(Invalid);
    }
    if route.by == Caller::User {
        codes.extend([Unauthenticated, TokenExpired, TokenRevoked]);
    }
    if route.on >= Work::Store {
        codes.extend([StoreUnavailable, Internal]);
    }
    if matches!(route.on, Work::Log | Work::Append) {
        codes.push(LogUnavailable);
    }
    if route.on >= Work::Write {
        codes.push(StorageFull);
    }
    if route.on == Work::Append {
        codes.extend([OutcomeUnknown, Overloaded]);
    }
    // A WebSocket has limits of its own.
    if route.path != "/v1/ws" {
        codes.push(RateLimited);
    }
    codes.into_iter().map(ErrorCode::code).collect()
}

/// Whether something in the query can be wrong.
fn is_asked(operation: &Map<String, Value>) -> bool {
    let parameters = operation.get("parameters").and_then(Value::as_array);
    parameters.into_iter().flatten().any(|parameter| parameter.get("in").is_some_and(|place| place == "query"))
}

/// Adds the answers of requests that fail, and to all answers the headers that each has. What many routes answer alike is
/// said once, among `shared`.
pub fn describe(route: &Route, operation: &mut Map<String, Value>, shared: &mut Map<String, Value>) {
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    let names = codes(route, operation);
    for code in ErrorCode::ALL.iter().filter(|code| names.contains(code.code())) {
        by_status.entry(code.http().unwrap_or(500)).or_default().push(*code);
    }
    let is_limited = route.path != "/v1/ws";
    let Some(Value::Object(responses)) = operation.get_mut("responses") else { return };
    for (status, response) in responses.iter_mut() {
        add_headers(status, is_limited, response);
    }
    for (status, codes) in by_status {
        let words: Vec<&str> = codes.iter().map(|code| code.code()).collect();
        let name = format!("{status}.{}{}", words.join("."), if is_limited { "" } else { ".unlimited" });
        let reference = component("responses", &name);
        shared.entry(name).or_insert_with(|| {
            let mut response = response(status, &words);
            add_headers(&status.to_string(), is_limited, &mut response);
            response
        });
        responses.insert(status.to_string(), reference);
    }
}

fn add_headers(status: &str, is_limited: bool, response: &mut Value) {
    let Some(response) = response.as_object_mut() else { return };
    let headers = response.entry("headers").or_insert_with(|| json!({}));
    let Some(headers) = headers.as_object_mut() else { return };
    for header in headers.values_mut().filter_map(Value::as_object_mut) {
        header.insert("required".into(), json!(status != "101"));
    }
    let mut common = vec!["X-Request-Id"];
    if is_limited {
        common.extend(["RateLimit-Policy", "RateLimit"]);
    }
    if matches!(status, "429" | "503" | "507") {
        common.push("Retry-After");
    }
    if status == "401" {
        common.push("WWW-Authenticate");
    }
    headers.extend(common.into_iter().map(|name| (name.to_owned(), component("headers", name))));
}

fn component(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

fn response(status: u16, words: &[&str]) -> Value {
    let examples: Map<String, Value> =
        words.iter().map(|code| ((*code).to_owned(), component("examples", code))).collect();
    json!({
        "description": words.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", "),
        "content": {"application/problem+json": {
            "schema": {"allOf": [
                component("schemas", "Problem"),
                {"properties": {"code": {"enum": words}, "status": {"const": status}}},
            ]},
            "examples": examples,
        }},
    })
}

/// What the answers refer to.
pub fn add_parts(components: &mut Map<String, Value>) {
    if let Some(Value::Object(schemas)) = components.get_mut("schemas") {
        schemas.insert("Problem".into(), serde_json::to_value(Problem::schema()).unwrap_or_default());
        schemas.insert("FieldError".into(), serde_json::to_value(FieldError::schema()).unwrap_or_default());
    }
    let answered = ErrorCode::ALL.iter().filter_map(|code| Some((*code, code.http()?)));
    let examples = answered.map(|(code, status)| (code.code().to_owned(), example(code, status)));
    components.insert("examples".into(), examples.collect::<Map<_, _>>().into());
    components.insert("headers".into(), headers());
}

fn example(code: ErrorCode, status: u16) -> Value {
    let waits = code.retry() == Retry::After || status == 503;
    let field = FieldError::new("spans.3.len", "range", "within the text, at least one character");
    let problem = Problem {
        kind: format!("/errors/{code}"),
        title: code.title().into(),
        status,
        code,
        detail: code.title().to_lowercase(),
        instance: "01M814RE0EDJPRT4BESRBKHXYS".into(),
        retry_after_ms: waits.then_some(1_500),
        // 2026-11-22T08:08:00.123Z
        time: (code == ErrorCode::ClockSkew).then_some(Timestamp::from_ms(1_795_334_880_123)),
        errors: if code == ErrorCode::Invalid { vec![field] } else { Vec::new() },
    };
    let advice = match code.retry() {
        Retry::No => "Trying again does not help.",
        Retry::Yes => "May be tried again, with the same `client_id` if there is one.",
        Retry::After => "May be tried again after `retry_after_ms`.",
        Retry::WithChange => "May be tried again once something else was done first.",
    };
    json!({"summary": code.title(), "description": advice, "value": problem})
}

fn headers() -> Value {
    let text = |description: &str, example: &str, required: bool| json!({"description": description, "required": required, "schema": {"type": "string"}, "example": example});
    json!({
        "X-Request-Id": text("The request's id, in the server's log too.", "01M814RE0EDJPRT4BESRBKHXYS", true),
        "RateLimit-Policy": text("The limits that the request met: so many (`q`) in so many seconds (`w`).", "\"send\";q=30;w=10", false),
        "RateLimit": text("What they say now: so many are left (`r`), all of them again in so many seconds (`t`).", "\"send\";r=12;t=4", false),
        "Retry-After": {
            "description": "When to try again, in seconds.",
            "required": true,
            "schema": {"type": "integer", "minimum": 1},
            "example": 2,
        },
        "WWW-Authenticate": text("`Bearer`", "Bearer", true),
    })
}
