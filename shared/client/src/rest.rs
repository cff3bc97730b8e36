//! Requests: one method a route, a deadline on each, and errors as the server words them.

mod accounts; // users, sessions, blocks, presence
mod conversations; // conversations and who is in them
mod messages; // messages and what is done with them

use std::time::Duration;

use chat_protocol::{ErrorCode, error::Problem, frame::SecretText};
use reqwest::{Method, RequestBuilder, Response};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use self::{
    accounts::{LoggedIn, ProfileChange},
    conversations::{Listed, NewConversation, Outcome, SettingsChange, Shown, ShownMember},
    messages::Sent,
};

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

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, RestError> {
        answer(self.request(method, path)).await
    }

    async fn ask_with<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, RestError> {
        answer(self.request(method, path).json(body)).await
    }

    async fn order(&self, method: Method, path: &str) -> Result<(), RestError> {
        accepted(self.request(method, path)).await
    }

    async fn order_with(&self, method: Method, path: &str, body: &(impl Serialize + Sync)) -> Result<(), RestError> {
        accepted(self.request(method, path).json(body)).await
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
    checked(request).await?.json().await.map_err(RestError::Unanswered)
}

/// An answer without a body, or with one that does not matter.
async fn accepted(request: RequestBuilder) -> Result<(), RestError> {
    checked(request).await.map(drop)
}

async fn checked(request: RequestBuilder) -> Result<Response, RestError> {
    let response = request.send().await.map_err(RestError::Unanswered)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    match response.json::<Problem>().await {
        Ok(problem) => Err(RestError::Refused(Box::new(problem))),
        Err(_) => Err(RestError::Unreadable { status: status.as_u16() }),
    }
}
