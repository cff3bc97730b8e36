//! What stands in paths, queries and headers: the same name means the same everywhere.

use chat_protocol::limits;
use serde_json::{Map, Value, json};

use crate::rest::Route;

/// Describes an operation's parameters; those of its path are found there.
pub fn describe(route: &Route, operation: &mut Map<String, Value>) {
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> =
        in_path.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {}})).collect();
    parameters.extend(operation.get("parameters").and_then(Value::as_array).into_iter().flatten().cloned());
    for parameter in parameters.iter_mut().filter_map(Value::as_object_mut) {
        let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default();
        if let Some((text, schema)) = known(name) {
            parameter.insert("description".into(), json!(text));
            if !schema.is_null() {
                parameter.insert("schema".into(), schema);
            }
        }
    }
    if !parameters.is_empty() {
        operation.insert("parameters".into(), parameters.into());
    }
}

fn known(name: &str) -> Option<(&'static str, Value)> {
    let component = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let position = || json!({"anyOf": [component("Seq"), component("MessageId")]});
    let described = match name {
        "conversation" => ("The conversation.", component("ConversationId")),
        "user" => ("The user.", component("UserId")),
        "message" => ("The message.", component("MessageId")),
        "job" => ("The job.", component("JobId")),
        "session" => (
            "The session; `current` for that of the token.",
            json!({"anyOf": [component("SessionId"), {"const": "current"}]}),
        ),
        "emoji" => (
            "Any text of at most 32 bytes without control characters; an emoji, mostly.",
            json!({"type": "string", "minLength": 1, "maxLength": limits::EMOJI_BYTES, "examples": ["👍"]}),
        ),
        "limit" => (
            "How many at most.",
            json!({"type": "integer", "minimum": 1, "maximum": limits::PAGE_MAX, "default": limits::PAGE}),
        ),
        "cursor" => {
            ("The `next` of the page before this one; only this list understands it.", json!({"type": "string"}))
        }
        "before" => ("Only what is older than this position or message.", position()),
        "after" => ("Only what is newer than this position or message.", position()),
        "around" => ("What lies around this position or message, itself included.", position()),
        "since" => ("The `since` of an earlier answer: only what has changed after it.", json!({"type": "string"})),
        "archived" => ("Only those that the user has archived, or only the others.", json!({"type": "boolean"})),
        "ids" => ("Ids of users, at most 100, with commas.", json!({"type": "string"})),
        "name_prefix" => (
            "How the names begin, at least two characters.",
            json!({"type": "string", "minLength": 2, "pattern": "^[a-z0-9_.-]{2,}$"}),
        ),
        "role" => ("Only members of this role.", Value::Null),
        "If-Match" => ("The `ETag` of the version that was read, or several, or `*`.", Value::Null),
        "If-None-Match" => ("The `ETag` of the version that is known.", Value::Null),
        "Upgrade" => ("`websocket`", Value::Null),
        "Connection" => ("`upgrade`", Value::Null),
        "Sec-WebSocket-Key" => ("16 random bytes in base64.", Value::Null),
        "Sec-WebSocket-Version" => ("`13`", Value::Null),
        "Sec-WebSocket-Protocol" => (
            "`chat.v1.json` (also if none is offered) or `chat.v1.msgpack`; of several the first known one.",
            Value::Null,
        ),
        "Origin" => ("What a browser says by itself: one of the allowed origins, or this server's own.", Value::Null),
        _ => return None,
    };
    Some(described)
}
