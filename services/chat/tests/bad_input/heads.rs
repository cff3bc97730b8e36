//! What must be refused before any body counts: routes, ids, queries, tokens, handshakes.

use reqwest::header;
use serde_json::json;

use crate::requests::{Case, says};
use crate::world::{World, client_id};

pub fn routes(world: &World) -> Vec<Case> {
    let refused =
        |method: &str, path: &str, answer| Case::new(format!("{method} {path}"), world.ask(method, path), answer);
    let known = world.ask("GET", "/v1/nothing").bearer_auth(&world.mallory.token);
    vec![
        Case::new("an unknown route with a token", known, "404 not_found"),
        refused("GET", "/v1/nothing", "404 not_found"),
        refused("GET", "/v2/users/me", "404 not_found"),
        refused("DELETE", "/v1/users", "405 method_not_allowed"),
        refused("PUT", "/v1/conversations", "405 method_not_allowed"),
        refused("TRACE", "/v1/users/me", "405 method_not_allowed"),
        refused("BREW", "/v1/users/me", "405 method_not_allowed"),
        refused("POST", "/v1/ws", "405 method_not_allowed"),
    ]
}

pub fn ids(world: &World) -> Vec<Case> {
    let own = format!("/v1/conversations/{}", world.own);
    let paths = [
        ("GET", format!("/v1/users/{}", world.alice.id.to_lowercase())),
        ("GET", "/v1/users/alice".to_owned()),
        ("GET", format!("/v1/users/{}", "Z".repeat(26))),
        ("GET", own.to_lowercase()),
        ("GET", "/v1/conversations/%ff".to_owned()),
        ("GET", "/v1/conversations/..%2f..%2fkeys.json".to_owned()),
        ("GET", format!("/v1/conversations/{}", "0".repeat(10_000))),
        ("GET", format!("{own}/messages/1")),
        ("GET", format!("{own}/messages/{}", world.message.to_lowercase())),
        ("GET", format!("{own}/messages/{}", world.message)),
        ("GET", format!("{own}/members/nobody")),
        ("GET", format!("{own}/members/%ff")),
        ("DELETE", format!("{own}/members/%ff")),
        ("DELETE", "/v1/sessions/%ff".to_owned()),
        ("DELETE", "/v1/sessions/other".to_owned()),
        ("DELETE", format!("/v1/sessions/{}", client_id(0))),
    ];
    let case = |(method, path): (&str, String)| {
        let request = world.ask(method, &path).bearer_auth(&world.mallory.token);
        Case::new(format!("{method} {:.60}", path), request, "404 not_found")
    };
    paths.into_iter().map(case).collect()
}

pub fn queries(world: &World) -> Vec<Case> {
    let own = format!("/v1/conversations/{}", world.own);
    let get = |path: String, fields| {
        let request = world.ask("GET", &path).bearer_auth(&world.mallory.token);
        Case::new(format!("GET {path:.90}"), request, "422 invalid").naming(fields)
    };
    let mut cases = Vec::new();
    for list in ["/v1/conversations", &format!("{own}/messages"), &format!("{own}/events"), &format!("{own}/members")] {
        cases.push(get(format!("{list}?limit=0"), &[("limit", "range")]));
        cases.push(get(format!("{list}?limit=201"), &[("limit", "range")]));
        cases.push(get(format!("{list}?limit=-1"), &[("limit", "format")]));
        cases.push(get(format!("{list}?limit=99999999999999999999"), &[("limit", "format")]));
        cases.push(get(format!("{list}?cursor=%F0%9F%92%A3"), &[("cursor", "format")]));
        cases.push(get(format!("{list}?cursor="), &[("cursor", "format")]));
    }
    cases.extend([
        get(format!("{own}/messages?before=now"), &[("before", "format")]),
        get(format!("{own}/messages?after=-1"), &[("after", "format")]),
        get(format!("{own}/messages?around=9007199254740993"), &[("around", "format")]),
        get(format!("{own}/messages?before=1&after=2"), &[("cursor", "range")]),
        get(format!("{own}/events?after=x"), &[("after", "format")]),
        get("/v1/users".to_owned(), &[("ids", "missing")]),
        get("/v1/users?ids=alice".to_owned(), &[("ids", "format")]),
        get(format!("/v1/users?ids={}", vec![&*world.alice.id; 101].join(",")), &[("ids", "too_many")]),
        get("/v1/users?name_prefix=a".to_owned(), &[("name_prefix", "format")]),
        get("/v1/users?name_prefix=%25%25".to_owned(), &[("name_prefix", "format")]),
    ]);
    let unknown = world.ask("GET", "/v1/conversations?colour=red&limit=1").bearer_auth(&world.mallory.token);
    cases.push(Case::new("an unknown parameter is passed over", unknown, "200"));
    cases
}

