//! One request for each route that the server carries out on the stage, and those that it refuses in ways of their own.

/// `{names}` are the stage's.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// The operation's id in the OpenAPI document.
    pub operation: &'static str,
    /// Who asks; empty = nobody.
    pub by: &'static str,
    pub path: &'static str,
    /// JSON; empty = none.
    pub body: &'static str,
    /// One more header; empty = none.
    pub header: &'static str,
}

const fn ask(operation: &'static str, by: &'static str, path: &'static str, body: &'static str) -> Request {
    Request { operation, by, path, body, header: "" }
}

/// Each would go well.
pub const GOOD: &[Request] = &[
    ask("register", "", "/v1/users", r#"{"name":"{fresh}","password":"{password}"}"#),
    ask("find_users", "ada", "/v1/users?name_prefix=ad", ""),
    ask("get_me", "ada", "/v1/users/me", ""),
    ask("change_me", "ada", "/v1/users/me", r#"{"display_name":"Ada"}"#),
    ask("close_account", "ada", "/v1/users/me", ""),
    ask("change_password", "ada", "/v1/users/me/password", r#"{"old":"{password}","new":"{password}2"}"#),
    ask("list_blocks", "ada", "/v1/users/me/blocks", ""),
    ask("block", "ada", "/v1/users/me/blocks/{ben}", ""),
    ask("unblock", "ada", "/v1/users/me/blocks/{gil}", ""),
    ask("list_own_events", "ada", "/v1/users/me/events", ""),
    ask("set_status", "ada", "/v1/users/me/status", r#"{"state":"dnd"}"#),
    ask("query_presence", "ada", "/v1/presence/query", r#"{"users":["{ben}"]}"#),
    ask("get_user", "ada", "/v1/users/{ben}", ""),
    ask("log_in", "", "/v1/sessions", r#"{"name":"{ada_name}","password":"{password}"}"#),
    ask("list_sessions", "ada", "/v1/sessions", ""),
    ask("end_other_sessions", "ada", "/v1/sessions", ""),
    ask("refresh", "", "/v1/sessions/refresh", r#"{"refresh_token":"{ada_refresh}"}"#),
    ask("end_session", "ada", "/v1/sessions/current", ""),
    ask("create_conversation", "ada", "/v1/conversations", r#"{"kind":"group","members":["{ben}"]}"#),
    ask("list_conversations", "ada", "/v1/conversations", ""),
    ask("get_conversation", "ada", "/v1/conversations/{group}", ""),
    ask("change_conversation", "ada", "/v1/conversations/{group}", r#"{"title":"new"}"#),
    ask("delete_conversation", "ada", "/v1/conversations/{group}", ""),
    ask("list_members", "ada", "/v1/conversations/{group}/members", ""),
    ask("add_members", "ada", "/v1/conversations/{group}/members", r#"{"users":["{eve}"]}"#),
    ask("get_own_membership", "ada", "/v1/conversations/{group}/members/me", ""),
    ask("join", "eve", "/v1/conversations/{public}/members/me", ""),
    ask("change_own_settings", "ada", "/v1/conversations/{group}/members/me", r#"{"archived":true}"#),
    ask("leave", "ben", "/v1/conversations/{group}/members/me", ""),
    ask("get_member", "ada", "/v1/conversations/{group}/members/{ben}", ""),
    ask("change_role", "ada", "/v1/conversations/{group}/members/{ben}", r#"{"role":"moderator"}"#),
    ask("remove_member", "ada", "/v1/conversations/{group}/members/{ben}", ""),
    ask("list_bans", "ada", "/v1/conversations/{group}/bans", ""),
    ask("ban", "ada", "/v1/conversations/{group}/bans/{ben}", "{}"),
    ask("lift_ban", "ada", "/v1/conversations/{group}/bans/{gil}", ""),
    ask("send_message", "ada", "/v1/conversations/{group}/messages", r#"{"text":"hi"}"#),
    ask("list_messages", "ada", "/v1/conversations/{group}/messages", ""),
    ask("delete_messages", "ada", "/v1/conversations/{group}/messages/delete", r#"{"messages":["{message}"]}"#),
    ask("get_message", "ada", "/v1/conversations/{group}/messages/{message}", ""),
    ask("edit_message", "ada", "/v1/conversations/{group}/messages/{message}", r#"{"text":"new"}"#),
    ask("delete_message", "ada", "/v1/conversations/{group}/messages/{message}", ""),
    ask("list_reactions", "ada", "/v1/conversations/{group}/messages/{message}/reactions", ""),
    ask("react", "ada", "/v1/conversations/{group}/messages/{message}/reactions/new", ""),
    ask("take_back_reaction", "ada", "/v1/conversations/{group}/messages/{message}/reactions/old", ""),
    ask("list_pins", "ada", "/v1/conversations/{group}/pins", ""),
    ask("pin", "ada", "/v1/conversations/{group}/pins/{other_message}", ""),
    ask("unpin", "ada", "/v1/conversations/{group}/pins/{message}", ""),
    ask("put_marker", "ada", "/v1/conversations/{group}/marker", r#"{"read":9007199254740991}"#),
    ask("list_markers", "ada", "/v1/conversations/{group}/markers", ""),
    ask("list_events", "ada", "/v1/conversations/{group}/events", ""),
    ask("get_job", "ada", "/v1/jobs/{job}", ""),
    ask("open_socket", "", "/v1/ws", ""),
    ask("get_openapi", "", "/v1/openapi.json", ""),
];

/// Each is refused with this code.
pub const REFUSED: &[(&str, Request)] = &[
    ("name_taken", ask("register", "", "/v1/users", r#"{"name":"{ada_name}","password":"{password}"}"#)),
    ("name_taken", ask("change_me", "ben", "/v1/users/me", r#"{"name":"{ada_name}"}"#)),
    ("conflict", ask("close_account", "ada", "/v1/users/me", "")),
    ("forbidden", ask("change_password", "ada", "/v1/users/me/password", r#"{"old":"x","new":"{password}2"}"#)),
    ("invalid", ask("change_password", "ada", "/v1/users/me/password", r#"{"old":"x","new":"short"}"#)),
    ("not_found", ask("block", "ada", "/v1/users/me/blocks/{absent}", "")),
    ("invalid", ask("block", "ada", "/v1/users/me/blocks/{ada}", "")),
    ("limit_reached", ask("block", "max", "/v1/users/me/blocks/{ben}", "")),
    ("not_found", ask("unblock", "ada", "/v1/users/me/blocks/nobody", "")),
    ("not_found", ask("get_user", "ada", "/v1/users/{absent}", "")),
    ("unauthenticated", ask("log_in", "", "/v1/sessions", r#"{"name":"{ada_name}","password":"wrong"}"#)),
    ("account_suspended", ask("log_in", "", "/v1/sessions", r#"{"name":"dan","password":"{password}"}"#)),
    ("account_suspended", ask("get_me", "dan", "/v1/users/me", "")),
    ("account_suspended", ask("change_me", "dan", "/v1/users/me", r#"{"receipts":false}"#)),
    ("account_suspended", ask("refresh", "", "/v1/sessions/refresh", r#"{"refresh_token":"{dan_refresh}"}"#)),
    ("unauthenticated", ask("refresh", "", "/v1/sessions/refresh", r#"{"refresh_token":"{unknown_refresh}"}"#)),
    ("token_revoked", ask("refresh", "", "/v1/sessions/refresh", r#"{"refresh_token":"{revoked_refresh}"}"#)),
    ("not_found", ask("end_session", "ada", "/v1/sessions/{absent}", "")),
    ("not_found", ask("get_job", "ben", "/v1/jobs/{job}", "")),
    ("not_found", ask("create_conversation", "ada", "/v1/conversations", r#"{"kind":"group","members":["{absent}"]}"#)),
    ("blocked", ask("create_conversation", "ada", "/v1/conversations", r#"{"kind":"group","members":["{fay}"]}"#)),
    ("limit_reached", ask("create_conversation", "max", "/v1/conversations", r#"{"kind":"group"}"#)),
    ("limit_reached", ask("add_members", "ada", "/v1/conversations/{group}/members", r#"{"users":["{max}"]}"#)),
    ("limit_reached", ask("join", "max", "/v1/conversations/{public}/members/me", "")),
    ("forbidden", ask("join", "gil", "/v1/conversations/{public}/members/me", "")),
    ("forbidden", ask("leave", "ada", "/v1/conversations/{direct}/members/me", "")),
    ("conflict", ask("leave", "ada", "/v1/conversations/{group}/members/me", "")),
    ("conflict", ask("remove_member", "ada", "/v1/conversations/{group}/members/{ada}", "")),
    ("conflict", ask("change_role", "ada", "/v1/conversations/{group}/members/{ada}", r#"{"role":"admin"}"#)),
    (
        "precondition_failed",
        Request {
            header: "if-match: \"1\"",
            ..ask("change_conversation", "ada", "/v1/conversations/{group}", r#"{"title":"new"}"#)
        },
    ),
    (
        "clock_skew",
        ask(
            "send_message",
            "ada",
            "/v1/conversations/{group}/messages",
            r#"{"text":"hi","client_id":"{old_client_id}"}"#,
        ),
    ),
    ("slow_mode", ask("send_message", "ben", "/v1/conversations/{slow}/messages", r#"{"text":"hi"}"#)),
    ("blocked", ask("send_message", "ada", "/v1/conversations/{direct}/messages", r#"{"text":"hi"}"#)),
    ("too_late", ask("edit_message", "ada", "/v1/conversations/{group}/messages/{old_message}", r#"{"text":"new"}"#)),
    (
        "blocked",
        ask("edit_message", "ada", "/v1/conversations/{direct}/messages/{direct_message}", r#"{"text":"new"}"#),
    ),
    ("blocked", ask("react", "ada", "/v1/conversations/{direct}/messages/{direct_message}/reactions/x", "")),
    (
        "blocked",
        ask("take_back_reaction", "ada", "/v1/conversations/{direct}/messages/{direct_message}/reactions/x", ""),
    ),
    ("limit_reached", ask("react", "ada", "/v1/conversations/{group}/messages/{full_message}/reactions/more", "")),
    ("invalid", ask("react", "ada", "/v1/conversations/{group}/messages/{message}/reactions/%07", "")),
    ("invalid", ask("take_back_reaction", "ada", "/v1/conversations/{group}/messages/{message}/reactions/%07", "")),
    ("limit_reached", ask("pin", "ada", "/v1/conversations/{full}/pins/{last_message}", "")),
    ("upgrade_required", ask("open_socket", "", "/v1/ws", "")),
    ("origin_refused", Request { header: "origin: https://evil.example", ..ask("open_socket", "", "/v1/ws", "") }),
    (
        "unsupported_protocol",
        Request { header: "sec-websocket-protocol: graphql-ws", ..ask("open_socket", "upgrading", "/v1/ws", "") },
    ),
];
