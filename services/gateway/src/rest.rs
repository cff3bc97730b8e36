//! Requests: one file per resource, one list of routes.

mod extract; // who asks, what they say: parsed at the door

mod problem; // what failed requests answer

mod observe; // request ids, counts, times

mod limit; // how often who asks

mod additions;
mod bans;
mod blocks;
mod conversations;
mod events;
mod jobs;
mod markers;
mod members;
mod messages;
mod sessions;
mod users;

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{delete, get, post, put},
};
use chat_protocol::ErrorCode;

use crate::{app::App, console, fault::Fault, upgrade};

pub use limit::{Peer, address};
pub use observe::request_id;
pub use problem::Problem;

/// Every route there is.
pub fn router(app: Arc<App>) -> Router {
    let api = Router::new()
        .route("/v1/users", post(users::register).get(users::find))
        .route("/v1/users/me", get(users::me).patch(users::change).delete(users::leave))
        .route("/v1/users/me/password", put(users::change_password))
        .route("/v1/users/me/blocks", get(blocks::list))
        .route("/v1/users/me/blocks/{user}", put(blocks::put).delete(blocks::lift))
        .route("/v1/users/me/events", get(events::of_feed))
        .route("/v1/users/{user}", get(users::one))
        .route("/v1/sessions", post(sessions::log_in).get(sessions::list).delete(sessions::end_others))
        .route("/v1/sessions/refresh", post(sessions::refresh))
        .route("/v1/sessions/{session}", delete(sessions::end))
        .route("/v1/conversations", post(conversations::create).get(conversations::list))
        .route(
            "/v1/conversations/{conversation}",
            get(conversations::one).patch(conversations::change).delete(conversations::delete),
        )
        .route("/v1/jobs/{job}", get(jobs::one))
        .route("/v1/conversations/{conversation}/members", get(members::list).post(members::add))
        .route(
            "/v1/conversations/{conversation}/members/me",
            put(members::join).get(members::own).patch(members::change_settings).delete(members::leave),
        )
        .route(
            "/v1/conversations/{conversation}/members/{user}",
            get(members::one).patch(members::change_role).delete(members::remove),
        )
        .route("/v1/conversations/{conversation}/bans", get(bans::list))
        .route("/v1/conversations/{conversation}/bans/{user}", put(bans::put).delete(bans::lift))
        .route("/v1/conversations/{conversation}/messages", post(messages::send).get(messages::page))
        .route("/v1/conversations/{conversation}/messages/delete", post(messages::delete_many))
        .route(
            "/v1/conversations/{conversation}/messages/{message}",
            get(messages::one).patch(messages::edit).delete(messages::delete),
        )
        .route("/v1/conversations/{conversation}/messages/{message}/reactions", get(additions::reactions))
        .route(
            "/v1/conversations/{conversation}/messages/{message}/reactions/{emoji}",
            put(additions::react).delete(additions::take_back),
        )
        .route("/v1/conversations/{conversation}/pins", get(additions::pins))
        .route("/v1/conversations/{conversation}/pins/{message}", put(additions::pin).delete(additions::unpin))
        .route("/v1/conversations/{conversation}/marker", put(markers::put))
        .route("/v1/conversations/{conversation}/markers", get(markers::list))
        .route("/v1/conversations/{conversation}/events", get(events::of_conversation))
        .route("/v1/ws", get(upgrade::ws));
    api.merge(console::routes())
        .fallback(async || Problem::from(ErrorCode::NotFound))
        .method_not_allowed_fallback(async || Problem::from(Fault::from(ErrorCode::MethodNotAllowed)))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), limit::limit))
        .layer(middleware::from_fn(observe::observe))
        .with_state(app)
}
