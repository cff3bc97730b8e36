//! Accounts and profiles.

pub(super) mod leave; // an account's end
pub(super) mod profile; // what a user changes about themselves

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use chat_auth::{Revocation, Verdict};
use chat_protocol::{
    ErrorCode, UserId,
    error::FieldError,
    frame::SecretText,
    limits,
    model::{AccountState, SelfUser, User},
};
use chat_store::{Account, NewAccount};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    Problem,
    extract::{Caller, Id, Json, Query},
    limit::From,
    sessions,
};
use crate::{app::App, chance, fault::Fault};

/// A new account, logged in at once.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// What everybody finds the user by; unique.
    name: String,
    /// 8 to 1,024 bytes.
    password: SecretText,
    /// What others see instead of the name.
    display_name: Option<String>,
    /// What the client calls its device.
    device: Option<String>,
}

/// Register, and log in
///
/// The answer is the new session, with the user in it.
#[utoipa::path(
    post, path = "/v1/users", tag = "Accounts", operation_id = "register",
    request_body = Register,
    responses((status = 201, description = "The account, logged in", body = sessions::Begun, headers(("Location" = String, description = "The user"))))
)]
pub async fn register(
    State(app): State<Arc<App>>,
    From(address): From,
    Json(wanted): Json<Register>,
) -> Result<Response, Problem> {
    let mut wrong = Vec::new();
    if !is_name(&wanted.name) {
        wrong.push(FieldError::new("name", "format", "3 to 32 of a-z, 0-9, _ . -"));
    }
    if !limits::PASSWORD_BYTES.contains(&wanted.password.expose().len()) {
        wrong.push(FieldError::new("password", "range", "8 to 1,024 bytes"));
    }
    wrong.extend(too_long("display_name", wanted.display_name.as_deref(), limits::DISPLAY_NAME_CHARS));
    wrong.extend(too_long("device", wanted.device.as_deref(), limits::DEVICE_CHARS));
    if !wrong.is_empty() {
        return Err(Fault::invalid(wrong).into());
    }
    app.rates.register(address, app.now())?;
    // Cheap and first: a taken name should not cost an argon2 run. The insert below decides.
    if app.store.account_by_name(&wanted.name).await?.is_some() {
        return Err(ErrorCode::NameTaken.into());
    }
    let hash = app.passwords.hash(wanted.password, &mut chance::secure()).await;
    let password_hash = hash.map_err(|err| Fault::new(err.code(), err.to_string()))?;
    let now = app.now();
    let id = UserId::ulid(u64::try_from(now.as_ms()).unwrap_or(0), rand::random());
    let Register { name, display_name, device, .. } = wanted;
    let account = NewAccount { id, name, display_name, password_hash, created_at: now };
    if !app.store.create_user(&account).await? {
        return Err(ErrorCode::NameTaken.into());
    }
    let user = known(&app, id).await?;
    let session = sessions::begin(&app, user, device.unwrap_or_else(|| "unnamed".into())).await?;
    let mut response = (StatusCode::CREATED, axum::Json(session)).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/users/{id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// The own account
#[utoipa::path(
    get, path = "/v1/users/me", tag = "Accounts", operation_id = "get_me",
    responses((status = 200, description = "The user, with what only they see", body = SelfUser))
)]
pub async fn me(State(app): State<Arc<App>>, Caller(access): Caller) -> Result<axum::Json<SelfUser>, Problem> {
    Ok(axum::Json(known(&app, access.user).await?))
}

/// The old password and the new one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The present one.
    old: SecretText,
    /// 8 to 1,024 bytes.
    new: SecretText,
}

/// Change the password
///
/// Every other session of the user ends. `forbidden` says that the old password is another one.
#[utoipa::path(
    put, path = "/v1/users/me/password", tag = "Accounts", operation_id = "change_password",
    request_body = ChangePassword,
    responses((status = 204, description = "Changed"))
)]
pub async fn change_password(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Json(change): Json<ChangePassword>,
) -> Result<StatusCode, Problem> {
    if !limits::PASSWORD_BYTES.contains(&change.new.expose().len()) {
        return Err(Fault::field("new", "range", "8 to 1,024 bytes").into());
    }
    let account = app.store.account(access.user).await?.ok_or(ErrorCode::Unauthenticated)?;
    let failed = |err: chat_auth::PasswordError| Fault::new(err.code(), err.to_string());
    match app.passwords.check(change.old, account.password_hash).await.map_err(failed)? {
        Verdict::Right { .. } => {}
        Verdict::Wrong => return Err(Fault::new(ErrorCode::Forbidden, "the old password is another one").into()),
    }
    let hash = app.passwords.hash(change.new, &mut chance::secure()).await.map_err(failed)?;
    app.store.set_password(access.user, &hash).await?;
    for session in app.store.sessions(access.user).await?.iter().filter(|session| session.id != access.session) {
        sessions::end_one(&app, access.user, session.id).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// One user
#[utoipa::path(
    get, path = "/v1/users/{user}", tag = "Accounts", operation_id = "get_user",
    responses((status = 200, description = "The public part of the profile", body = User))
)]
pub async fn one(
    State(app): State<Arc<App>>,
    Caller(_): Caller,
    Id(user): Id<UserId>,
) -> Result<axum::Json<User>, Problem> {
    let found = app.store.users(&[user]).await?.into_iter().next();
    Ok(axum::Json(found.ok_or(ErrorCode::NotFound)?))
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// In the order of the list.
    pub items: Vec<T>,
    /// Where the next page begins; `null` at the end.
    #[schema(required)]
    pub next: Option<String>,
}

