//! Requests: one file per resource, one list of routes.

mod extract; // who asks, what they say: parsed at the door

mod problem; // what failed requests answer

mod observe; // request ids, counts, times

mod limit; // how often who asks

mod origin; // pages of other origins

mod paging; // where a list goes on

mod openapi; // all of it described, from the types

mod additions;
mod bans;
mod blocks;
mod conversations;
mod events;
mod jobs;
mod markers;
mod members;
mod messages;
mod presence;
mod sessions;
mod users;

use std::sync::Arc;

use axum::{Router, middleware};
use chat_protocol::ErrorCode;
use tower::util::option_layer;

use crate::{app::App, console, fault::Fault, upgrade};

pub use limit::{Peer, address};
pub use observe::request_id;
pub use openapi::document;
pub use problem::Problem;

/// One route, as the table below says it.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// Lower case.
    method: &'static str,
    /// As axum and OpenAPI write it.
    path: &'static str,
    /// Whether it needs an access token.
    by: Caller,
    /// What it may wait for.
    on: Work,
    /// What else can go wrong, beside what can with any route of its kind.
    codes: &'static [ErrorCode],
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Anybody,
    User,
}

/// What a route works with: each does what the ones before it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    /// Nothing that could be away.
    Nothing,
    /// Reads the store.
    Store,
    /// Reads a conversation: the log and the store.
    Log,
    /// Writes to the store.
    Write,
    /// Appends to the log.
    Append,
}

/// The routes, and beside the router the same as data, and as a description of each handler: a handler without
/// `#[utoipa::path]` does not compile, and a test compares what that says with the table.
macro_rules! routes {
    ($($method:ident $path:literal $($handler:ident)::+ $by:ident $on:ident [$($code:ident)*])+) => {
        /// Every route of the interface.
        const ROUTES: &[Route] = &[$(Route {
            method: stringify!($method),
            path: $path,
            by: Caller::$by,
            on: Work::$on,
            codes: &[$(ErrorCode::$code),*],
        }),+];

        fn interface() -> Router<Arc<App>> {
            Router::new()$(.route($path, axum::routing::$method($($handler)::+)))+
        }

        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($($handler)::+),+))]
        struct Handlers;
    };
}

