//! Whom a user does not want to hear from.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use chat_protocol::{
    ConversationId, ErrorCode, UserId,
    event::{BlockChanged, Body},
    limits,
    model::Block,
};

use super::{
    Problem,
    extract::{Caller, Id, Query},
    users::List,
};
use crate::{app::App, control::TRIES, fault::Fault, relations::BlockSignal};

/// Whom the user blocks
#[utoipa::path(
    get, path = "/v1/users/me/blocks", tag = "Blocks", operation_id = "list_blocks",
    params(("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "By user id", body = List<Block>))
)]
pub async fn list(State(app): State<Arc<App>>, Caller(access): Caller, query: Query) -> Result<List<Block>, Problem> {
    let limit = query.limit()?;
    let after: Option<UserId> = query.parsed("cursor")?;
    let mut items = app.store.blocks(access.user, after, limit + 1).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| last.user.to_string());
    Ok(List { items, next })
}

/// Block a user
///
/// In a direct conversation neither of the two can write, edit or react any more; elsewhere the blocked one cannot add
/// the blocker to anything.
#[utoipa::path(
    put, path = "/v1/users/me/blocks/{user}", tag = "Blocks", operation_id = "block",
    responses((status = 204, description = "Blocked"))
)]
pub async fn put(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(user): Id<UserId>,
) -> Result<StatusCode, Problem> {
    if user == access.user {
        return Err(Fault::field("user", "range", "nobody blocks themselves").into());
    }
    if app.store.users(&[user]).await?.is_empty() {
        return Err(ErrorCode::NotFound.into());
    }
    set(&app, access.user, user, true).await
}

/// No longer block a user
#[utoipa::path(
    delete, path = "/v1/users/me/blocks/{user}", tag = "Blocks", operation_id = "unblock",
    responses((status = 204, description = "Not blocked"))
)]
pub async fn lift(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(user): Id<UserId>,
) -> Result<StatusCode, Problem> {
    set(&app, access.user, user, false).await
}

async fn set(app: &Arc<App>, by: UserId, user: UserId, blocks: bool) -> Result<StatusCode, Problem> {
    let work = Arc::clone(app);
    app.complete(async move { change(&work, by, user, blocks).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn change(app: &Arc<App>, by: UserId, user: UserId, blocks: bool) -> Result<(), Fault> {
    for _ in 0..TRIES {
        let head = app.feed_head(by).await?;
        let known = app.store.blocked_by(user, &[by]).await?.contains(&by);
        if known == blocks {
            return Ok(());
        }
        if blocks && app.store.blocks(by, None, limits::BLOCKS).await?.len() >= limits::BLOCKS {
            let detail = format!("at most {} users are blocked", limits::BLOCKS);
            return Err(Fault::new(ErrorCode::LimitReached, detail));
        }
        let changed = BlockChanged { user };
        let body = if blocks { Body::BlockAdded(changed) } else { Body::BlockRemoved(changed) };
        if app.append_to_feed(by, body, head).await? {
            let direct = ConversationId::direct(by, user);
            app.block_changed(BlockSignal { direct, blocked: blocks }).await;
            return Ok(());
        }
    }
    Err(ErrorCode::Conflict.into())
}
