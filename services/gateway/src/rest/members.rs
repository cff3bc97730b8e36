//! Who is in a conversation.

pub(super) mod role; // as what
pub(super) mod settings; // what a member set for themselves

use std::{sync::Arc, time::Duration};

use axum::{extract::State, http::StatusCode};
use chat_auth::{Action, Actor, Place, authorize};
use chat_protocol::{
    ConversationId, ErrorCode, Timestamp, UserId,
    error::FieldError,
    event::{Body, ConversationAdded, ConversationRemoved, LeftReason, MemberChanged, MemberLeft},
    limits,
    model::{Kind, Member, MemberSettings},
    rights::{Rights, Role},
};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::{
    Problem,
    extract::{Caller, Id, Ids, Json, Query},
    users::List,
};
use crate::{
    app::App,
    control::Patience,
    fault::Fault,
    hub::{Room, Roster},
};

/// Members added together in one request.
const AT_ONCE: usize = 4;
/// How long a request that adds many tries anew where other changes of the conversation come first.
const PATIENCE: Duration = Duration::from_secs(10);

/// A member as others see them; what they set is for their own eyes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub struct Shown {
    /// Who.
    user: UserId,
    /// As what.
    role: Role,
    /// What they may do here, overrides applied.
    rights: Rights,
    /// Since when.
    joined_at: Timestamp,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    settings: Option<MemberSettings>,
}

/// Who is in a conversation
///
/// Readers of a broadcast are not listed, and may not list the others.
#[utoipa::path(
    get, path = "/v1/conversations/{conversation}/members", tag = "Members", operation_id = "list_members",
    params(("role" = Option<Role>, Query), ("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "By user id; settings only at one's own entry", body = List<Shown>))
)]
pub async fn list(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(id): Id<ConversationId>,
    query: Query,
) -> Result<List<Shown>, Problem> {
    let limit = query.limit()?;
    let after: Option<UserId> = query.parsed("cursor")?;
    let role: Option<Role> = query.word("role")?;
    let room = app.hub.room(id).await?;
    let roster = room.authorize(access.user, Action::ListMembers).await?;
    let wanted =
        |member: &&Member| after.is_none_or(|after| member.user > after) && role.is_none_or(|role| member.role == role);
    let mut members: Vec<&Member> = roster.members().filter(wanted).collect();
    members.sort_by_key(|member| member.user);
    let next = members.get(limit).and_then(|_| members.get(limit - 1)).map(|member| member.user.to_string());
    let mut items: Vec<Shown> = members.into_iter().take(limit).filter_map(|member| show(&roster, member)).collect();
    if let Some(own) = items.iter_mut().find(|shown| shown.user == access.user) {
        own.settings = Some(settings::of(&app, id, access.user).await?);
    }
    Ok(List { items, next })
}

/// One member
#[utoipa::path(
    get, path = "/v1/conversations/{conversation}/members/{user}", tag = "Members", operation_id = "get_member",
    responses((status = 200, description = "The member", body = Shown))
)]
pub async fn one(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Ids(id, user): Ids<ConversationId, UserId>,
) -> Result<axum::Json<Shown>, Problem> {
    look(&app, access.user, id, user).await
}

/// The own place in a conversation
#[utoipa::path(
    get, path = "/v1/conversations/{conversation}/members/me", tag = "Members", operation_id = "get_own_membership",
    responses((status = 200, description = "The member, with the own settings", body = Shown))
)]
pub async fn own(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(id): Id<ConversationId>,
) -> Result<axum::Json<Shown>, Problem> {
    look(&app, access.user, id, access.user).await
}

async fn look(app: &App, by: UserId, id: ConversationId, user: UserId) -> Result<axum::Json<Shown>, Problem> {
    let room = app.hub.room(id).await?;
    let action = if user == by { Action::ChangeOwnSettings } else { Action::ListMembers };
    let roster = room.authorize(by, action).await?;
    Ok(axum::Json(shown(app, &room, &roster, by, user).await?))
}

/// A member as `by` sees them.
async fn shown(app: &App, room: &Room, roster: &Roster, by: UserId, user: UserId) -> Result<Shown, Fault> {
    let member = room.member(roster, user).await?.ok_or(ErrorCode::NotFound)?;
    let mut shown = show(roster, &member).ok_or(ErrorCode::NotFound)?;
    if user == by {
        shown.settings = Some(settings::of(app, room.conversation, user).await?);
    }
    Ok(shown)
}

