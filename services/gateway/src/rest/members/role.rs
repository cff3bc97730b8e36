//! Another role for a member.

use std::sync::Arc;

use axum::extract::State;
use chat_auth::{Action, Actor, Place, authorize};
use chat_protocol::{
    ConversationId, ErrorCode, UserId,
    event::{Body, MemberChanged},
    model::Member,
    rights::Role,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Shown, last_owner_stays, shown};
use crate::{
    app::App,
    fault::Fault,
    hub::Roster,
    rest::{
        Problem,
        extract::{Caller, Ids, Json},
    },
};

/// What the member shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ChangeRole)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// As what.
    role: Role,
}

/// Give a member another role
///
/// At most one's own role, and only to members below it; `conflict` says that the last owner stays.
#[utoipa::path(
    patch, path = "/v1/conversations/{conversation}/members/{user}", tag = "Members", operation_id = "change_role",
    request_body = Change,
    responses((status = 200, description = "The member", body = Shown))
)]
pub async fn change(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Ids(id, user): Ids<ConversationId, UserId>,
    Json(Change { role }): Json<Change>,
) -> Result<axum::Json<Shown>, Problem> {
    let by = access.user;
    let room = app.hub.room(id).await?;
    let roster = room.roster().await?;
    let stored = room.member(&roster, user).await?;
    // A reader of a broadcast is in no roster until they are more.
    let reader = stored.filter(|member| roster.is_partial() && member.role == Role::Reader);
    let from = stored.map_or(Role::Reader, |member| member.role);
    let to = roster.place(role).unwrap_or(Place { role, rights: role.rights() });
    room.authorize(by, Action::ChangeRole { user, from, to }).await?;
    let work = Arc::clone(&app);
    let decide = move |roster: &Roster| decide(roster, by, user, role, reader);
    app.complete(async move { work.change(id, by, decide).await }).await?;
    let roster = room.roster().await?;
    Ok(axum::Json(shown(&app, &room, &roster, by, user).await?))
}

fn decide(
    roster: &Roster,
    by: UserId,
    user: UserId,
    role: Role,
    reader: Option<Member>,
) -> Result<Option<Body>, Fault> {
    let to = roster.place(role).ok_or(ErrorCode::NotFound)?;
    let member = roster.member(user).copied().or(reader);
    let from = member.map_or(Role::Reader, |member| member.role);
    let standing = match (roster.standing(by), reader) {
        // Who is a reader themselves.
        (Some(standing), Some(reader)) if by == user && standing.place.is_none() => roster.standing_of(Some(&reader)),
        (standing, _) => standing,
    };
    authorize(Actor { user: by }, Action::ChangeRole { user, from, to }, standing.as_ref())?;
    let member = member.ok_or(ErrorCode::NotFound)?;
    if member.role == role {
        return Ok(None);
    }
    last_owner_stays(roster, &member)?;
    Ok(Some(Body::MemberUpdated(MemberChanged { user, role })))
}
