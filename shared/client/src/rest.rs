//! Requests: one method a route, a deadline on each, and errors as the server words them.

use std::time::Duration;

use chat_protocol::{
    ClientId, ConversationId, ErrorCode, Seq, UserId,
    error::Problem,
    frame::{EventFrame, SecretText},
    model::{Conversation, Kind, Message, SelfUser, Visibility},
};
use reqwest::{Method, RequestBuilder};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Requests to one gateway, by nobody or by a user.
#[derive(Clone)]
pub struct Rest {
    http: reqwest::Client,
    base: String,
    token: Option<SecretText>,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// The server refused, with its reasons.
    #[error("{}: {}", .0.code, .0.detail)]
    Refused(Box<Problem>),
    /// No answer, or none that can be read; it may have been carried out.
    #[error("no answer: {0}")]
    Unanswered(#[source] reqwest::Error),
    /// An answer that is none of this protocol.
    #[error("HTTP {status} without a reason")]
    Unreadable {
        /// The HTTP status.
        status: u16,
    },
}

impl RestError {
    /// The server's code, if it answered one.
    pub fn code(&self) -> Option<ErrorCode> {
        if let Self::Refused(problem) = self { Some(problem.code) } else { None }
    }
}

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

/// What a new conversation is.
#[derive(Debug, Clone, Serialize)]
pub struct NewConversation {
    /// Direct, group or broadcast.
    pub kind: Kind,
    /// The others; the creator is always in.
    pub members: Vec<UserId>,
    /// At most 128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Private, unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Creating twice with the same id makes one.
    pub client_id: ClientId,
}

/// A conversation as its viewer sees it.
#[derive(Debug, Clone, Deserialize)]
pub struct Shown {
    /// Its settings.
    #[serde(flatten)]
    pub conversation: Conversation,
    /// The last position.
    pub head: Seq,
}

/// A part of a list.
#[derive(Debug, Clone, Deserialize)]
pub struct Page<T> {
    /// In the order of the list.
    pub items: Vec<T>,
    /// Where the next one begins; `None` at the end.
    pub next: Option<String>,
}

impl Rest {
    /// Of the gateway at `base` (`http://host:port`), for nobody in particular.
    pub fn new(base: &str) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self { http: reqwest::Client::new(), base, token: None }
    }

    /// The same, as the user of this access token.
    #[must_use]
    pub fn by(&self, access_token: SecretText) -> Self {
        Self { token: Some(access_token), ..self.clone() }
    }

    /// The same user, at another gateway.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), ..self.clone() }
    }

    /// Makes an account, and logs in.
    pub async fn register(&self, name: &str, password: &str, device: &str) -> Result<LoggedIn, RestError> {
        let body = json!({ "name": name, "password": password, "device": device });
        answer(self.request(Method::POST, "/v1/users").json(&body)).await
    }

    /// Logs in.
    pub async fn log_in(&self, name: &str, password: &str, device: &str) -> Result<LoggedIn, RestError> {
        let body = json!({ "name": name, "password": password, "device": device });
        answer(self.request(Method::POST, "/v1/sessions").json(&body)).await
    }

    /// A new pair of tokens for the old refresh token, which is worth nothing then.
    pub async fn refresh(&self, refresh_token: &SecretText) -> Result<LoggedIn, RestError> {
        let body = json!({ "refresh_token": refresh_token.expose() });
        answer(self.request(Method::POST, "/v1/sessions/refresh").json(&body)).await
    }

    /// Makes a conversation, or finds the one that was made with the same `client_id`.
    pub async fn create(&self, wanted: &NewConversation) -> Result<Shown, RestError> {
        answer(self.request(Method::POST, "/v1/conversations").json(wanted)).await
    }

    /// Looks at a conversation.
    pub async fn conversation(&self, of: ConversationId) -> Result<Shown, RestError> {
        answer(self.request(Method::GET, &format!("/v1/conversations/{of}"))).await
    }

    /// Adds members; answers how it went for each.
    pub async fn add_members(&self, to: ConversationId, users: &[UserId]) -> Result<serde_json::Value, RestError> {
        let request = self.request(Method::POST, &format!("/v1/conversations/{to}/members"));
        answer(request.json(&json!({ "users": users }))).await
    }

    /// Sends a text; with the same `client_id` it is the same message, however often.
    pub async fn send(&self, to: ConversationId, client_id: ClientId, text: &str) -> Result<Message, RestError> {
        let request = self.request(Method::POST, &format!("/v1/conversations/{to}/messages"));
        answer(request.json(&json!({ "client_id": client_id, "text": text }))).await
    }

    /// Messages after a position, oldest first.
    pub async fn messages(&self, of: ConversationId, after: Seq, most: usize) -> Result<Page<Message>, RestError> {
        let path = format!("/v1/conversations/{of}/messages?after={after}&limit={most}");
        answer(self.request(Method::GET, &path)).await
    }

    /// Messages before a position, newest first.
    pub async fn messages_before(
        &self,
        of: ConversationId,
        before: Seq,
        most: usize,
    ) -> Result<Page<Message>, RestError> {
        let path = format!("/v1/conversations/{of}/messages?before={before}&limit={most}");
        answer(self.request(Method::GET, &path)).await
    }

    /// Raw events after a position, oldest first.
    pub async fn events(&self, of: ConversationId, after: Seq, most: usize) -> Result<Page<EventFrame>, RestError> {
        let path = format!("/v1/conversations/{of}/events?after={after}&limit={most}");
        answer(self.request(Method::GET, &path)).await
    }

    /// Raw events of the user's own feed.
    pub async fn feed(&self, after: Seq, most: usize) -> Result<Page<EventFrame>, RestError> {
        answer(self.request(Method::GET, &format!("/v1/users/me/events?after={after}&limit={most}"))).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base)).timeout(REQUEST_TIMEOUT);
        match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }
}

async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, RestError> {
    let response = request.send().await.map_err(RestError::Unanswered)?;
    let status = response.status();
    if status.is_success() {
        return response.json().await.map_err(RestError::Unanswered);
    }
    match response.json::<Problem>().await {
        Ok(problem) => Err(RestError::Refused(Box::new(problem))),
        Err(_) => Err(RestError::Unreadable { status: status.as_u16() }),
    }
}
