//! What is done with messages once they are sent. REST and WebSocket come here alike; each change is one event.
//!
//! Changes are appended without comparing: the last one by position wins, so two that race cannot fail each other.

mod delete; // for all, one or many
mod edit; // new content
mod mentions; // who is addressed (pure)
mod pin; // put on top, and listed
mod react; // one of each emoji and user

use std::sync::Arc;

use chat_auth::Action;
use chat_bus::Nonce;
use chat_protocol::{
    ErrorCode, MessageId, Seq, UserId,
    event::Event,
    model::{Content, Message},
};

use crate::{
    app::App,
    fault::Fault,
    hub::{Room, Roster},
};

impl App {
    /// A message that `by` may read and that is no tombstone; what is absent and what may not be seen are the same.
    async fn living(&self, room: &Arc<Room>, roster: &Roster, by: UserId, id: MessageId) -> Result<Message, Fault> {
        let message = self.readable(room, roster, by, id).await?;
        if message.deleted { Err(ErrorCode::NotFound.into()) } else { Ok(message) }
    }

    /// The same, tombstones included.
    pub async fn readable(
        &self,
        room: &Arc<Room>,
        roster: &Roster,
        by: UserId,
        id: MessageId,
    ) -> Result<Message, Fault> {
        if id.shard() != room.shard || id.seq() <= room.readable_since(roster, by).await? {
            return Err(ErrorCode::NotFound.into());
        }
        self.message(room, id.seq()).await?.ok_or_else(|| ErrorCode::NotFound.into())
    }

    /// Appends a change and writes it to the store at once, so that whoever made it reads it back anywhere.
    async fn append_change(&self, room: &Arc<Room>, event: Event) -> Result<Seq, Fault> {
        let bytes = event.encode();
        let chance: [u8; 16] = rand::random();
        let nonce = Nonce::hash(&[b"change", &chance]);
        let appended = self.log.append(room.conversation, nonce, bytes.clone(), None).await?;
        room.acknowledged(appended.seq);
        self.apply_eagerly(room, appended.seq, bytes).await;
        Ok(appended.seq)
    }

    /// Whether everything a message refers to is there, for who sends it. Costs nothing where it refers to nothing.
    pub async fn check_references(&self, by: UserId, room: &Arc<Room>, content: &Content) -> Result<(), Fault> {
        if !content.attachments.is_empty() {
            room.authorize(by, Action::Attach).await?;
            // Nothing can be uploaded yet, so no upload is there.
            return Err(Fault::new(ErrorCode::NotFound, "attachments: there is no such upload"));
        }
        let absent = |what: &str| Fault::new(ErrorCode::NotFound, format!("{what}: there is no such message"));
        let told = |what: &'static str| {
            move |fault: Fault| if fault.code == ErrorCode::NotFound { absent(what) } else { fault }
        };
        if let Some(id) = content.reply_to {
            let roster = room.authorize(by, Action::Read).await?;
            self.readable(room, &roster, by, id).await.map_err(told("reply_to"))?;
        }
        if let Some(forward) = &content.forward_of {
            let from = self.hub.room(forward.conversation).await?;
            // A stranger's conversation and one that does not exist are the same.
            let roster = from.authorize(by, Action::Read).await.map_err(|fault| match fault.code {
                ErrorCode::NotAMember | ErrorCode::NotFound | ErrorCode::Forbidden => absent("forward_of"),
                _ => fault,
            })?;
            self.living(&from, &roster, by, forward.message).await.map_err(told("forward_of"))?;
        }
        Ok(())
    }
}
