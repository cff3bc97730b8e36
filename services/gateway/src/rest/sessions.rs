//! Log-ins: their tokens, their devices, their end.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chat_auth::{
    RefreshToken, Verdict,
    refresh::{Judgement, Stored},
};
use chat_protocol::{
    ErrorCode, SessionId, Timestamp, UserId,
    frame::SecretText,
    limits,
    model::{SelfUser, Session},
};
use chat_store::SessionRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Problem,
    extract::{Caller, Id, Json},
    limit::From,
    users::{self, List},
};
use crate::{app::App, chance, fault::Fault, metrics};

/// A log-in with its tokens, flat.
#[derive(Serialize, ToSchema)]
#[schema(as = NewSession)]
pub struct Begun {
    /// The device.
    #[serde(flatten)]
    session: Session,
    /// For requests and sockets, until `expires_in`.
    access_token: SecretText,
    /// For the next pair; good for one use and for 30 days.
    refresh_token: SecretText,
    /// Seconds until the access token ends.
    expires_in: u64,
    /// Whose it is.
    user: SelfUser,
}

/// Name and password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    /// The account's.
    name: String,
    /// The one of the account.
    password: SecretText,
    /// What the client calls its device.
    device: Option<String>,
}

/// Log in
///
/// A wrong password and an unknown name answer alike, in the same time.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "Sessions", operation_id = "log_in",
    request_body = LogIn,
    responses((status = 201, description = "The session with its tokens", body = Begun))
)]
pub async fn log_in(
    State(app): State<Arc<App>>,
    From(address): From,
    Json(log_in): Json<LogIn>,
) -> Result<Response, Problem> {
    let wrong = users::too_long("device", log_in.device.as_deref(), limits::DEVICE_CHARS);
    if !wrong.is_empty() {
        return Err(Fault::invalid(wrong).into());
    }
    app.rates.log_in(&log_in.name, address, app.now())?;
    // What cannot be a name is nobody's.
    let account = match users::is_name(&log_in.name) {
        true => app.store.account_by_name(&log_in.name).await?,
        false => None,
    };
    // An unknown name costs the same time as a wrong password.
    let stored = account.as_ref().and_then(|account| account.password_hash.clone());
    let verdict = app.passwords.check(log_in.password.clone(), stored).await;
    let rehash = match verdict.map_err(|err| Fault::new(err.code(), err.to_string()))? {
        Verdict::Right { rehash } => rehash,
        Verdict::Wrong => return Err(Fault::new(ErrorCode::Unauthenticated, "wrong name or password").into()),
    };
    let account = users::usable(account)?;
    if rehash && let Ok(hash) = app.passwords.hash(log_in.password, &mut chance::secure()).await {
        app.store.set_password(account.user.user.id, &hash).await?;
    }
    let begun = begin(&app, account.user, log_in.device.unwrap_or_else(|| "unnamed".into())).await?;
    Ok((StatusCode::CREATED, axum::Json(begun)).into_response())
}

/// A refresh token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The one of the last answer.
    refresh_token: SecretText,
}

/// Fresh tokens for a refresh token
///
/// A refresh token is good for one use: whoever uses one twice ends its session (`token_revoked`).
#[utoipa::path(
    post, path = "/v1/sessions/refresh", tag = "Sessions", operation_id = "refresh",
    request_body = Refresh,
    responses((status = 200, description = "The same session with new tokens", body = Begun))
)]
pub async fn refresh(State(app): State<Arc<App>>, Json(refresh): Json<Refresh>) -> Result<axum::Json<Begun>, Problem> {
    let begun = rotate(&app, &refresh).await;
    metrics::refreshed(begun.as_ref().map_or_else(|problem| problem.0.code.code(), |_| "rotated"));
    begun.map(axum::Json)
}

async fn rotate(app: &App, refresh: &Refresh) -> Result<Begun, Problem> {
    let token: RefreshToken = refresh.refresh_token.expose().parse()?;
    let (now, session) = (app.now(), token.session());
    let row = app.store.session(session).await?;
    let user = row.as_ref().map_or(UserId::from_u128(0), |row| row.user);
    let revoked = app.revocations.check(user, session, now).is_err();
    let stored = row.as_ref().map(|row| Stored { hash: row.refresh_hash, expires_at: row.expires_at });
    let judgement = token.judge(stored, revoked, now);
    let row = match (judgement, row) {
        (Judgement::Rotate, Some(row)) => row,
        (Judgement::Revoked, _) => return Err(ErrorCode::TokenRevoked.into()),
        (Judgement::Reused, Some(row)) => return reused(app, &row).await,
        (_, _) => return Err(ErrorCode::Unauthenticated.into()),
    };
    let user = users::known(app, row.user).await?;
    let next = RefreshToken::mint(session, &mut chance::secure());
    let expires_at = refresh_end(now);
    if !app.store.rotate_session(session, &row.refresh_hash, &next.hash(), now, expires_at).await? {
        return reused(app, &row).await;
    }
    Ok(answer(app, &SessionRow { last_used_at: now, expires_at, ..row }, user, &next))
}

