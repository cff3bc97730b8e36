//! The interface described: OpenAPI 3.1, made of what stands at the handlers, of the types they read and write, of the
//! table of routes, of the error table and of the limits.

mod bounds; // how long, how many

mod examples; // of fields and requests

mod parameters; // what stands in paths, queries and headers

mod problems; // how requests fail

mod shapes; // each type as one object

use std::sync::LazyLock;

use axum::{http::HeaderMap, response::Response};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::{Caller, Handlers, ROUTES};
use crate::console;

const INTRODUCTION: &str = "\
Everything a chat application needs beside its WebSocket (`GET /v1/ws`, described in docs/protocol.md).

Requests and answers are JSON. An unknown field in a request is refused, an unknown query parameter is ignored; a client \
ignores what it does not know in an answer. Times are RFC 3339 in UTC with milliseconds. What is absent is not set; only \
`next`, the cursor of a list's next page, is `null` at the end.

Failed requests answer a problem document (RFC 9457) with a stable `code`. Each route names those that it may answer; \
beside them a path that does not exist answers `not_found`, and another method than those described \
`method_not_allowed`, with `Allow`.";

/// What routes have in common, in the order that they are shown in.
const TAGS: &[(&str, &str)] = &[
    ("Accounts", "Users, their profiles and passwords."),
    ("Sessions", "Log-ins and their tokens: an access token for 15 minutes, a refresh token for the next one."),
    ("Blocks", "Whom a user does not want to hear from."),
    ("Conversations", "Direct ones between two users, groups, and broadcasts of few to many."),
    ("Members", "Who is in a conversation, as what, and with what settings of their own."),
    ("Bans", "Who is kept out of a conversation."),
    ("Messages", "Sent, read, edited, deleted."),
    ("Reactions", "Who reacted to a message, and how."),
    ("Pins", "Messages that a conversation wants to find again."),
    ("Markers", "How far members have read and received."),
    ("Presence", "Who is there, and what users say of themselves."),
    ("Events", "Everything that happened, by position: for clients that catch up."),
    ("Jobs", "Work that takes longer than a request."),
    ("WebSocket", "Live events, and the shorter way for what is done often."),
    ("Descriptions", "This document."),
];

/// The interface, as OpenAPI
///
/// Also committed as docs/openapi.json. Answers 304 to `If-None-Match` with its `ETag`.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "Descriptions", operation_id = "get_openapi",
    params(("If-None-Match" = Option<String>, Header)),
    responses(
        (status = 200, description = "This document", body = Object, headers(("ETag" = String, description = "Of this version"))),
        (status = 304, description = "The one that was named is the present one", headers(("ETag" = String, description = "Of this version")))
    )
)]
pub async fn serve(asked: HeaderMap) -> Response {
    console::answer(&asked, "application/json", document(), &console::entity_tag(document()))
}

/// The document, as it is served and committed.
pub fn document() -> &'static str {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", built()));
    &DOCUMENT
}

fn built() -> Value {
    // Strings, numbers, lists and maps: this cannot fail.
    let mut document = serde_json::to_value(Handlers::openapi()).unwrap_or_default();
    let mut components = document.get_mut("components").map(Value::take).unwrap_or_default();
    let mut paths = document.get_mut("paths").map(Value::take).unwrap_or_default();
    let mut answers = Map::new();
    for route in ROUTES {
        let operation = paths.get_mut(route.path).and_then(|methods| methods.get_mut(route.method));
        if let Some(Value::Object(operation)) = operation {
            parameters::describe(route, operation);
            examples::describe(operation);
            problems::describe(route, operation, &mut answers);
            let security = if route.by == Caller::User { json!([{"token": []}]) } else { json!([]) };
            operation.insert("security".into(), security);
        }
    }
    if let Value::Object(components) = &mut components {
        components.insert("responses".into(), answers.into());
        problems::add_parts(components);
        components.insert(
            "securitySchemes".into(),
            json!({"token": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "The access token of a session: from registering, logging in or refreshing.",
            }}),
        );
    }
    shapes::simplify(&mut components, &mut paths);
    bounds::add(&mut components);
    examples::add(&mut components);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "chat",
            "version": env!("CARGO_PKG_VERSION"),
            "description": INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": TAGS.iter().map(|(name, text)| json!({"name": name, "description": text})).collect::<Vec<_>>(),
        "paths": paths,
        "components": components,
    })
}

/// What a `$ref` of this document points to: its kind of component and its name.
fn reference(schema: &Map<String, Value>) -> Option<(&str, &str)> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/components/")?.split_once('/')
}

#[cfg(test)]
mod tests;
