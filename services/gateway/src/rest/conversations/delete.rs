//! A conversation deleted for all: one event that ends it at once everywhere, then a job that removes what is left.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use chat_auth::{Action, Actor, authorize};
use chat_protocol::{
    ConversationId, ErrorCode, UserId,
    event::{Body, ConversationRemoved, Empty, LeftReason},
    model::{Job, JobKind},
};

use crate::{
    app::App,
    control::Changed,
    fault::Fault,
    hub::Roster,
    rest::{
        Problem,
        extract::{Caller, Id},
        jobs,
    },
};

/// Before the first row goes: sends that were authorised a moment ago are over then, on every gateway.
const PURGE_AFTER_MS: i64 = 30_000;

/// Delete a conversation for all
///
/// It is gone for everybody at once; a job removes what is stored of it.
#[utoipa::path(
    delete, path = "/v1/conversations/{conversation}", tag = "Conversations", operation_id = "delete_conversation",
    responses((status = 202, description = "Gone; the job cleans up", body = Job, headers(("Location" = String, description = "The job"))))
)]
pub async fn delete(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(id): Id<ConversationId>,
) -> Result<Response, Problem> {
    app.hub.room(id).await?.authorize(access.user, Action::DeleteConversation).await?;
    let work = Arc::clone(&app);
    let job = app.complete(async move { end(&work, access.user, id).await }).await?;
    Ok(jobs::accepted(job))
}

async fn end(app: &Arc<App>, by: UserId, id: ConversationId) -> Result<Job, Fault> {
    // The job first: a conversation that is gone for all is surely cleaned up, and a job of one that is not does nothing.
    let job = jobs::begin(app, JobKind::Purge, by, id.as_u128(), PURGE_AFTER_MS).await?;
    let room = app.hub.room(id).await?;
    let listed: Vec<UserId> = room.roster().await?.members().map(|member| member.user).collect();
    let decide = |roster: &Roster| {
        authorize(Actor { user: by }, Action::DeleteConversation, roster.standing(by).as_ref())?;
        Ok(Some(Body::ConversationDeleted(Empty {})))
    };
    let Changed { frame } = app.change(id, by, decide).await?.ok_or(ErrorCode::NotFound)?;
    let removed = ConversationRemoved { conversation: id, reason: LeftReason::Deleted };
    // Readers of a broadcast are not listed, and may be very many: the job tells them.
    let news = listed.into_iter().map(|user| (user, Body::ConversationRemoved(removed))).collect();
    app.tell(by, news, frame.id).await;
    Ok(job)
}
