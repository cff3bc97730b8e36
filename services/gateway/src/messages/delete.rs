//! Messages deleted for all.

use std::{collections::BTreeSet, sync::Arc};

use chat_auth::Action;
use chat_protocol::{
    ConversationId, MessageId, Seq, UserId,
    event::{Body, Event, MessageDeleted},
    model::Message,
};
use futures_util::{StreamExt, stream};

use crate::{app::App, fault::Fault, hub::Room};

/// Messages looked at together.
const AT_ONCE: usize = 8;

/// How it went for one of them.
pub type Deleted = (MessageId, Result<(), Fault>);

impl App {
    /// Deletes messages, each if `by` may; answers how it went for each, in the order asked, and the position of the
    /// last event: none if all that could be were deleted before.
    pub async fn delete(
        &self,
        by: UserId,
        of: ConversationId,
        ids: &[MessageId],
    ) -> Result<(Vec<Deleted>, Option<Seq>), Fault> {
        let room = self.hub.room(of).await?;
        let mut named = BTreeSet::new();
        let ids: Vec<MessageId> = ids.iter().copied().filter(|id| named.insert(*id)).collect();
        let looked: Vec<(MessageId, Result<Message, Fault>)> =
            stream::iter(ids).map(|id| self.looked_at(&room, by, id)).buffered(AT_ONCE).collect().await;
        let (mut results, mut own, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (id, found) in looked {
            match found {
                // A fault of ours is nobody's result.
                Err(fault) if fault.code.http().is_none_or(|status| status >= 500) => return Err(fault),
                Err(fault) => results.push((id, Err(fault))),
                Ok(message) => {
                    match message {
                        Message { deleted: true, .. } => {}
                        Message { by: author, .. } if author == by => own.push(id),
                        _ => others.push(id),
                    }
                    results.push((id, Ok(())));
                }
            }
        }
        let mut last = None;
        for (messages, reason) in [(own, "author"), (others, "moderator")] {
            if !messages.is_empty() {
                let body = Body::MessageDeleted(MessageDeleted { messages, reason: reason.to_owned() });
                last = Some(self.append_change(&room, Event { at: self.now(), by, body }).await?);
            }
        }
        Ok((results, last))
    }

    async fn looked_at(&self, room: &Arc<Room>, by: UserId, id: MessageId) -> (MessageId, Result<Message, Fault>) {
        (id, self.deletable(room, by, id).await)
    }

    async fn deletable(&self, room: &Arc<Room>, by: UserId, id: MessageId) -> Result<Message, Fault> {
        let roster = room.authorize(by, Action::Read).await?;
        let message = self.readable(room, &roster, by, id).await?;
        room.authorize(by, Action::Delete { author: message.by }).await?;
        Ok(message)
    }
}