/// Whom to add, and as what.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AddMembers)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// 1 to 100.
    users: Vec<UserId>,
    /// `member` if absent, `reader` in a broadcast.
    role: Option<Role>,
}

/// How it went for one of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AddResult)]
pub struct Added {
    /// Whom.
    user: UserId,
    /// `ok`
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// Why not: `not_found`, `blocked`, `forbidden` or another code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ErrorCode>,
}

/// Add members
///
/// One answer per user, also if none could be added; `role` is at most one's own.
#[utoipa::path(
    post, path = "/v1/conversations/{conversation}/members", tag = "Members", operation_id = "add_members",
    request_body = Add,
    responses((status = 200, description = "How it went for each", body = List<Added>))
)]
pub async fn add(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(id): Id<ConversationId>,
    Json(add): Json<Add>,
) -> Result<List<Added>, Problem> {
    if add.users.is_empty() || add.users.len() > limits::MEMBERS_PER_CALL {
        let detail = format!("1 to {}", limits::MEMBERS_PER_CALL);
        return Err(Fault::invalid(vec![FieldError::new("users", "too_many", detail)]).into());
    }
    let room = app.hub.room(id).await?;
    let roster = room.roster().await?;
    let role = add.role.unwrap_or_else(|| newcomer(&roster));
    // Who sees nothing of it learns nothing else either.
    let place = roster.place(role).unwrap_or(Place { role, rights: role.rights() });
    room.authorize(access.user, Action::Invite { place }).await?;
    let known: Vec<UserId> = app.store.users(&add.users).await?.into_iter().map(|user| user.id).collect();
    let blockers = app.store.blocked_by(access.user, &add.users).await?;
    app.have_room(&known).await?;
    let patience = Patience::until(Instant::now() + PATIENCE);
    let mut items: Vec<Added> = Vec::new();
    let mut results = stream::iter(add.users)
        .map(|user| {
            let (app, exists, blocked) = (&app, known.contains(&user), blockers.contains(&user));
            async move {
                let result = match (exists, blocked) {
                    (false, _) => Err(ErrorCode::NotFound.into()),
                    (true, true) => Err(ErrorCode::Blocked.into()),
                    (true, false) => {
                        let work = Arc::clone(app);
                        app.complete(async move { join_as(&work, id, access.user, user, role, patience).await }).await
                    }
                };
                (user, result)
            }
        })
        .buffered(AT_ONCE);
    while let Some((user, result)) = results.next().await {
        match result {
            Ok(()) => items.push(Added { user, status: Some("ok"), code: None }),
            // What concerns the whole call ends it; the rest is that user's own answer.
            Err(fault) if fault.code.http().is_none_or(|status| status >= 500) => return Err(fault.into()),
            Err(fault) if fault.code == ErrorCode::LimitReached => return Err(fault.into()),
            Err(fault) => items.push(Added { user, status: None, code: Some(fault.code) }),
        }
    }
    Ok(List { items, next: None })
}

/// Join a public conversation
///
/// Who is a member already stays what they are.
#[utoipa::path(
    put, path = "/v1/conversations/{conversation}/members/me", tag = "Members", operation_id = "join",
    responses((status = 200, description = "The member", body = Shown))
)]
pub async fn join(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(id): Id<ConversationId>,
) -> Result<axum::Json<Shown>, Problem> {
    let room = app.hub.room(id).await?;
    let roster = room.authorize(access.user, Action::Join).await?;
    if room.member(&roster, access.user).await?.is_none() {
        app.have_room(&[access.user]).await?;
        let (work, role) = (Arc::clone(&app), newcomer(&roster));
        let joining = async move { join_as(&work, id, access.user, access.user, role, Patience::default()).await };
        app.complete(joining).await?;
    }
    let roster = room.roster().await?;
    Ok(axum::Json(shown(&app, &room, &roster, access.user, access.user).await?))
}

/// Remove a member
///
/// Only members of a lower role than one's own.
#[utoipa::path(
    delete, path = "/v1/conversations/{conversation}/members/{user}", tag = "Members", operation_id = "remove_member",
    responses((status = 204, description = "No longer a member"))
)]
pub async fn remove(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Ids(id, user): Ids<ConversationId, UserId>,
) -> Result<StatusCode, Problem> {
    end_membership(&app, access.user, id, user).await
}

/// Leave a conversation
///
/// `conflict` says that the last owner stays.
#[utoipa::path(
    delete, path = "/v1/conversations/{conversation}/members/me", tag = "Members", operation_id = "leave",
    responses((status = 204, description = "No longer a member"))
)]
pub async fn leave(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(id): Id<ConversationId>,
) -> Result<StatusCode, Problem> {
    end_membership(&app, access.user, id, access.user).await
}

