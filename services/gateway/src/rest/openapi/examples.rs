//! Examples: what fields hold, and what requests say.

use serde_json::{Map, Value, json};

/// What fields of this name hold, in whatever type they stand.
fn of_field(name: &str) -> Option<Value> {
    let example = match name {
        "name" => json!("ada"),
        "display_name" => json!("Ada Lovelace"),
        "avatar_url" => json!("https://example.org/ada.png"),
        "device" => json!("pixel-9"),
        "password" | "old" => json!("correct horse battery"),
        "new" => json!("staple of another kind"),
        "refresh_token" => json!("rt_01M814RDVG27H6P3AMKDQG6STT_…"),
        "access_token" => json!("eyJhbGciOi…"),
        "title" => json!("Lunch"),
        "topic" => json!("Where, and when."),
        "text" => json!("Noodles at noon?"),
        "style" => json!("bold"),
        "emoji" => json!("👍"),
        "since" => json!("gqJhdM8AAAGa…"),
        "expires_in" => json!(900),
        "members_count" => json!(3),
        "slow_mode_s" | "retention_days" => json!(0),
        "count" => json!(1),
        "len" => json!(7),
        "reason" => json!("spam"),
        "status" => json!("ok"),
        _ => return None,
    };
    Some(example)
}

/// What a request says, by operation.
fn of_request(operation: &str) -> Option<Value> {
    let (ada, ben) = ("01M814RE33CM9JD7GD6ZSAEKF4", "01M814REDJT8ZH52SF6C65RZYG");
    let message = "03HK0N7PDWWK7";
    let example = match operation {
        "register" => json!({"name": "ada", "password": "correct horse battery", "device": "pixel-9"}),
        "log_in" => json!({"name": "ada", "password": "correct horse battery", "device": "pixel-9"}),
        "refresh" => json!({"refresh_token": "the one of the last answer"}),
        "change_password" => json!({"old": "correct horse battery", "new": "staple of another kind"}),
        "change_me" => json!({"display_name": "Ada Lovelace", "profile": {"pronouns": "she"}, "receipts": false}),
        "create_conversation" => json!({"kind": "group", "title": "Lunch", "members": [ben]}),
        "change_conversation" => {
            json!({"title": "Late lunch", "topic": null, "overrides": {"member": {"allow": ["pin"], "deny": []}}})
        }
        "add_members" => json!({"users": [ada, ben], "role": "member"}),
        "change_role" => json!({"role": "moderator"}),
        "change_own_settings" => json!({"notify": "mentions", "muted_until": null, "pinned": true}),
        "ban" => json!({"reason": "spam", "until": "2030-01-01T00:00:00.000Z"}),
        "send_message" => json!({"text": "Noodles at noon?", "spans": [{"start": 0, "len": 7, "style": "bold"}]}),
        "edit_message" => json!({"text": "Noodles at one?"}),
        "delete_messages" => json!({"messages": [message]}),
        "set_status" => json!({"state": "dnd", "text": "in a meeting", "until": "2030-01-01T00:00:00.000Z"}),
        "query_presence" => json!({"users": [ada, ben]}),
        "put_marker" => json!({"read": 1_795_132_800_004_711_i64}),
        _ => return None,
    };
    Some(example)
}

/// Adds an operation's own.
pub fn describe(operation: &mut Map<String, Value>) {
    let id = operation.get("operationId").and_then(Value::as_str).and_then(of_request);
    let content = operation.get_mut("requestBody").and_then(|body| body.pointer_mut("/content/application~1json"));
    if let (Some(example), Some(Value::Object(content))) = (id, content) {
        content.insert("example".into(), example);
    }
}

/// Adds those of the types' fields.
pub fn add(components: &mut Value) {
    let schemas = components.get_mut("schemas").and_then(Value::as_object_mut);
    let fields = schemas.into_iter().flat_map(Map::values_mut).filter_map(|schema| schema.get_mut("properties"));
    for (name, field) in fields.filter_map(Value::as_object_mut).flatten() {
        let Some(field) = field.as_object_mut() else { continue };
        // What refers to a type has that type's; secrets are all of one type.
        let of_its_own = field.get("$ref").is_none_or(|target| target == "#/components/schemas/SecretText");
        if let (true, Some(example)) = (of_its_own, of_field(name)) {
            field.insert("examples".into(), json!([example]));
        }
    }
}
