//! Messages and what is done with them.

use chat_protocol::{
    ClientId, ConversationId, MessageId, Seq,
    frame::EventFrame,
    model::{Content, ContentChange, Message, Reaction},
};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Page, Rest, RestError};

/// A message that is in the log.
#[derive(Debug, Clone, Deserialize)]
pub struct Sent {
    /// As it was sent first.
    #[serde(flatten)]
    pub message: Message,
    /// It was there before: an earlier try of the same `client_id`.
    #[serde(default)]
    pub duplicate: bool,
}

#[derive(Serialize)]
struct Send<'a> {
    client_id: ClientId,
    #[serde(flatten)]
    content: &'a Content,
}

impl Rest {
    /// Sends a text; with the same `client_id` it is the same message, however often.
    pub async fn send(&self, to: ConversationId, client_id: ClientId, text: &str) -> Result<Sent, RestError> {
        let content = Content { text: Some(text.to_owned()), ..Content::default() };
        self.send_content(to, client_id, &content).await
    }

    /// The same with anything a message may hold.
    pub async fn send_content(
        &self,
        to: ConversationId,
        client_id: ClientId,
        content: &Content,
    ) -> Result<Sent, RestError> {
        let path = format!("/v1/conversations/{to}/messages");
        self.ask_with(Method::POST, &path, &Send { client_id, content }).await
    }

    /// Messages after a position, oldest first.
    pub async fn messages(&self, of: ConversationId, after: Seq, most: usize) -> Result<Page<Message>, RestError> {
        self.ask(Method::GET, &format!("/v1/conversations/{of}/messages?after={after}&limit={most}")).await
    }

    /// Messages before a position, newest first.
    pub async fn messages_before(
        &self,
        of: ConversationId,
        before: Seq,
        most: usize,
    ) -> Result<Page<Message>, RestError> {
        self.ask(Method::GET, &format!("/v1/conversations/{of}/messages?before={before}&limit={most}")).await
    }

    /// Messages on both sides of one, it included, newest first.
    pub async fn messages_around(
        &self,
        of: ConversationId,
        around: MessageId,
        most: usize,
    ) -> Result<Page<Message>, RestError> {
        self.ask(Method::GET, &format!("/v1/conversations/{of}/messages?around={around}&limit={most}")).await
    }

    /// One message as it is now.
    pub async fn message(&self, of: ConversationId, message: MessageId) -> Result<Message, RestError> {
        self.ask(Method::GET, &message_path(of, message)).await
    }

    /// Changes a message of one's own.
    pub async fn edit(
        &self,
        of: ConversationId,
        message: MessageId,
        change: &ContentChange,
    ) -> Result<Message, RestError> {
        self.ask_with(Method::PATCH, &message_path(of, message), change).await
    }

    /// Deletes a message for all.
    pub async fn delete(&self, of: ConversationId, message: MessageId) -> Result<(), RestError> {
        self.order(Method::DELETE, &message_path(of, message)).await
    }

    /// Deletes messages for all, at most 100; the answer says how it went for each.
    pub async fn delete_many(
        &self,
        of: ConversationId,
        messages: &[MessageId],
    ) -> Result<Page<serde_json::Value>, RestError> {
        let path = format!("/v1/conversations/{of}/messages/delete");
        self.ask_with(Method::POST, &path, &json!({ "messages": messages })).await
    }

    /// Who reacted with what.
    pub async fn reactions(&self, of: ConversationId, message: MessageId) -> Result<Page<Reaction>, RestError> {
        self.ask(Method::GET, &format!("{}/reactions", message_path(of, message))).await
    }

    /// Reacts to a message.
    pub async fn react(&self, of: ConversationId, message: MessageId, emoji: &str) -> Result<(), RestError> {
        self.order(Method::PUT, &reaction_path(of, message, emoji)).await
    }

    /// Takes a reaction back.
    pub async fn take_back(&self, of: ConversationId, message: MessageId, emoji: &str) -> Result<(), RestError> {
        self.order(Method::DELETE, &reaction_path(of, message, emoji)).await
    }

    /// The pinned messages.
    pub async fn pins(&self, of: ConversationId) -> Result<Page<Message>, RestError> {
        self.ask(Method::GET, &format!("/v1/conversations/{of}/pins")).await
    }

    /// Pins a message.
    pub async fn pin(&self, of: ConversationId, message: MessageId) -> Result<(), RestError> {
        self.order(Method::PUT, &format!("/v1/conversations/{of}/pins/{message}")).await
    }

    /// Unpins it.
    pub async fn unpin(&self, of: ConversationId, message: MessageId) -> Result<(), RestError> {
        self.order(Method::DELETE, &format!("/v1/conversations/{of}/pins/{message}")).await
    }

    /// Raw events after a position, oldest first.
    pub async fn events(&self, of: ConversationId, after: Seq, most: usize) -> Result<Page<EventFrame>, RestError> {
        self.ask(Method::GET, &format!("/v1/conversations/{of}/events?after={after}&limit={most}")).await
    }

    /// Raw events of the user's own feed.
    pub async fn feed(&self, after: Seq, most: usize) -> Result<Page<EventFrame>, RestError> {
        self.ask(Method::GET, &format!("/v1/users/me/events?after={after}&limit={most}")).await
    }
}

fn message_path(of: ConversationId, message: MessageId) -> String {
    format!("/v1/conversations/{of}/messages/{message}")
}

/// An emoji is percent-encoded, byte by byte: it may be any text.
fn reaction_path(of: ConversationId, message: MessageId, emoji: &str) -> String {
    let encoded: String = emoji.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("{}/reactions/{encoded}", message_path(of, message))
}
