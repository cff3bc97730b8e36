//! What users change about themselves; their other devices hear of it by the feed.

use std::sync::Arc;

use axum::extract::State;
use chat_protocol::{
    ErrorCode,
    error::FieldError,
    event::Body,
    limits,
    model::{SelfUser, User},
};
use chat_store::ProfileChange;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{is_name, json_field, known, too_long};
use crate::{
    app::App,
    fault::Fault,
    rest::{
        Problem,
        extract::{Caller, Json, present},
    },
};

/// What may be changed; `null` removes.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ChangeUser)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Another name, if nobody has it.
    name: Option<String>,
    /// What others see instead of the name.
    #[serde(default, deserialize_with = "present")]
    display_name: Option<Option<String>>,
    /// A picture's address, at most 512 bytes.
    #[serde(default, deserialize_with = "present")]
    avatar_url: Option<Option<String>>,
    /// Whatever everybody may read, at most 4 KiB.
    #[serde(default, deserialize_with = "present")]
    profile: Option<Option<Value>>,
    /// Whatever only the user reads, at most 4 KiB.
    #[serde(default, deserialize_with = "present")]
    private: Option<Option<Value>>,
    /// Whether others see how far the user has read.
    receipts: Option<bool>,
}

/// Change the own account
///
/// What is absent stays, `null` removes. The other devices of the user hear of it by the feed event `user.updated`.
#[utoipa::path(
    patch, path = "/v1/users/me", tag = "Accounts", operation_id = "change_me",
    request_body = Change,
    responses((status = 200, description = "The user as they are now", body = SelfUser))
)]
pub async fn change(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Json(change): Json<Change>,
) -> Result<axum::Json<SelfUser>, Problem> {
    check(&change)?;
    let before = known(&app, access.user).await?;
    let work = Arc::clone(&app);
    Ok(axum::Json(app.complete(async move { apply(&work, before, change).await }).await?))
}

async fn apply(app: &Arc<App>, before: SelfUser, change: Change) -> Result<SelfUser, Fault> {
    let Change { name, display_name, avatar_url, profile, private, receipts } = change;
    let id = before.user.id;
    // The name first: it is the only part that can be refused now.
    if let Some(name) = name.filter(|name| *name != before.user.name)
        && !app.store.rename(id, &name).await?
    {
        return Err(ErrorCode::NameTaken.into());
    }
    let change = ProfileChange { display_name, avatar_url, profile, private, receipts };
    let after = app.store.change_profile(id, &change).await?.ok_or(ErrorCode::Unauthenticated)?;
    let news = changed(&before, &after);
    if !news.is_empty() {
        app.tell_once(id, id, Body::UserUpdated(Value::Object(news))).await;
    }
    Ok(after)
}

fn check(change: &Change) -> Result<(), Fault> {
    let text = |value: &Option<Option<String>>| value.clone().flatten();
    let mut wrong = too_long("display_name", text(&change.display_name).as_deref(), limits::DISPLAY_NAME_CHARS);
    if change.name.as_deref().is_some_and(|name| !is_name(name)) {
        wrong.push(FieldError::new("name", "format", "3 to 32 of a-z, 0-9, _ . -"));
    }
    if text(&change.avatar_url).is_some_and(|url| url.len() > limits::URL_BYTES) {
        wrong.push(FieldError::new("avatar_url", "too_long", format!("at most {} bytes", limits::URL_BYTES)));
    }
    if !wrong.is_empty() {
        return Err(Fault::invalid(wrong));
    }
    for (field, value) in [("profile", &change.profile), ("private", &change.private)] {
        json_field(field, value.as_ref().and_then(Option::as_ref))?;
    }
    Ok(())
}

/// The fields that are others now; `null` where one was removed.
fn changed(before: &SelfUser, after: &SelfUser) -> Map<String, Value> {
    let fields = |own: &SelfUser| {
        let User { name, display_name, avatar_url, profile, .. } = own.user.clone();
        [
            ("name", json!(name)),
            ("display_name", json!(display_name)),
            ("avatar_url", json!(avatar_url)),
            ("profile", json!(profile)),
            ("private", json!(own.private)),
            ("receipts", json!(own.receipts)),
        ]
    };
    let pairs = fields(before).into_iter().zip(fields(after));
    pairs.filter(|(before, after)| before != after).map(|(_, (name, value))| (name.to_owned(), value)).collect()
}
