//! Reactions and pins.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use chat_auth::Action;
use chat_protocol::{
    ConversationId, ErrorCode, MessageId, Seq, Timestamp, UserId,
    event::ReactionOp,
    model::{Message, Reaction},
};

use super::{
    Problem,
    extract::{Caller, Id, Ids, Query},
    users::List,
};
use crate::{app::App, fault::Fault};

type Place = Path<(String, String, String)>;

/// React to a message
///
/// Each user once with each emoji.
#[utoipa::path(
    put, path = "/v1/conversations/{conversation}/messages/{message}/reactions/{emoji}", tag = "Reactions", operation_id = "react",
    responses((status = 204, description = "The reaction is there"))
)]
pub async fn react(State(app): State<Arc<App>>, Caller(access): Caller, place: Place) -> Result<StatusCode, Problem> {
    change(&app, access.user, place, ReactionOp::Add).await
}

/// Take a reaction back
#[utoipa::path(
    delete, path = "/v1/conversations/{conversation}/messages/{message}/reactions/{emoji}", tag = "Reactions", operation_id = "take_back_reaction",
    responses((status = 204, description = "The reaction is not there"))
)]
pub async fn take_back(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    place: Place,
) -> Result<StatusCode, Problem> {
    change(&app, access.user, place, ReactionOp::Remove).await
}

async fn change(app: &App, by: UserId, Path((of, id, emoji)): Place, op: ReactionOp) -> Result<StatusCode, Problem> {
    let of: ConversationId = of.parse().map_err(|_| ErrorCode::NotFound)?;
    let id: MessageId = id.parse().map_err(|_| ErrorCode::NotFound)?;
    app.react(by, of, id, emoji, op).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who reacted to a message, and how
#[utoipa::path(
    get, path = "/v1/conversations/{conversation}/messages/{message}/reactions", tag = "Reactions", operation_id = "list_reactions",
    params(("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "By emoji, then by user", body = List<Reaction>))
)]
pub async fn reactions(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Ids(of, id): Ids<ConversationId, MessageId>,
    query: Query,
) -> Result<List<Reaction>, Problem> {
    let limit = query.limit()?;
    let after = query.text("cursor").map(reaction_cursor).transpose()?;
    let room = app.hub.room(of).await?;
    let roster = room.authorize(access.user, Action::Read).await?;
    let message = app.readable(&room, &roster, access.user, id).await?;
    let mut all = if message.deleted { Vec::new() } else { app.reactions_to(&room, id.seq()).await? };
    all.sort_by(|a, b| (&a.emoji, a.user).cmp(&(&b.emoji, b.user)));
    let beyond = |reaction: &Reaction| {
        after.as_ref().is_none_or(|(user, emoji)| (&reaction.emoji, reaction.user) > (emoji, *user))
    };
    let mut items: Vec<Reaction> = all.into_iter().filter(beyond).take(limit + 1).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| format!("{}{}", last.user, last.emoji));
    Ok(List { items, next })
}

/// A user's id and an emoji.
fn reaction_cursor(text: &str) -> Result<(UserId, String), Fault> {
    let parts = text.split_at_checked(26).and_then(|(user, emoji)| Some((user.parse().ok()?, emoji.to_owned())));
    parts.ok_or_else(|| Fault::field("cursor", "format", "not a cursor of this list"))
}

/// Pin a message
#[utoipa::path(
    put, path = "/v1/conversations/{conversation}/pins/{message}", tag = "Pins", operation_id = "pin",
    responses((status = 204, description = "Pinned"))
)]
pub async fn pin(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Ids(of, id): Ids<ConversationId, MessageId>,
) -> Result<StatusCode, Problem> {
    app.pin(access.user, of, id, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Unpin a message
#[utoipa::path(
    delete, path = "/v1/conversations/{conversation}/pins/{message}", tag = "Pins", operation_id = "unpin",
    responses((status = 204, description = "Not pinned"))
)]
pub async fn unpin(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Ids(of, id): Ids<ConversationId, MessageId>,
) -> Result<StatusCode, Problem> {
    app.pin(access.user, of, id, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The pinned messages
#[utoipa::path(
    get, path = "/v1/conversations/{conversation}/pins", tag = "Pins", operation_id = "list_pins",
    params(("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "The one pinned last first", body = List<Message>))
)]
pub async fn pins(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(of): Id<ConversationId>,
    query: Query,
) -> Result<List<Message>, Problem> {
    let limit = query.limit()?;
    let after = query.text("cursor").map(pin_cursor).transpose()?;
    let room = app.hub.room(of).await?;
    let roster = room.authorize(access.user, Action::Read).await?;
    let since = room.readable_since(&roster, access.user).await?;
    let pins = app.pins(&room).await?;
    let pinned = app.pinned(&room, pins).await?;
    let wanted = pinned
        .into_iter()
        .filter(|(pin, _)| pin.message > since && after.is_none_or(|after| (pin.at, pin.message) < after));
    let mut page: Vec<_> = wanted.take(limit + 1).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| more).map(|(pin, _)| format!("{}.{}", pin.at.as_ms(), pin.message));
    let mut items: Vec<Message> = page.into_iter().map(|(_, message)| message).collect();
    app.add_additions(&room, access.user, &mut items).await?;
    Ok(List { items, next })
}

/// When a message was pinned, and its position.
fn pin_cursor(text: &str) -> Result<(Timestamp, Seq), Fault> {
    let parts = || {
        let (at, message) = text.split_once('.')?;
        Some((Timestamp::from_ms(at.parse().ok()?), Seq::new(message.parse().ok()?)?))
    };
    parts().ok_or_else(|| Fault::field("cursor", "format", "not a cursor of this list"))
}
