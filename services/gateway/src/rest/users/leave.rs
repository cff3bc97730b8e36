//! An account's end: closed at once, erased a month later.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use chat_auth::Revocation;
use chat_protocol::{
    ErrorCode, UserId, limits,
    model::{AccountState, Job, JobKind, Kind},
    rights::Role,
};
use chat_store::Membership;

use crate::{
    app::App,
    fault::Fault,
    rest::{Problem, extract::Caller, jobs, sessions},
};

/// Until what is left of a closed account is removed.
const ERASE_AFTER_MS: i64 = 30 * 24 * 3_600 * 1_000;

/// Close the own account
///
/// Every session ends at once, and what is left is erased after 30 days. `conflict` says that the user is the last
/// owner of a conversation with other members.
#[utoipa::path(
    delete, path = "/v1/users/me", tag = "Accounts", operation_id = "close_account",
    responses((status = 202, description = "Closed; the job erases later", body = Job, headers(("Location" = String, description = "The job"))))
)]
pub async fn leave(State(app): State<Arc<App>>, Caller(access): Caller) -> Result<Response, Problem> {
    for place in app.places(access.user).await? {
        nobody_is_left_without_an_owner(&app, place).await?;
    }
    let work = Arc::clone(&app);
    let job = app.complete(async move { close(&work, access.user).await }).await?;
    Ok(jobs::accepted(job))
}

/// A group whose last owner goes would be nobody's; what has no other members may go with its owner.
async fn nobody_is_left_without_an_owner(app: &App, place: Membership) -> Result<(), Fault> {
    if place.member.role != Role::Owner {
        return Ok(());
    }
    let room = app.hub.room(place.conversation).await?;
    let roster = room.roster().await?;
    let Some(conversation) = roster.conversation() else { return Ok(()) };
    let others = match conversation.kind {
        // Its readers are in no roster.
        Kind::Broadcast => app.store.members(place.conversation, None, 2).await?.len() > 1,
        Kind::Direct | Kind::Group => roster.members().count() > 1,
    };
    if others && roster.owners() == 1 {
        let detail = format!("the last owner of {} stays: make another member its owner first", place.conversation);
        return Err(Fault::new(ErrorCode::Conflict, detail));
    }
    Ok(())
}

async fn close(app: &App, user: UserId) -> Result<Job, Fault> {
    // The job first: one of an account that is open after all does nothing.
    let job = jobs::begin(app, JobKind::Erase, user, user.as_u128(), ERASE_AFTER_MS).await?;
    app.store.set_state(user, AccountState::Deactivated).await?;
    let now = app.now();
    let until_ms = (limits::ACCESS_TOKEN_LIFE + limits::RESUME_TOKEN_LIFE).as_millis();
    let until = now.plus_ms(i64::try_from(until_ms).unwrap_or(i64::MAX));
    // A token of this very moment is one of them.
    app.revoke(Revocation::User { user, issued_before: now.plus_ms(1), until }).await?;
    for session in app.store.sessions(user).await? {
        sessions::end_one(app, user, session.id).await?;
    }
    Ok(job)
}
