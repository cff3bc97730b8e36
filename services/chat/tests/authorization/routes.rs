//! What there is, and what each needs: the page on routes, rights and roles, as a table.

use crate::stage::Actor;

/// What an action needs of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To be logged in: the route is about oneself, or answers for each user what may be known.
    User,
    /// To be a member.
    Member,
    /// To have written the owner's message.
    Author,
    /// A right that moderators have, and those above.
    Moderator,
    /// A right that administrators have, and the owner.
    Admin,
    /// The owner's alone.
    Owner,
    /// To be a member and not the last owner.
    NotLastOwner,
    /// To join: who is in already is, who is banned is told so.
    Join,
}

/// A route with a body that is right, or a frame (then `path` is its type).
#[derive(Debug)]
pub struct Route {
    pub method: &'static str,
    /// `{c}` the conversation, `{m}` the owner's message, `{t}` a plain member.
    pub path: &'static str,
    /// JSON with the same placeholders; empty = none.
    pub body: &'static str,
    pub need: Need,
    pub success: &'static str,
}

const fn get(path: &'static str, need: Need) -> Route {
    Route { method: "GET", path, body: "", need, success: "200" }
}

const fn route(
    method: &'static str,
    path: &'static str,
    body: &'static str,
    need: Need,
    success: &'static str,
) -> Route {
    Route { method, path, body, need, success }
}

const fn frame(path: &'static str, body: &'static str, need: Need) -> Route {
    Route { method: "", path, body, need, success: "200" }
}

pub const ROUTES: &[Route] = &[
    get("{c}", Need::Member),
    get("{c}/members", Need::Member),
    get("{c}/members/{t}", Need::Member),
    get("{c}/members/me", Need::Member),
    get("{c}/messages", Need::Member),
    get("{c}/messages/{m}", Need::Member),
    get("{c}/messages/{m}/reactions", Need::Member),
    get("{c}/events", Need::Member),
    get("{c}/pins", Need::Member),
    get("{c}/markers", Need::Member),
    get("{c}/bans", Need::Moderator),
    route("POST", "{c}/messages", r#"{"text":"hi"}"#, Need::Member, "201"),
    route("PATCH", "{c}/messages/{m}", r#"{"text":"new"}"#, Need::Author, "200"),
    route("DELETE", "{c}/messages/{m}", "", Need::Moderator, "204"),
    // Who may not is told so message by message.
    route("POST", "{c}/messages/delete", r#"{"messages":["{m}"]}"#, Need::Member, "200"),
    route("PUT", "{c}/messages/{m}/reactions/x", "", Need::Member, "204"),
    route("DELETE", "{c}/messages/{m}/reactions/x", "", Need::Member, "204"),
    route("PUT", "{c}/pins/{m}", "", Need::Moderator, "204"),
    route("DELETE", "{c}/pins/{m}", "", Need::Moderator, "204"),
    route("PUT", "{c}/marker", r#"{"read":1}"#, Need::Member, "200"),
    route("POST", "{c}/members", r#"{"users":["{t}"]}"#, Need::Moderator, "200"),
    route("PATCH", "{c}/members/{t}", r#"{"role":"moderator"}"#, Need::Admin, "200"),
    route("PATCH", "{c}/members/me", r#"{"pinned":true}"#, Need::Member, "200"),
    route("DELETE", "{c}/members/{t}", "", Need::Moderator, "204"),
    route("DELETE", "{c}/members/me", "", Need::NotLastOwner, "204"),
    route("PUT", "{c}/members/me", "", Need::Join, "200"),
    route("PUT", "{c}/bans/{t}", "{}", Need::Moderator, "204"),
    route("DELETE", "{c}/bans/{t}", "", Need::Moderator, "204"),
    route("PUT", "/v1/users/me/status", r#"{"state":"dnd","text":"busy"}"#, Need::User, "200"),
    route("POST", "/v1/presence/query", r#"{"users":["{t}"]}"#, Need::User, "200"),
    route("PATCH", "{c}", r#"{"title":"new"}"#, Need::Admin, "200"),
    route("DELETE", "{c}", "", Need::Owner, "202"),
];

pub const FRAMES: &[Route] = &[
    frame("send", r#"{"conversation":"{c}","client_id":"{id}","text":"hi"}"#, Need::Member),
    frame("follow", r#"{"conversation":"{c}","ref":1}"#, Need::Member),
    frame("edit", r#"{"conversation":"{c}","ref":1,"message":"{m}","text":"new"}"#, Need::Author),
    frame("delete", r#"{"conversation":"{c}","ref":1,"messages":["{m}"]}"#, Need::Moderator),
    frame("react", r#"{"conversation":"{c}","ref":1,"message":"{m}","emoji":"x","op":"add"}"#, Need::Member),
];

/// The status, and the code of a refusal.
pub fn expected(route: &Route, actor: Actor) -> String {
    let rank = match actor {
        Actor::Anonymous => return "401 unauthenticated".into(),
        _ if route.need == Need::User => return route.success.into(),
        Actor::Banned if route.need == Need::Join => return "403 forbidden".into(),
        // A private conversation does not exist for who is not in it.
        Actor::Stranger | Actor::Banned | Actor::ExMember => return "404 not_found".into(),
        Actor::Member => 1,
        Actor::Moderator => 2,
        Actor::Admin => 3,
        Actor::Owner => 4,
    };
    let may = match route.need {
        Need::User | Need::Member | Need::Join => true,
        Need::Author | Need::Owner => rank == 4,
        Need::Moderator => rank >= 2,
        Need::Admin => rank >= 3,
        Need::NotLastOwner if rank == 4 => return "409 conflict".into(),
        Need::NotLastOwner => true,
    };
    if may { route.success.to_owned() } else { "403 forbidden".to_owned() }
}
