//! Who is kept out of a conversation.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use chat_auth::{Action, Actor, authorize};
use chat_protocol::{
    ConversationId, ErrorCode, Timestamp, UserId,
    error::FieldError,
    event::{BanLifted, BanTerms, Body, LeftReason, MemberLeft},
    limits,
    model::{Ban, Member},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Problem,
    extract::{Caller, Id, Ids, Json, Query},
    members::last_owner_stays,
    users::{List, too_long},
};
use crate::{app::App, fault::Fault, hub::Roster};

/// Who is kept out
///
/// Bans that have ended are left out.
#[utoipa::path(
    get, path = "/v1/conversations/{conversation}/bans", tag = "Bans", operation_id = "list_bans",
    params(("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "By user id", body = List<Ban>))
)]
pub async fn list(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(id): Id<ConversationId>,
    query: Query,
) -> Result<List<Ban>, Problem> {
    let limit = query.limit()?;
    let after: Option<UserId> = query.parsed("cursor")?;
    let room = app.hub.room(id).await?;
    room.authorize(access.user, Action::Ban { role: None }).await?;
    let mut items = app.store.bans(id, after, limit + 1).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| last.user.to_string());
    let now = app.now();
    items.retain(|ban| ban.until.is_none_or(|until| now < until));
    Ok(List { items, next })
}

/// How somebody is to be kept out.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = BanTerms)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// For moderators.
    reason: Option<String>,
    /// When it ends by itself, in the future; absent = it does not.
    until: Option<Timestamp>,
}

/// Keep a user out
///
/// A member is removed by it.
#[utoipa::path(
    put, path = "/v1/conversations/{conversation}/bans/{user}", tag = "Bans", operation_id = "ban",
    request_body = Terms,
    responses((status = 204, description = "Kept out"))
)]
pub async fn put(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Ids(id, user): Ids<ConversationId, UserId>,
    Json(Terms { reason, until }): Json<Terms>,
) -> Result<StatusCode, Problem> {
    let mut wrong = too_long("reason", reason.as_deref(), limits::BAN_REASON_CHARS);
    if until.is_some_and(|until| until <= app.now()) {
        wrong.push(FieldError::new("until", "range", "lies in the future"));
    }
    if !wrong.is_empty() {
        return Err(Fault::invalid(wrong).into());
    }
    let work = Arc::clone(&app);
    let terms = BanTerms { reason, until };
    app.complete(async move { ban(&work, id, access.user, user, terms).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn ban(app: &Arc<App>, id: ConversationId, by: UserId, user: UserId, terms: BanTerms) -> Result<(), Fault> {
    let room = app.hub.room(id).await?;
    let roster = room.roster().await?;
    let stored = room.member(&roster, user).await?;
    room.authorize(by, Action::Ban { role: stored.map(|member| member.role) }).await?;
    if stored.is_none() && app.store.users(&[user]).await?.is_empty() {
        return Err(ErrorCode::NotFound.into());
    }
    let known = app.store.ban(id, user).await?.map(|ban| BanTerms { reason: ban.reason, until: ban.until });
    let decide = |roster: &Roster| {
        let member: Option<Member> = roster.member(user).copied().or(stored.filter(|_| roster.is_partial()));
        let role = member.map(|member| member.role);
        authorize(Actor { user: by }, Action::Ban { role }, roster.standing(by).as_ref())?;
        match &member {
            Some(member) => last_owner_stays(roster, member)?,
            // Banned already, in the same words.
            None if known.as_ref() == Some(&terms) && roster.ban(user, app.now()) != Some(false) => return Ok(None),
            None => {}
        }
        Ok(Some(Body::MemberLeft(MemberLeft { user, role, reason: LeftReason::Banned, ban: Some(terms.clone()) })))
    };
    if let Some(changed) = app.change(id, by, decide).await? {
        app.tell_news(&changed).await;
    }
    Ok(())
}

/// No longer keep a user out
#[utoipa::path(
    delete, path = "/v1/conversations/{conversation}/bans/{user}", tag = "Bans", operation_id = "lift_ban",
    responses((status = 204, description = "They may come back"))
)]
pub async fn lift(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Ids(id, user): Ids<ConversationId, UserId>,
) -> Result<StatusCode, Problem> {
    let by = access.user;
    let room = app.hub.room(id).await?;
    let roster = room.authorize(by, Action::Ban { role: None }).await?;
    let is_known = roster.ban(user, app.now()) == Some(true) || app.store.ban(id, user).await?.is_some();
    if is_known {
        let decide = move |roster: &Roster| {
            authorize(Actor { user: by }, Action::Ban { role: None }, roster.standing(by).as_ref())?;
            Ok(Some(Body::BanLifted(BanLifted { user })))
        };
        let work = Arc::clone(&app);
        app.complete(async move { work.change(id, by, decide).await }).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