routes! {
    post "/v1/users" users::register Anybody Write [NameTaken Overloaded]
    get "/v1/users" users::find User Store []
    get "/v1/users/me" users::me User Store [AccountSuspended]
    patch "/v1/users/me" users::profile::change User Write [NameTaken AccountSuspended]
    delete "/v1/users/me" users::leave::leave User Write [Conflict LogUnavailable]
    put "/v1/users/me/password" users::change_password User Write [Forbidden Overloaded]
    get "/v1/users/me/blocks" blocks::list User Store []
    put "/v1/users/me/blocks/{user}" blocks::put User Append [NotFound LimitReached Conflict Invalid]
    delete "/v1/users/me/blocks/{user}" blocks::lift User Append [NotFound Conflict]
    put "/v1/users/me/status" presence::set_status User Write [Overloaded Invalid]
    post "/v1/presence/query" presence::query User Store [Overloaded Invalid]
    get "/v1/users/me/events" events::of_feed User Log []
    get "/v1/users/{user}" users::one User Store [NotFound]
    post "/v1/sessions" sessions::log_in Anybody Write [Unauthenticated AccountSuspended Overloaded]
    get "/v1/sessions" sessions::list User Store []
    delete "/v1/sessions" sessions::end_others User Write []
    post "/v1/sessions/refresh" sessions::refresh Anybody Write [Unauthenticated TokenRevoked AccountSuspended]
    delete "/v1/sessions/{session}" sessions::end User Write [NotFound]
    post "/v1/conversations" conversations::create User Append [NotFound Blocked LimitReached Conflict]
    get "/v1/conversations" conversations::list::list User Log []
    get "/v1/conversations/{conversation}" conversations::one User Log [NotFound]
    patch "/v1/conversations/{conversation}"
        conversations::change::change User Append [NotFound Forbidden Conflict PreconditionFailed]
    delete "/v1/conversations/{conversation}"
        conversations::delete::delete User Append [NotFound Forbidden Conflict]
    get "/v1/conversations/{conversation}/members" members::list User Log [NotFound Forbidden]
    post "/v1/conversations/{conversation}/members"
        members::add User Append [NotFound Forbidden LimitReached]
    get "/v1/conversations/{conversation}/members/me" members::own User Log [NotFound]
    put "/v1/conversations/{conversation}/members/me"
        members::join User Append [NotFound Forbidden LimitReached Conflict]
    patch "/v1/conversations/{conversation}/members/me" members::settings::change User Append [NotFound Conflict]
    delete "/v1/conversations/{conversation}/members/me" members::leave User Append [NotFound Forbidden Conflict]
    get "/v1/conversations/{conversation}/members/{user}" members::one User Log [NotFound Forbidden]
    patch "/v1/conversations/{conversation}/members/{user}"
        members::role::change User Append [NotFound Forbidden Conflict]
    delete "/v1/conversations/{conversation}/members/{user}"
        members::remove User Append [NotFound Forbidden Conflict]
    get "/v1/conversations/{conversation}/bans" bans::list User Log [NotFound Forbidden]
    put "/v1/conversations/{conversation}/bans/{user}" bans::put User Append [NotFound Forbidden Conflict]
    delete "/v1/conversations/{conversation}/bans/{user}" bans::lift User Append [NotFound Forbidden Conflict]
    post "/v1/conversations/{conversation}/messages"
        messages::send User Append [NotFound NotAMember Forbidden Blocked SlowMode ClockSkew]
    get "/v1/conversations/{conversation}/messages" messages::page User Log [NotFound NotAMember Forbidden]
    post "/v1/conversations/{conversation}/messages/delete"
        messages::delete_many User Append [NotFound NotAMember Forbidden]
    get "/v1/conversations/{conversation}/messages/{message}" messages::one User Log [NotFound NotAMember Forbidden]
    patch "/v1/conversations/{conversation}/messages/{message}"
        messages::edit User Append [NotFound NotAMember Forbidden Blocked TooLate]
    delete "/v1/conversations/{conversation}/messages/{message}"
        messages::delete User Append [NotFound NotAMember Forbidden]
    get "/v1/conversations/{conversation}/messages/{message}/reactions"
        additions::reactions User Log [NotFound NotAMember Forbidden]
    put "/v1/conversations/{conversation}/messages/{message}/reactions/{emoji}"
        additions::react User Append [NotFound NotAMember Forbidden Blocked LimitReached Invalid]
    delete "/v1/conversations/{conversation}/messages/{message}/reactions/{emoji}"
        additions::take_back User Append [NotFound NotAMember Forbidden Blocked Invalid]
    get "/v1/conversations/{conversation}/pins" additions::pins User Log [NotFound NotAMember Forbidden]
    put "/v1/conversations/{conversation}/pins/{message}"
        additions::pin User Append [NotFound NotAMember Forbidden LimitReached]
    delete "/v1/conversations/{conversation}/pins/{message}"
        additions::unpin User Append [NotFound NotAMember Forbidden]
    put "/v1/conversations/{conversation}/marker" markers::put User Log [NotFound NotAMember Forbidden Overloaded]
    get "/v1/conversations/{conversation}/markers" markers::list User Log [NotFound NotAMember Forbidden]
    get "/v1/conversations/{conversation}/events" events::of_conversation User Log [NotFound NotAMember Forbidden]
    get "/v1/jobs/{job}" jobs::one User Store [NotFound]
    get "/v1/ws" upgrade::ws Anybody Nothing [UnsupportedProtocol OriginRefused UpgradeRequired Overloaded Draining]
    get "/v1/openapi.json" openapi::serve Anybody Nothing []
}

/// Every route there is.
pub fn router(app: Arc<App>) -> Router {
    let origins = option_layer(origin::allow(&app.config.allowed_origins));
    interface()
        .merge(console::routes())
        .fallback(async || Problem::from(ErrorCode::NotFound))
        .method_not_allowed_fallback(async || Problem::from(Fault::from(ErrorCode::MethodNotAllowed)))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), observe::observe))
        .layer(origins)
        .with_state(app)
}
