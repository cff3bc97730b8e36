//! Conversations and who is in them.

use std::collections::BTreeMap;

use chat_protocol::{
    ClientId, ConversationId, ErrorCode, Seq, Timestamp, UserId,
    model::{Ban, Conversation, Kind, Marker, MemberSettings, Message, Override, Visibility},
    rights::{Rights, Role},
};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Page, Rest, RestError, accepted, answer};

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
    /// How many members there are; readers of a broadcast are not counted.
    #[serde(default)]
    pub members_count: u64,
    /// The viewer's own; absent for who is no member.
    #[serde(default)]
    pub role: Option<Role>,
}

/// A conversation in the user's own list.
#[derive(Debug, Clone, Deserialize)]
pub struct Listed {
    /// What everybody sees.
    #[serde(flatten)]
    pub shown: Shown,
    /// The newest message, its text cut to 200 characters.
    #[serde(default)]
    pub last_message: Option<Message>,
    /// Messages after the user's marker, counted to 100.
    #[serde(default)]
    pub unread: u32,
    /// Those of them that mention the user, counted to 100.
    #[serde(default)]
    pub mentions: u32,
    /// What the user set for it.
    #[serde(default)]
    pub settings: MemberSettings,
    /// How far the user has read.
    #[serde(default)]
    pub marker: Option<Marker>,
}

/// What to change of a conversation; `Some(None)` removes.
#[derive(Debug, Clone, Default, Serialize)]
#[expect(missing_docs, reason = "the fields of the conversation")]
pub struct SettingsChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Option<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_mode_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overrides: Option<BTreeMap<Role, Override>>,
}

/// A member as others see them; the settings only of oneself.
#[derive(Debug, Clone, Deserialize)]
pub struct ShownMember {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// What that allows here.
    pub rights: Rights,
    /// Since when.
    pub joined_at: Timestamp,
}

/// How it went for one of many.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Outcome {
    /// Whom it concerns.
    pub user: UserId,
    /// `None` if it was done.
    #[serde(default)]
    pub code: Option<ErrorCode>,
}

impl Rest {
    /// Makes a conversation, or finds the one that was made with the same `client_id`.
    pub async fn create(&self, wanted: &NewConversation) -> Result<Shown, RestError> {
        self.ask_with(Method::POST, "/v1/conversations", wanted).await
    }

    /// Looks at a conversation.
    pub async fn conversation(&self, of: ConversationId) -> Result<Shown, RestError> {
        self.ask(Method::GET, &format!("/v1/conversations/{of}")).await
    }

    /// The own conversations, newest first; `cursor` is an earlier page's `next`.
    pub async fn conversations(&self, cursor: Option<&str>) -> Result<Page<Listed>, RestError> {
        let cursor = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
        self.ask(Method::GET, &format!("/v1/conversations{cursor}")).await
    }

    /// Changes a conversation; with `version` only if that is still its version.
    pub async fn change_conversation(
        &self,
        of: ConversationId,
        change: &SettingsChange,
        version: Option<Seq>,
    ) -> Result<Shown, RestError> {
        let request = self.request(Method::PATCH, &format!("/v1/conversations/{of}")).json(change);
        answer(match version {
            Some(version) => request.header("If-Match", format!("\"{version}\"")),
            None => request,
        })
        .await
    }

    /// Deletes a conversation for all.
    pub async fn delete_conversation(&self, of: ConversationId) -> Result<(), RestError> {
        self.order(Method::DELETE, &format!("/v1/conversations/{of}")).await
    }

    /// The members, by user id.
    pub async fn members(&self, of: ConversationId, cursor: Option<&str>) -> Result<Page<ShownMember>, RestError> {
        let cursor = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
        self.ask(Method::GET, &format!("/v1/conversations/{of}/members{cursor}")).await
    }

    /// Adds members, at most 100; answers how it went for each.
    pub async fn add_members(&self, to: ConversationId, users: &[UserId]) -> Result<Page<Outcome>, RestError> {
        self.ask_with(Method::POST, &format!("/v1/conversations/{to}/members"), &json!({ "users": users })).await
    }

    /// Joins a public conversation.
    pub async fn join(&self, to: ConversationId) -> Result<ShownMember, RestError> {
        self.ask(Method::PUT, &format!("/v1/conversations/{to}/members/me")).await
    }

    /// Leaves.
    pub async fn leave(&self, of: ConversationId) -> Result<(), RestError> {
        self.order(Method::DELETE, &format!("/v1/conversations/{of}/members/me")).await
    }

    /// Removes a member.
    pub async fn kick(&self, of: ConversationId, user: UserId) -> Result<(), RestError> {
        self.order(Method::DELETE, &format!("/v1/conversations/{of}/members/{user}")).await
    }

    /// Gives a member another role.
    pub async fn change_role(&self, of: ConversationId, user: UserId, role: Role) -> Result<ShownMember, RestError> {
        let path = format!("/v1/conversations/{of}/members/{user}");
        self.ask_with(Method::PATCH, &path, &json!({ "role": role })).await
    }

    /// Changes one's own settings of a conversation; what is not given stays.
    pub async fn change_own(&self, of: ConversationId, change: &Value) -> Result<ShownMember, RestError> {
        self.ask_with(Method::PATCH, &format!("/v1/conversations/{of}/members/me"), change).await
    }

    /// Who is kept out.
    pub async fn bans(&self, of: ConversationId) -> Result<Page<Ban>, RestError> {
        self.ask(Method::GET, &format!("/v1/conversations/{of}/bans")).await
    }

    /// Keeps somebody out, and removes them.
    pub async fn ban(
        &self,
        of: ConversationId,
        user: UserId,
        reason: Option<&str>,
        until: Option<Timestamp>,
    ) -> Result<(), RestError> {
        let mut body = serde_json::Map::new();
        body.extend(reason.map(|reason| ("reason".to_owned(), json!(reason))));
        body.extend(until.map(|until| ("until".to_owned(), json!(until))));
        accepted(self.request(Method::PUT, &format!("/v1/conversations/{of}/bans/{user}")).json(&body)).await
    }

    /// Lifts a ban.
    pub async fn unban(&self, of: ConversationId, user: UserId) -> Result<(), RestError> {
        self.order(Method::DELETE, &format!("/v1/conversations/{of}/bans/{user}")).await
    }

    /// Raises the own marker; answers where it is then.
    pub async fn mark(&self, of: ConversationId, read: Seq) -> Result<Marker, RestError> {
        self.ask_with(Method::PUT, &format!("/v1/conversations/{of}/marker"), &json!({ "read": read })).await
    }

    /// How far members have read, of those who show it.
    pub async fn markers(&self, of: ConversationId) -> Result<Page<Marker>, RestError> {
        self.ask(Method::GET, &format!("/v1/conversations/{of}/markers")).await
    }
}
