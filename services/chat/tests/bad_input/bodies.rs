//! Bodies that must be refused: documents, fields, contents, accounts.

use chat_protocol::limits;
use reqwest::header;
use serde_json::{Value, json};

use crate::requests::{Case, says};
use crate::world::{PASSWORD, World, client_id};

pub fn kinds(world: &World) -> Vec<Case> {
    let body = json!({"name": "nobody", "password": PASSWORD}).to_string();
    let register = || world.ask("POST", "/v1/users").body(body.clone());
    let mut cases = vec![Case::new("no content type", register(), "415 unsupported_media_type")];
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application", ""] {
        let request = register().header(header::CONTENT_TYPE, kind);
        cases.push(Case::new(format!("content type {kind:?}"), request, "415 unsupported_media_type"));
    }
    cases
}

pub fn documents(world: &World) -> Vec<Case> {
    let create = |what: &str, body: Vec<u8>, answer| {
        let request = world.ask("POST", "/v1/conversations").bearer_auth(&world.mallory.token);
        Case::new(what, says(request, body), answer)
    };
    // The outermost object is a level too.
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        format!(r#"{{"kind":"group","data":{open}{close}}}"#).into_bytes()
    };
    let padded = |bytes: usize| format!(r#"{{"kind":"group"{}}}"#, " ".repeat(bytes - 16)).into_bytes();
    vec![
        create("an empty body", Vec::new(), "400 malformed"),
        create("a broken document", b"{".to_vec(), "400 malformed"),
        create("a broken end after a wrong field", br#"{"kind":7,]"#.to_vec(), "400 malformed"),
        create("two documents", br#"{"kind":"group"}{}"#.to_vec(), "400 malformed"),
        create("no UTF-8 at all", b"\xff\xfe{}".to_vec(), "400 malformed"),
        create("no UTF-8 in a text", b"{\"kind\":\"group\",\"title\":\"\xff\"}".to_vec(), "400 malformed"),
        create("brackets without end", vec![b'['; 100_000], "400 malformed"),
        create("depth 32", nested(limits::DEPTH), "201"),
        create("depth 33", nested(limits::DEPTH + 1), "400 malformed"),
        create("1 MiB", padded(1024 * 1024), "201"),
        create("1 MiB + 1", padded(1024 * 1024 + 1), "413 too_large"),
        create("a list", b"[]".to_vec(), "422 invalid").naming(&[("", "type")]),
        create("the fields as a list", br#"["group",[],"","","","private",7,"all",0,0,null]"#.to_vec(), "422 invalid")
            .naming(&[("", "type")]),
        create("a number", b"7".to_vec(), "422 invalid").naming(&[("", "type")]),
        create("null", b"null".to_vec(), "422 invalid").naming(&[("", "type")]),
    ]
}

pub fn fields(world: &World) -> Vec<Case> {
    let create = |what: &str, body: Value, answer| {
        let request = world.ask("POST", "/v1/conversations").bearer_auth(&world.mallory.token);
        Case::new(what, says(request, body.to_string()), answer)
    };
    let (mallory, long) = (&world.mallory.id, "x".repeat(2_000));
    vec![
        create("an unknown field", json!({"kind": "group", "colour": 1}), "422 invalid")
            .naming(&[("colour", "unknown")]),
        create("a missing field", json!({"title": "x"}), "422 invalid").naming(&[("kind", "missing")]),
        create("a number for a text", json!({"kind": "group", "title": 7}), "422 invalid").naming(&[("title", "type")]),
        create("an unknown word", json!({"kind": "circus"}), "422 invalid").naming(&[("kind", "type")]),
        create("a negative number", json!({"kind": "group", "slow_mode_s": -1}), "422 invalid")
            .naming(&[("slow_mode_s", "type")]),
        create("a number out of range", json!({"kind": "group", "slow_mode_s": 21_601}), "422 invalid")
            .naming(&[("slow_mode_s", "range")]),
        create("no id among ids", json!({"kind": "group", "members": [mallory, "bob"]}), "422 invalid")
            .naming(&[("members.1", "type")]),
        create("an id in lower case", json!({"kind": "group", "members": [mallory.to_lowercase()]}), "422 invalid")
            .naming(&[("members.0", "type")]),
        create("101 members", json!({"kind": "group", "members": vec![mallory; 101]}), "422 invalid")
            .naming(&[("members", "too_many")]),
        create("two wrong fields", json!({"kind": "group", "title": long, "topic": long}), "422 invalid")
            .naming(&[("title", "too_long"), ("topic", "too_long")]),
        create("a direct with oneself", json!({"kind": "direct", "members": [mallory]}), "422 invalid")
            .naming(&[("members", "range")]),
        create("data over 4 KiB", json!({"kind": "group", "data": "x".repeat(4_096)}), "413 too_large")
            .naming(&[("data", "too_large")]),
        create("a member who does not exist", json!({"kind": "group", "members": [client_id(0)]}), "404 not_found"),
    ]
}

pub fn contents(world: &World) -> Vec<Case> {
    let path = format!("/v1/conversations/{}/messages", world.own);
    let send = |what: &str, body: Value, answer| {
        let request = world.ask("POST", &path).bearer_auth(&world.mallory.token);
        Case::new(what, says(request, body.to_string()), answer)
    };
    let span = |len: Value| json!({"start": 0, "len": len, "style": "bold"});
    let hour_ms = 3_600_000;
    vec![
        send("no content", json!({}), "422 invalid").naming(&[("text", "empty")]),
        send("empty content", json!({"text": ""}), "422 invalid").naming(&[("text", "empty")]),
        send("U+0000", json!({"text": "a\0b"}), "422 invalid").naming(&[("text", "format")]),
        send(
            "a wrong field deep inside",
            json!({"text": "abcd", "spans": [span(json!(1)), span(json!("x"))]}),
            "422 invalid",
        )
        .naming(&[("spans.1.len", "type")]),
        send(
            "an unknown field deep inside",
            json!({"text": "a", "spans": [{"start": 0, "len": 1, "style": "b", "x": 1}]}),
            "422 invalid",
        )
        .naming(&[("spans.0.x", "unknown")]),
        send("a span beyond the text", json!({"text": "abc", "spans": [span(json!(4))]}), "422 invalid")
            .naming(&[("spans.0.len", "range")]),
        send(
            "a span that overflows",
            json!({"text": "abc", "spans": [{"start": u32::MAX, "len": u32::MAX, "style": "b"}]}),
            "422 invalid",
        )
        .naming(&[("spans.0.len", "range")]),
        send("201 spans", json!({"text": "abc", "spans": vec![span(json!(1)); 201]}), "422 invalid")
            .naming(&[("spans", "too_many")]),
        send("8,000 characters", json!({"text": "é".repeat(8_000)}), "201"),
        send("8,001 characters", json!({"text": "x".repeat(8_001)}), "413 too_large").naming(&[("text", "too_long")]),
        send("a payload over 16 KiB", json!({"payload": "x".repeat(16_384)}), "413 too_large")
            .naming(&[("payload", "too_large")]),
        send("content over 32 KiB", json!({"text": "𝄞".repeat(8_000), "payload": "x".repeat(2_000)}), "413 too_large")
            .naming(&[("", "too_large")]),
        send("an end in the past", json!({"text": "x", "expires_at": "2020-01-01T00:00:00.000Z"}), "422 invalid")
            .naming(&[("expires_at", "range")]),
        send(
            "a client id in lower case",
            json!({"text": "x", "client_id": client_id(0).to_lowercase()}),
            "422 invalid",
        )
        .naming(&[("client_id", "type")]),
        send("a client id from the future", json!({"text": "x", "client_id": client_id(90_000)}), "422 clock_skew"),
        send("a client id of yesterday", json!({"text": "x", "client_id": client_id(-25 * hour_ms)}), "422 clock_skew"),
    ]
}

pub fn accounts(world: &World) -> Vec<Case> {
    let post = |path: &str, what: String, body: Value, answer| {
        Case::new(what, says(world.ask("POST", path), body.to_string()), answer)
    };
    let mut cases = Vec::new();
    for name in ["", "al", &"a".repeat(33), "Alice", "al ice", "älice", "alice\0", "../alice", "a'; DROP TABLE users"]
    {
        let wanted = json!({"name": name, "password": PASSWORD});
        cases
            .push(post("/v1/users", format!("the name {name:?}"), wanted, "422 invalid").naming(&[("name", "format")]));
    }
    for bytes in [0, 7, 1_025] {
        let wanted = json!({"name": "nobody", "password": "x".repeat(bytes)});
        let what = format!("a password of {bytes} bytes");
        cases.push(post("/v1/users", what, wanted, "422 invalid").naming(&[("password", "range")]));
    }
    let device = json!({"name": "nobody", "password": PASSWORD, "device": "x".repeat(65)});
    let guess = |name: &str, password: &str| json!({"name": name, "password": password});
    let log_in = |what: &str, body| post("/v1/sessions", what.to_owned(), body, "401 unauthenticated");
    let refresh = |what: &str, token: &str| {
        post("/v1/sessions/refresh", what.to_owned(), json!({"refresh_token": token}), "401 unauthenticated")
    };
    let change = world.ask("PUT", "/v1/users/me/password").bearer_auth(&world.mallory.token);
    let change = says(change, json!({"old": "not the old one", "new": "another password"}).to_string());
    cases.extend([
        post("/v1/users", "name and password".to_owned(), guess("", ""), "422 invalid")
            .naming(&[("name", "format"), ("password", "range")]),
        post("/v1/users", "a long device".to_owned(), device, "422 invalid").naming(&[("device", "too_long")]),
        post("/v1/users", "a taken name".to_owned(), guess("alice", PASSWORD), "409 name_taken"),
        log_in("a wrong password", guess("alice", "wrong-horse-battery")),
        log_in("an unknown name", guess("nobody", PASSWORD)),
        log_in("an impossible name", guess("No Body\0", PASSWORD)),
        log_in("an endless password", guess("alice", &"x".repeat(100_000))),
        post("/v1/sessions", "a number as password".to_owned(), json!({"name": "alice", "password": 7}), "422 invalid")
            .naming(&[("password", "type")]),
        refresh("no refresh token", "open-sesame"),
        refresh("an access token as refresh token", &world.mallory.token),
        Case::new("a wrong old password", change, "403 forbidden"),
    ]);
    cases
}
