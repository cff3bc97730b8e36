//! New content for a message of one's own.

use chat_auth::Action;
use chat_protocol::{
    ConversationId, ErrorCode, MessageId, Seq, UserId, content,
    event::{Body, Event, MessageUpdated},
    limits,
    model::{Content, ContentChange, Message},
};

use crate::{app::App, fault::Fault};

impl App {
    /// Changes a message; answers it as it is then, and the position of the change: none if nothing changed.
    pub async fn edit(
        &self,
        by: UserId,
        of: ConversationId,
        id: MessageId,
        change: ContentChange,
    ) -> Result<(Message, Option<Seq>), Fault> {
        let room = self.hub.room(of).await?;
        let roster = room.authorize(by, Action::Read).await?;
        let message = self.living(&room, &roster, by, id).await?;
        room.authorize(by, Action::Edit { author: message.by }).await?;
        let now = self.now();
        let age_ms = now.as_ms().saturating_sub(message.at.as_ms());
        if age_ms > limits::EDIT_WINDOW.as_millis() as i64 {
            return Err(Fault::new(ErrorCode::TooLate, "a message can be edited for 24 hours"));
        }
        let content = applied(message.content.clone(), change);
        content::check(&content, now)?;
        if content == message.content {
            return Ok((message, None));
        }
        let mentions = self.mentions(&room, by, &content).await?;
        let updated = MessageUpdated { message: id, content: content.clone(), mentions: mentions.clone() };
        let seq =
            self.append_change(&room, Event { at: now, by, body: Body::MessageUpdated(Box::new(updated)) }).await?;
        Ok((Message { content, mentions, edited_at: Some(now), version: seq, ..message }, Some(seq)))
    }
}

/// Styles belong to their text: a new text without new styles has none.
fn applied(mut content: Content, change: ContentChange) -> Content {
    let ContentChange { text, spans, payload } = change;
    if text.is_some() {
        content.text = text;
        content.spans.clear();
    }
    if let Some(spans) = spans {
        content.spans = spans;
    }
    if payload.is_some() {
        content.payload = payload;
    }
    content
}
