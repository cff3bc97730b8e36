//! The own status, and how others are.

use std::sync::Arc;

use axum::extract::State;
use chat_protocol::{
    Timestamp, UserId, limits,
    model::{Presence, Status, StatusState},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Problem,
    extract::{Caller, Json},
    users::List,
};
use crate::{app::App, fault::Fault};

/// How one wants to be seen.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetStatus {
    /// `auto`: as the devices say.
    state: StatusState,
    /// At most 128 characters.
    text: Option<String>,
    /// Back to `auto` and no text then; in the future.
    until: Option<Timestamp>,
}

/// Set the own status
///
/// Replaces the one before. Who is `invisible` reads as offline.
#[utoipa::path(
    put, path = "/v1/users/me/status", tag = "Presence", operation_id = "set_status", request_body = SetStatus,
    responses((status = 200, description = "The status as it is now", body = Status))
)]
pub async fn set_status(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Json(SetStatus { state, text, until }): Json<SetStatus>,
) -> Result<axum::Json<Status>, Problem> {
    Ok(axum::Json(app.set_status(access.user, Status { state, text, until }).await?))
}

/// Whose presence is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = PresenceQuery)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// At most 500.
    users: Vec<UserId>,
}

/// How users are
///
/// In the order asked. Who shares no conversation with the user, or blocks them, or does not exist, reads as offline.
#[utoipa::path(
    post, path = "/v1/presence/query", tag = "Presence", operation_id = "query_presence", request_body = Query,
    responses((status = 200, description = "All of them, on one page", body = List<Presence>))
)]
pub async fn query(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Json(Query { users }): Json<Query>,
) -> Result<List<Presence>, Problem> {
    if users.len() > limits::WATCHES {
        return Err(Fault::field("users", "too_many", format!("at most {}", limits::WATCHES)).into());
    }
    Ok(List { items: app.presence_of(&users, access.user).await?, next: None })
}
