//! Users, sessions, blocks, presence.

use chat_protocol::{
    SessionId, UserId,
    frame::SecretText,
    model::{Block, Presence, SelfUser, Session, Status, User},
};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Page, Rest, RestError};

/// A log-in.
#[derive(Debug, Clone, Deserialize)]
pub struct LoggedIn {
    /// For requests and sockets; lives some minutes.
    pub access_token: SecretText,
    /// For one refresh; lives some weeks.
    pub refresh_token: SecretText,
    /// Seconds until the access token ends.
    pub expires_in: u64,
    /// Who it is.
    pub user: SelfUser,
}

/// What to change of one's own profile; `Some(None)` removes.
#[derive(Debug, Clone, Default, Serialize)]
#[expect(missing_docs, reason = "the fields of the profile")]
pub struct ProfileChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Option<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private: Option<Option<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipts: Option<bool>,
}

impl Rest {
    /// Makes an account, and logs in.
    pub async fn register(&self, name: &str, password: &str, device: &str) -> Result<LoggedIn, RestError> {
        let body = json!({ "name": name, "password": password, "device": device });
        self.ask_with(Method::POST, "/v1/users", &body).await
    }

    /// Logs in.
    pub async fn log_in(&self, name: &str, password: &str, device: &str) -> Result<LoggedIn, RestError> {
        let body = json!({ "name": name, "password": password, "device": device });
        self.ask_with(Method::POST, "/v1/sessions", &body).await
    }

    /// A new pair of tokens for the old refresh token, which is worth nothing then.
    pub async fn refresh(&self, refresh_token: &SecretText) -> Result<LoggedIn, RestError> {
        let body = json!({ "refresh_token": refresh_token.expose() });
        self.ask_with(Method::POST, "/v1/sessions/refresh", &body).await
    }

    /// The devices that are logged in, newest first.
    pub async fn sessions(&self) -> Result<Page<Session>, RestError> {
        self.ask(Method::GET, "/v1/sessions").await
    }

    /// Logs one device out.
    pub async fn end_session(&self, session: SessionId) -> Result<(), RestError> {
        self.order(Method::DELETE, &format!("/v1/sessions/{session}")).await
    }

    /// Logs this device out.
    pub async fn log_out(&self) -> Result<(), RestError> {
        self.order(Method::DELETE, "/v1/sessions/current").await
    }

    /// Logs all other devices out.
    pub async fn end_other_sessions(&self) -> Result<(), RestError> {
        self.order(Method::DELETE, "/v1/sessions").await
    }

    /// The own account.
    pub async fn me(&self) -> Result<SelfUser, RestError> {
        self.ask(Method::GET, "/v1/users/me").await
    }

    /// Changes the own profile.
    pub async fn change_me(&self, change: &ProfileChange) -> Result<SelfUser, RestError> {
        self.ask_with(Method::PATCH, "/v1/users/me", change).await
    }

    /// Closes the own account; this and all other sessions end.
    pub async fn close_account(&self) -> Result<(), RestError> {
        self.order(Method::DELETE, "/v1/users/me").await
    }

    /// Changes the password; all other sessions end.
    pub async fn change_password(&self, old: &str, new: &str) -> Result<(), RestError> {
        self.order_with(Method::PUT, "/v1/users/me/password", &json!({ "old": old, "new": new })).await
    }

    /// One user.
    pub async fn user(&self, user: UserId) -> Result<User, RestError> {
        self.ask(Method::GET, &format!("/v1/users/{user}")).await
    }

    /// Those of these users (at most 100) that exist.
    pub async fn users(&self, ids: &[UserId]) -> Result<Page<User>, RestError> {
        let ids: Vec<String> = ids.iter().map(UserId::to_string).collect();
        self.ask(Method::GET, &format!("/v1/users?ids={}", ids.join(","))).await
    }

    /// Users whose name begins so, at least two characters of it.
    pub async fn find_users(&self, name_prefix: &str) -> Result<Page<User>, RestError> {
        let path = reqwest::Url::parse_with_params("http://-/v1/users", [("name_prefix", name_prefix)]);
        let query = path.ok().and_then(|url| url.query().map(ToOwned::to_owned)).unwrap_or_default();
        self.ask(Method::GET, &format!("/v1/users?{query}")).await
    }

    /// Whom this user blocks.
    pub async fn blocks(&self) -> Result<Page<Block>, RestError> {
        self.ask(Method::GET, "/v1/users/me/blocks").await
    }

    /// Blocks a user.
    pub async fn block(&self, user: UserId) -> Result<(), RestError> {
        self.order(Method::PUT, &format!("/v1/users/me/blocks/{user}")).await
    }

    /// Blocks them no longer.
    pub async fn unblock(&self, user: UserId) -> Result<(), RestError> {
        self.order(Method::DELETE, &format!("/v1/users/me/blocks/{user}")).await
    }

    /// Sets what others see of this user's presence.
    pub async fn set_status(&self, status: &Status) -> Result<Status, RestError> {
        self.ask_with(Method::PUT, "/v1/users/me/status", status).await
    }

    /// How these users are now, at most 500.
    pub async fn presence(&self, users: &[UserId]) -> Result<Page<Presence>, RestError> {
        self.ask_with(Method::POST, "/v1/presence/query", &json!({ "users": users })).await
    }
}
