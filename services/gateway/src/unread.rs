//! How much a reader has not seen: derived from where their marker is, never counted up, so that it cannot drift.
//!
//! The room's tail in memory knows it for who is nearly up to date; for the others a few pages of history do. The work
//! is bounded: above [`limits::UNREAD`] a number is only "many".

use std::{collections::HashSet, sync::Arc};

use chat_protocol::{
    Seq, UserId, limits,
    model::{Message, MessageKind},
};
use chat_store::{Cursor, MessagePage};
use serde::Serialize;
use tokio::sync::OnceCell;
use utoipa::ToSchema;

use crate::{app::App, fault::Fault, hub::Room};

/// Pages of history looked at for one answer: more are only needed when most messages are one's own, or deleted.
const PAGES: usize = 3;

/// What one reader has not seen of one conversation; both are counted to [`limits::UNREAD`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Unread {
    /// Texts of others.
    pub unread: u32,
    /// Those among them that address the reader, or everybody; not of whom the reader blocks.
    pub mentions: u32,
}

/// Who asks what they have not seen; whom they block is read once for all of their conversations, and only if somebody
/// calls them.
pub struct Reader {
    user: UserId,
    blocked: OnceCell<HashSet<UserId>>,
}

impl Reader {
    pub fn new(user: UserId) -> Self {
        Self { user, blocked: OnceCell::new() }
    }

    /// Without the store nobody is: then one is called once too often.
    async fn blocked(&self, app: &App) -> &HashSet<UserId> {
        let read = async {
            let blocks = app.store.blocks(self.user, None, limits::BLOCKS).await.unwrap_or_default();
            blocks.into_iter().map(|block| block.user).collect()
        };
        self.blocked.get_or_init(|| read).await
    }
}

impl App {
    /// What a reader has not seen after `marker`: how far they have read, or where they joined if that is later.
    pub async fn unread(&self, reader: &Reader, room: &Arc<Room>, marker: Seq) -> Result<Unread, Fault> {
        let seen = self.unseen(reader.user, room, marker).await?;
        if seen.called_by.is_empty() {
            return Ok(seen.without(&HashSet::new()));
        }
        // Whoever the reader blocks does not call them.
        Ok(seen.without(reader.blocked(self).await))
    }

    async fn unseen(&self, user: UserId, room: &Arc<Room>, marker: Seq) -> Result<Unseen, Fault> {
        let mut seen = Unseen::default();
        let mut after = marker;
        for _ in 0..PAGES {
            if let Some(kept) = room.kept_after(after) {
                kept.iter().for_each(|kept| seen.count(user, kept.message()));
                return Ok(seen);
            }
            if let Some((overlay, _)) = room.overlay_after(after).await {
                overlay.messages().for_each(|message| seen.count(user, &message));
                return Ok(seen);
            }
            let MessagePage { messages, more } = self.history(room, Cursor::After(after), limits::PAGE_MAX).await?;
            messages.iter().for_each(|message| seen.count(user, message));
            after = messages.last().map_or(after, |last| last.seq);
            if !more {
                return Ok(seen);
            }
            if seen.unread >= limits::UNREAD {
                break;
            }
        }
        // Too many to look at each: mentions are most likely wanted of the newest, which are in memory.
        for message in room.newest_in_memory().await.iter().filter(|message| message.seq > after) {
            seen.count(user, message);
        }
        Ok(seen)
    }
}

/// The same, before it is known whom the reader blocks.
#[derive(Debug, Default)]
struct Unseen {
    unread: u32,
    /// Who addressed the reader, once for each message.
    called_by: Vec<UserId>,
}

impl Unseen {
    /// One more message after the marker.
    fn count(&mut self, reader: UserId, message: &Message) {
        if message.kind != MessageKind::Text || message.by == reader || message.deleted {
            return;
        }
        self.unread = (self.unread + 1).min(limits::UNREAD);
        if mentions(&message.mentions, reader) {
            self.called_by.push(message.by);
        }
    }

    fn without(&self, blocked: &HashSet<UserId>) -> Unread {
        let mentions = self.called_by.iter().filter(|by| !blocked.contains(by)).count();
        let mentions = u32::try_from(mentions).unwrap_or(u32::MAX).min(limits::UNREAD);
        Unread { unread: self.unread, mentions }
    }
}

/// Whether a message's mentions address a reader: by id, or as one of all.
fn mentions(mentions: &[String], reader: UserId) -> bool {
    if mentions.is_empty() {
        return false;
    }
    let reader = reader.to_string();
    mentions.iter().any(|word| word == "all" || word == "here" || *word == reader)
}

#[cfg(test)]
mod tests {
    use chat_protocol::{ClientId, ConversationId, MessageId, Shard, Timestamp, model::Content};

    use super::*;

    fn message(by: u128, mentions: &[&str]) -> Message {
        let seq = Seq::new(1).unwrap();
        Message {
            id: MessageId::new(Shard::new(0).unwrap(), seq),
            conversation: ConversationId::from_u128(1),
            seq,
            at: Timestamp::EPOCH,
            by: UserId::from_u128(by),
            client_id: ClientId::from_u128(1),
            kind: MessageKind::Text,
            content: Content::default(),
            mentions: mentions.iter().map(|word| (*word).to_owned()).collect(),
            reactions: Vec::new(),
            pinned: false,
            edited_at: None,
            version: seq,
            deleted: false,
        }
    }

    fn counted(messages: &[Message]) -> Unread {
        counted_without(messages, &[])
    }

    fn counted_without(messages: &[Message], blocked: &[u128]) -> Unread {
        let mut seen = Unseen::default();
        messages.iter().for_each(|message| seen.count(UserId::from_u128(7), message));
        seen.without(&blocked.iter().copied().map(UserId::from_u128).collect())
    }

    #[test]
    fn who_is_blocked_is_unread_and_calls_nobody() {
        let both = [message(1, &["all"]), message(2, &["all"])];
        assert_eq!(counted_without(&both, &[1]), Unread { unread: 2, mentions: 1 });
    }

    #[test]
    fn own_deleted_and_system_messages_do_not_count() {
        let deleted = Message { deleted: true, ..message(1, &["all"]) };
        let system = Message { kind: MessageKind::System, ..message(1, &["all"]) };
        assert_eq!(counted(&[message(7, &["all"]), deleted, system]), Unread::default());
        assert_eq!(counted(&[message(1, &[])]), Unread { unread: 1, mentions: 0 });
    }

    #[test]
    fn the_reader_all_and_here_are_mentions_and_others_are_not() {
        let me = UserId::from_u128(7).to_string();
        let other = UserId::from_u128(8).to_string();
        let all = [message(1, &[&me]), message(1, &["all"]), message(1, &["here"]), message(1, &[&other])];
        assert_eq!(counted(&all), Unread { unread: 4, mentions: 3 });
    }

    #[test]
    fn a_hundred_is_many() {
        let many: Vec<Message> = (0..250).map(|_| message(1, &["all"])).collect();
        assert_eq!(counted(&many), Unread { unread: 100, mentions: 100 });
    }
}
