//! What a member set for a conversation of their own: events of their feed, so that every device hears of it.

use std::sync::Arc;

use axum::extract::State;
use chat_auth::Action;
use chat_protocol::{
    ConversationId, ErrorCode, Timestamp, UserId,
    event::{Body, SettingsUpdated},
    model::{MemberSettings, Notify},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Shown, shown};
use crate::{
    app::App,
    control::TRIES,
    fault::Fault,
    rest::{
        Problem,
        extract::{Caller, Id, Json, present},
    },
};

/// What may be set; what is absent stays, and `null` unmutes.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ChangeOwnSettings)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// No notice of anything until then.
    #[serde(default, deserialize_with = "present")]
    muted_until: Option<Option<Timestamp>>,
    /// What to be notified of.
    notify: Option<Notify>,
    /// Out of the way in the list.
    archived: Option<bool>,
    /// On top of the list.
    pinned: Option<bool>,
}

/// Change the own settings for a conversation
///
/// What is absent stays, `null` unmutes. The other devices of the user hear of it by the feed event `settings.updated`.
#[utoipa::path(
    patch, path = "/v1/conversations/{conversation}/members/me", tag = "Members", operation_id = "change_own_settings",
    request_body = Change,
    responses((status = 200, description = "The member, with the own settings", body = Shown))
)]
pub async fn change(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(id): Id<ConversationId>,
    Json(change): Json<Change>,
) -> Result<axum::Json<Shown>, Problem> {
    let user = access.user;
    let room = app.hub.room(id).await?;
    let roster = room.authorize(user, Action::ChangeOwnSettings).await?;
    let work = Arc::clone(&app);
    app.complete(async move { apply(&work, id, user, &change).await }).await?;
    Ok(axum::Json(shown(&app, &room, &roster, user, user).await?))
}

async fn apply(app: &Arc<App>, id: ConversationId, user: UserId, change: &Change) -> Result<(), Fault> {
    for _ in 0..TRIES {
        let head = app.feed_head(user).await?;
        let present = of(app, id, user).await?;
        let settings = MemberSettings {
            muted_until: change.muted_until.unwrap_or(present.muted_until),
            notify: change.notify.unwrap_or(present.notify),
            archived: change.archived.unwrap_or(present.archived),
            pinned: change.pinned.unwrap_or(present.pinned),
        };
        let updated = SettingsUpdated { conversation: id, settings };
        // They are written whole: of two devices neither may overwrite what the other just set.
        if settings == present || app.append_to_feed(user, Body::SettingsUpdated(updated), head).await? {
            return Ok(());
        }
    }
    Err(ErrorCode::Conflict.into())
}

/// What a user set for a conversation.
pub(super) async fn of(app: &App, id: ConversationId, user: UserId) -> Result<MemberSettings, Fault> {
    let settings = app.store.member_settings(user, &[id]).await?.into_iter().next();
    Ok(settings.ok_or(ErrorCode::Internal)?)
}
