//! A conversation's settings, changed by those who may; who read an older version is told instead of overwriting.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header::IF_MATCH},
    response::Response,
};
use chat_auth::{Action, Actor, Place, authorize};
use chat_protocol::{
    ConversationId, ErrorCode, Seq, UserId,
    event::{Body, ConversationUpdated},
    model::{Conversation, Override, Settings, Visibility},
    rights::Role,
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Shown, settings, show, with_tag};
use crate::{
    app::App,
    fault::Fault,
    hub::Roster,
    rest::{
        Problem,
        extract::{Caller, Id, Json, present},
    },
};

/// What may be changed; `null` removes.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ChangeConversation)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// At most 128 characters.
    #[serde(default, deserialize_with = "present")]
    title: Option<Option<String>>,
    /// At most 1,024 characters.
    #[serde(default, deserialize_with = "present")]
    topic: Option<Option<String>>,
    /// A picture's address, at most 512 bytes.
    #[serde(default, deserialize_with = "present")]
    avatar_url: Option<Option<String>>,
    /// Who may look at it and join.
    #[serde(default, deserialize_with = "present")]
    visibility: Option<Visibility>,
    /// Opaque to the server, at most 4 KiB.
    #[serde(default, deserialize_with = "present")]
    data: Option<Option<Value>>,
    /// Days until messages are to be removed; 0 = never. For clients: the server itself removes nothing by it yet.
    #[serde(default, deserialize_with = "present")]
    retention_days: Option<Option<u32>>,
    /// Seconds between two messages of one member; 0 = off.
    #[serde(default, deserialize_with = "present")]
    slow_mode_s: Option<Option<u32>>,
    /// Rights that differ from what the roles say, whole.
    #[serde(default, deserialize_with = "present")]
    overrides: Option<Option<BTreeMap<Role, Override>>>,
}

/// Change a conversation
///
/// What is absent stays, `null` removes. With `If-Match` only if it is still that version. Nobody gives away rights
/// that they do not have.
#[utoipa::path(
    patch, path = "/v1/conversations/{conversation}", tag = "Conversations", operation_id = "change_conversation",
    params(("If-Match" = Option<String>, Header)),
    request_body = Change,
    responses((status = 200, description = "The conversation as it is now", body = Shown, headers(("ETag" = String, description = "The version, for `If-Match`"))))
)]
pub async fn change(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(id): Id<ConversationId>,
    headers: HeaderMap,
    Json(change): Json<Change>,
) -> Result<Response, Problem> {
    let given = change.applied(&Settings::default());
    let wrong = settings::wrong(&given);
    if !wrong.is_empty() {
        return Err(Fault::invalid(wrong).into());
    }
    settings::not_too_large(&given)?;
    let by = access.user;
    let room = app.hub.room(id).await?;
    room.authorize(by, Action::Manage).await?;
    let expected = Expected::of(&headers);
    let work = Arc::clone(&app);
    let decide = move |roster: &Roster| decide(roster, by, &expected, &change);
    app.complete(async move { work.change(id, by, decide).await }).await?;
    let roster = room.authorize(by, Action::View).await?;
    Ok(with_tag(show(&room, &roster, by).await?, StatusCode::OK))
}

fn decide(roster: &Roster, by: UserId, expected: &Expected, change: &Change) -> Result<Option<Body>, Fault> {
    let standing = roster.standing(by);
    let may = |action| authorize(Actor { user: by }, action, standing.as_ref());
    may(Action::Manage)?;
    let present = roster.conversation().ok_or(ErrorCode::NotFound)?;
    if !expected.is(present.version) {
        return Err(Fault::new(ErrorCode::PreconditionFailed, "it was changed since it was read"));
    }
    let settings = change.applied(&present.settings);
    for (role, grants) in overridden(present, &settings) {
        may(Action::Override { role, grants })?;
    }
    let visibility = change.visibility.unwrap_or(present.visibility);
    if visibility == present.visibility && settings == present.settings {
        return Ok(None);
    }
    Ok(Some(Body::ConversationUpdated(Box::new(ConversationUpdated { visibility, settings }))))
}

/// Roles whose rights change, each with what it gets.
fn overridden(present: &Conversation, settings: &Settings) -> Vec<(Role, chat_protocol::rights::Rights)> {
    let changed = Role::ALL.into_iter().filter(|role| {
        present.settings.overrides.get(role).copied().unwrap_or_default()
            != settings.overrides.get(role).copied().unwrap_or_default()
    });
    changed
        .map(|role| {
            let before = Place::of(present.kind, role, &present.settings.overrides).rights;
            (role, Place::of(present.kind, role, &settings.overrides).rights.without(before))
        })
        .collect()
}

impl Change {
    fn applied(&self, to: &Settings) -> Settings {
        Settings {
            title: self.title.clone().unwrap_or_else(|| to.title.clone()),
            topic: self.topic.clone().unwrap_or_else(|| to.topic.clone()),
            avatar_url: self.avatar_url.clone().unwrap_or_else(|| to.avatar_url.clone()),
            data: self.data.clone().unwrap_or_else(|| to.data.clone()),
            retention_days: self.retention_days.map_or(to.retention_days, Option::unwrap_or_default),
            slow_mode_s: self.slow_mode_s.map_or(to.slow_mode_s, Option::unwrap_or_default),
            overrides: self.overrides.clone().map_or_else(|| to.overrides.clone(), Option::unwrap_or_default),
        }
    }
}

/// What `If-Match` says; without one every version will do.
struct Expected(Option<Vec<String>>);

impl Expected {
    fn of(headers: &HeaderMap) -> Self {
        let mut tags = headers.get_all(IF_MATCH).iter().peekable();
        let given = tags.peek().is_some();
        let tags = tags.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        let tags = tags.map(|tag| tag.trim().to_owned()).collect();
        Self(given.then_some(tags))
    }

    fn is(&self, version: Seq) -> bool {
        self.0.as_ref().is_none_or(|tags| tags.iter().any(|tag| tag == "*" || *tag == tag_of(version)))
    }
}

/// The `ETag` of a version.
pub(super) fn tag_of(version: Seq) -> String {
    format!("\"{version}\"")
}