/// Somebody who has not joined a public conversation.
pub fn outsiders(world: &World) -> Vec<Case> {
    let public = format!("/v1/conversations/{}", world.public);
    let ask = |method: &str, tail: &str, answer| {
        let request = world.ask(method, &format!("{public}{tail}")).bearer_auth(&world.mallory.token);
        Case::new(format!("outside: {method} {tail}"), request, answer)
    };
    let send = world.ask("POST", &format!("{public}/messages")).bearer_auth(&world.mallory.token);
    let add = world.ask("POST", &format!("{public}/members")).bearer_auth(&world.mallory.token);
    vec![
        ask("GET", "", "200"),
        ask("GET", "/messages", "403 not_a_member"),
        ask("GET", "/events", "403 not_a_member"),
        ask("GET", &format!("/messages/{}", world.message), "403 not_a_member"),
        Case::new("outside: send", says(send, r#"{"text":"hi"}"#), "403 not_a_member"),
        Case::new("outside: add", says(add, json!({"users": [world.mallory.id]}).to_string()), "403 forbidden"),
        ask("GET", "/members", "403 forbidden"),
        ask("DELETE", &format!("/members/{}", world.alice.id), "403 forbidden"),
        ask("DELETE", "/members/me", "404 not_found"),
    ]
}

pub fn handshakes(world: &World) -> Vec<Case> {
    let upgrade = |what: &str, changes: &[(&'static str, &str)], answer| {
        let mut headers = vec![
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        headers.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        headers.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        let request = world.ask("GET", "/v1/ws");
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        Case::new(format!("handshake, {what}"), request, answer)
    };
    let own = format!("http://{}", world.chat.public());
    vec![
        Case::new("a plain GET of the socket", world.ask("GET", "/v1/ws"), "426 upgrade_required"),
        upgrade("another version", &[("sec-websocket-version", "8")], "426 upgrade_required"),
        upgrade("no version", &[("sec-websocket-version", "")], "426 upgrade_required"),
        upgrade("no key", &[("sec-websocket-key", "")], "426 upgrade_required"),
        upgrade("a short key", &[("sec-websocket-key", "AAAA")], "426 upgrade_required"),
        upgrade("another upgrade", &[("upgrade", "h2c")], "426 upgrade_required"),
        upgrade("an unknown subprotocol", &[("sec-websocket-protocol", "graphql-ws")], "400 unsupported_protocol"),
        upgrade(
            "a subprotocol of tomorrow",
            &[("sec-websocket-protocol", "chat.v2.json, x")],
            "400 unsupported_protocol",
        ),
        upgrade("a strange origin", &[("origin", "https://evil.example")], "403 origin_refused"),
        upgrade("origin null", &[("origin", "null")], "403 origin_refused"),
        upgrade("our origin and more", &[("origin", &format!("{own}.evil.example"))], "403 origin_refused"),
        upgrade("our origin, another port", &[("origin", &format!("{own}1"))], "403 origin_refused"),
        upgrade("an origin in another scheme", &[("origin", &own.replace("http", "file"))], "403 origin_refused"),
    ]
}

pub fn tokens(world: &World) -> Vec<Case> {
    let me = || world.ask("GET", "/v1/users/me");
    let mut cases: Vec<Case> = world
        .forge
        .accepted()
        .into_iter()
        .map(|(what, token)| Case::new(format!("a token {what}"), me().bearer_auth(token), "200"))
        .collect();
    for forged in world.forge.refused() {
        let answer = if forged.code == "token_expired" { "401 token_expired" } else { "401 unauthenticated" };
        cases.push(Case::new(format!("a token, {}", forged.what), me().bearer_auth(forged.token), answer));
    }
    let token = &world.mallory.token;
    let with = |value: String| me().header(header::AUTHORIZATION, value);
    let in_url = world.ask("GET", &format!("/v1/users/me?token={token}&access_token={token}"));
    cases.extend([
        Case::new("no token", me(), "401 unauthenticated"),
        Case::new("a token in the URL", in_url, "401 unauthenticated"),
        Case::new("a token without scheme", with(token.clone()), "401 unauthenticated"),
        Case::new("a token of another scheme", with(format!("Basic {token}")), "401 unauthenticated"),
        Case::new("two tokens", with(format!("Bearer {token} {token}")), "401 unauthenticated"),
        Case::new("a token of who has logged out", me().bearer_auth(&world.gone.token), "401 token_revoked"),
    ]);
    cases
}