/// Users, by their ids or by how their names begin
///
/// One of `ids` and `name_prefix` is needed. Ids of nobody are left out of the answer; by ids there is one page, in no
/// promised order.
#[utoipa::path(
    get, path = "/v1/users", tag = "Accounts", operation_id = "find_users",
    params(("ids" = Option<String>, Query), ("name_prefix" = Option<String>, Query), ("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "Their public profiles; by name in the order of the names", body = List<User>))
)]
pub async fn find(State(app): State<Arc<App>>, Caller(_): Caller, query: Query) -> Result<List<User>, Problem> {
    if let Some(ids) = query.text("ids") {
        let ids: Result<Vec<UserId>, _> = ids.split(',').filter(|id| !id.is_empty()).map(str::parse).collect();
        let ids = ids.map_err(|_| Fault::field("ids", "format", "user ids, with commas"))?;
        if ids.len() > 100 {
            return Err(Fault::field("ids", "too_many", "at most 100").into());
        }
        return Ok(List { items: app.store.users(&ids).await?, next: None });
    }
    let prefix = query.text("name_prefix").ok_or_else(|| Fault::field("ids", "missing", "ids or name_prefix"))?;
    if prefix.len() < 2 || !prefix.bytes().all(is_name_byte) {
        return Err(Fault::field("name_prefix", "format", "at least 2 of a-z, 0-9, _ . -").into());
    }
    let limit = query.limit()?;
    let mut items = app.store.users_by_prefix(prefix, query.text("cursor"), limit + 1).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|user| user.name.clone());
    Ok(List { items, next })
}

/// The account behind a token: one that is gone or closed cannot act.
pub async fn known(app: &App, user: UserId) -> Result<SelfUser, Fault> {
    usable(app.store.account(user).await?).map(|account| account.user)
}

/// An account that may act.
pub fn usable(account: Option<Account>) -> Result<Account, Fault> {
    let account = account.ok_or(ErrorCode::Unauthenticated)?;
    match account.user.state {
        AccountState::Active => Ok(account),
        AccountState::Suspended => Err(ErrorCode::AccountSuspended.into()),
        AccountState::Deactivated | AccountState::Erased => Err(ErrorCode::Unauthenticated.into()),
    }
}

/// Too long a text.
pub fn too_long(field: &str, value: Option<&str>, chars_max: usize) -> Vec<FieldError> {
    let long = value.is_some_and(|value| value.chars().count() > chars_max);
    long.then(|| FieldError::new(field, "too_long", format!("at most {chars_max} characters"))).into_iter().collect()
}

/// One JSON field of a profile or a conversation.
pub fn json_field(field: &str, value: Option<&Value>) -> Result<(), Fault> {
    let bytes = value.map_or(0, |value| value.to_string().len());
    if bytes <= limits::JSON_FIELD_BYTES {
        return Ok(());
    }
    let detail = format!("at most {} bytes as JSON", limits::JSON_FIELD_BYTES);
    let fields = vec![FieldError::new(field, "too_large", detail)];
    Err(Fault { code: ErrorCode::TooLarge, ..Fault::invalid(fields) })
}

/// Whether an account may be called so.
pub fn is_name(name: &str) -> bool {
    limits::NAME_CHARS.contains(&name.len()) && name.bytes().all(is_name_byte)
}

const fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-')
}

impl App {
    /// Ends every session of a user but one.
    pub async fn revoke_session(&self, session: chat_protocol::SessionId) -> Result<(), Fault> {
        let until_ms = (limits::ACCESS_TOKEN_LIFE + limits::RESUME_TOKEN_LIFE).as_millis();
        let until = self.now().plus_ms(i64::try_from(until_ms).unwrap_or(i64::MAX));
        self.revoke(Revocation::Session { session, until }).await
    }
}
