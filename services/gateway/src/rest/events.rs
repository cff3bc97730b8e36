//! Raw events, oldest first: how a reader catches up whatever it missed, long after the log's retention.

use std::sync::Arc;

use axum::extract::State;
use chat_auth::Action;
use chat_protocol::{ConversationId, Seq, frame::EventFrame};

use super::{
    Problem,
    extract::{Caller, Id, Query},
    users::List,
};
use crate::{app::App, fault::Fault, hub::Room};

/// What happened in a conversation, oldest first
///
/// The way to catch up by cursor, however long ago it was. `prev` is always the position before. What was written in a
/// message that is deleted is left out.
#[utoipa::path(
    get, path = "/v1/conversations/{conversation}/events", tag = "Events", operation_id = "list_events",
    params(("after" = Option<String>, Query), ("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "Events, as the WebSocket has them", body = List<EventFrame>))
)]
pub async fn of_conversation(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(of): Id<ConversationId>,
    query: Query,
) -> Result<List<EventFrame>, Problem> {
    let room = app.hub.room(of).await?;
    let roster = room.authorize(access.user, Action::Read).await?;
    // One's own joining is the first thing one sees.
    let since = room.readable_since(&roster, access.user).await?.get().saturating_sub(1);
    Ok(page(&app, &room, Seq::new(since).unwrap_or(Seq::ZERO), &query).await?)
}

/// What happened to the user, oldest first
///
/// The durable feed that all devices of a user share: conversations they are in or no longer, settings, blocks,
/// profile.
#[utoipa::path(
    get, path = "/v1/users/me/events", tag = "Events", operation_id = "list_own_events",
    params(("after" = Option<String>, Query), ("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "Events, as the WebSocket has them", body = List<EventFrame>))
)]
pub async fn of_feed(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    query: Query,
) -> Result<List<EventFrame>, Problem> {
    let room = app.hub.room(ConversationId::feed(access.user)).await?;
    Ok(page(&app, &room, Seq::ZERO, &query).await?)
}

async fn page(app: &App, room: &Room, since: Seq, query: &Query) -> Result<List<EventFrame>, Fault> {
    let size = query.limit()?;
    let after = match query.position("cursor")? {
        Some(cursor) => cursor,
        None => query.position("after")?.unwrap_or(Seq::ZERO),
    };
    let (items, more) = app.events(room, after.max(since), size).await?;
    let next = items.last().filter(|_| more).map(|last| last.seq.to_string());
    Ok(List { items, next })
}