/// Two hold the same token: nobody knows which of them is the thief, so the session ends for both.
async fn reused<T>(app: &App, row: &SessionRow) -> Result<T, Problem> {
    tracing::warn!(user = %row.user, session = %row.id, "refresh token used twice, session ended");
    end_one(app, row.user, row.id).await?;
    Err(ErrorCode::TokenRevoked.into())
}

/// The devices that are logged in
#[utoipa::path(
    get, path = "/v1/sessions", tag = "Sessions", operation_id = "list_sessions",
    responses((status = 200, description = "All of them, on one page", body = List<Session>))
)]
pub async fn list(State(app): State<Arc<App>>, Caller(access): Caller) -> Result<List<Session>, Problem> {
    let rows = app.store.sessions(access.user).await?;
    let items = rows.iter().map(|row| Session { current: row.id == access.session, ..shown(row) }).collect();
    Ok(List { items, next: None })
}

/// Log out every other device
#[utoipa::path(
    delete, path = "/v1/sessions", tag = "Sessions", operation_id = "end_other_sessions",
    responses((status = 204, description = "Only this session is left"))
)]
pub async fn end_others(State(app): State<Arc<App>>, Caller(access): Caller) -> Result<StatusCode, Problem> {
    for row in app.store.sessions(access.user).await?.iter().filter(|row| row.id != access.session) {
        end_one(&app, access.user, row.id).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Log out one device
///
/// `current` is the session of the token.
#[utoipa::path(
    delete, path = "/v1/sessions/{session}", tag = "Sessions", operation_id = "end_session",
    responses((status = 204, description = "Its tokens are worth nothing any more, and its sockets are closed"))
)]
pub async fn end(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(session): Id<String>,
) -> Result<StatusCode, Problem> {
    let session: SessionId = match session.as_str() {
        "current" => access.session,
        text => text.parse().map_err(|_| ErrorCode::NotFound)?,
    };
    let row = app.store.session(session).await?;
    if row.is_none_or(|row| row.user != access.user) {
        return Err(ErrorCode::NotFound.into());
    }
    end_one(&app, access.user, session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends one session on every gateway.
pub async fn end_one(app: &App, user: UserId, session: SessionId) -> Result<(), Fault> {
    // The revocation first: if the second write fails, the tokens are dead already.
    app.revoke_session(session).await?;
    app.store.end_session(user, session).await?;
    Ok(())
}

/// Logs a user in.
pub async fn begin(app: &App, user: SelfUser, device: String) -> Result<Begun, Fault> {
    let now = app.now();
    let id = SessionId::ulid(u64::try_from(now.as_ms()).unwrap_or(0), rand::random());
    let token = RefreshToken::mint(id, &mut chance::secure());
    let row = SessionRow {
        id,
        user: user.user.id,
        device,
        created_at: now,
        last_used_at: now,
        refresh_hash: token.hash(),
        expires_at: refresh_end(now),
    };
    app.store.create_session(&row).await?;
    Ok(answer(app, &row, user, &token))
}

fn answer(app: &App, row: &SessionRow, user: SelfUser, refresh: &RefreshToken) -> Begun {
    let access = app.issuer.issue(row.user, row.id, app.now(), &mut chance::secure());
    Begun {
        session: Session { current: true, ..shown(row) },
        access_token: access.text,
        refresh_token: refresh.text(),
        expires_in: limits::ACCESS_TOKEN_LIFE.as_secs(),
        user,
    }
}

fn shown(row: &SessionRow) -> Session {
    let SessionRow { id, device, created_at, last_used_at, .. } = row.clone();
    Session { id, device, created_at, last_used_at, current: false }
}

fn refresh_end(now: Timestamp) -> Timestamp {
    now.plus_ms(i64::try_from(limits::REFRESH_TOKEN_LIFE.as_millis()).unwrap_or(i64::MAX))
}
