//! How far members have read.

use std::sync::Arc;

use axum::extract::State;
use chat_auth::Action;
use chat_protocol::{ConversationId, Seq, frame::Marked, model::Marker};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Problem,
    extract::{Caller, Id, Json},
    users::List,
};
use crate::{app::App, fault::Fault};

/// How far one has come.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = PutMarker)]
#[serde(deny_unknown_fields)]
pub struct Put {
    /// Seen by a person, up to here.
    read: Option<Seq>,
    /// Arrived at a device, up to here.
    delivered: Option<Seq>,
}

/// Say how far the user has read
///
/// Never moves back, and not beyond the head; `read` implies `delivered`. One of the two is needed.
#[utoipa::path(
    put, path = "/v1/conversations/{conversation}/marker", tag = "Markers", operation_id = "put_marker",
    request_body = Put,
    responses((status = 200, description = "The marker as it is now", body = Marker))
)]
pub async fn put(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(of): Id<ConversationId>,
    Json(Put { read, delivered }): Json<Put>,
) -> Result<axum::Json<Marker>, Problem> {
    if read.is_none() && delivered.is_none() {
        return Err(Fault::field("read", "missing", "read, delivered or both").into());
    }
    let room = app.hub.room(of).await?;
    room.authorize(access.user, Action::Mark).await?;
    Ok(axum::Json(app.put_marker(access.user, &room, Marked { read, delivered }).await?))
}

/// How far members have read
///
/// Up to 100 members; those who do not show it are left out.
#[utoipa::path(
    get, path = "/v1/conversations/{conversation}/markers", tag = "Markers", operation_id = "list_markers",
    responses((status = 200, description = "All of them, on one page", body = List<Marker>))
)]
pub async fn list(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(of): Id<ConversationId>,
) -> Result<List<Marker>, Problem> {
    let room = app.hub.room(of).await?;
    Ok(List { items: app.receipts(&room, access.user).await?, next: None })
}