async fn end_membership(app: &Arc<App>, by: UserId, id: ConversationId, user: UserId) -> Result<StatusCode, Problem> {
    let work = Arc::clone(app);
    app.complete(async move { end(&work, id, by, user).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn end(app: &Arc<App>, id: ConversationId, by: UserId, user: UserId) -> Result<(), Fault> {
    let room = app.hub.room(id).await?;
    let roster = room.roster().await?;
    let leaver = room.member(&roster, user).await?;
    let reason = if user == by { LeftReason::Left } else { LeftReason::Removed };
    if roster.is_partial()
        && let Some(Member { role: role @ Role::Reader, .. }) = leaver
    {
        // A reader of a broadcast comes and goes without an event.
        room.authorize(by, Action::Kick { user, role }).await?;
        let at = app.log.shard_state(room.shard).await?.last;
        app.store.set_reader(id, user, None, at).await?;
        let removed = ConversationRemoved { conversation: id, reason };
        app.tell_once(by, user, Body::ConversationRemoved(removed)).await;
        return Ok(());
    }
    let decide = |roster: &Roster| {
        let standing = roster.standing(by);
        let member = roster.member(user);
        let role = member.map_or(Role::Reader, |member| member.role);
        authorize(Actor { user: by }, Action::Kick { user, role }, standing.as_ref())?;
        let Some(member) = member else { return Err(ErrorCode::NotFound.into()) };
        last_owner_stays(roster, member)?;
        Ok(Some(Body::MemberLeft(MemberLeft { user, role: Some(member.role), reason, ban: None })))
    };
    if let Some(changed) = app.change(id, by, decide).await? {
        app.tell_news(&changed).await;
    }
    Ok(())
}

/// Makes somebody a member, if they are none, and tells their feed.
async fn join_as(
    app: &Arc<App>,
    id: ConversationId,
    by: UserId,
    user: UserId,
    role: Role,
    patience: Patience,
) -> Result<(), Fault> {
    let room = app.hub.room(id).await?;
    let roster = room.roster().await?;
    if by != user && room.is_banned(&roster, user).await? {
        return Err(ErrorCode::Forbidden.into());
    }
    if roster.is_partial() && role == Role::Reader {
        if room.member(&roster, user).await?.is_none() {
            // The shard's position: above whatever was written of this user here before.
            let at = app.log.shard_state(room.shard).await?.last;
            app.store.set_reader(id, user, Some(app.now()), at).await?;
            let added = ConversationAdded { conversation: id, role, head: at.next() };
            app.tell_once(by, user, Body::ConversationAdded(added)).await;
        }
        return Ok(());
    }
    let decide = |roster: &Roster| {
        let place = roster.place(role).ok_or(ErrorCode::NotFound)?;
        let action = if by == user { Action::Join } else { Action::Invite { place } };
        authorize(Actor { user: by }, action, roster.standing(by).as_ref())?;
        if roster.member(user).is_some() {
            return Ok(None);
        }
        // A ban that came between.
        if roster.ban(user, app.now()) == Some(true) {
            return Err(ErrorCode::Forbidden.into());
        }
        let group = roster.conversation().is_some_and(|conversation| conversation.kind == Kind::Group);
        if group && roster.members().count() >= limits::MEMBERS {
            return Err(Fault::new(ErrorCode::LimitReached, format!("at most {} members", limits::MEMBERS)));
        }
        Ok(Some(Body::MemberJoined(MemberChanged { user, role })))
    };
    if let Some(changed) = app.change_patiently(id, by, patience, decide).await? {
        app.tell_news(&changed).await;
    }
    Ok(())
}

/// Somebody must be left who may do everything.
pub fn last_owner_stays(roster: &Roster, member: &Member) -> Result<(), Fault> {
    if member.role == Role::Owner && roster.owners() == 1 {
        return Err(Fault::new(ErrorCode::Conflict, "the last owner stays"));
    }
    Ok(())
}

/// As what newcomers come.
fn newcomer(roster: &Roster) -> Role {
    if roster.is_partial() { Role::Reader } else { Role::Member }
}

fn show(roster: &Roster, member: &Member) -> Option<Shown> {
    let place = roster.standing_of(Some(member))?.place?;
    let Member { user, role, joined_at, .. } = *member;
    Some(Shown { user, role, rights: place.rights, joined_at, settings: None })
}
