//! Changes that must be serialised: who is in a conversation, as what, and what it is. Decided on a roster, appended
//! only if nothing came between, tried anew if something did.

use std::{sync::Arc, time::Duration};

use chat_bus::{BusError, Nonce};
use chat_protocol::{
    ConversationId, ErrorCode, MessageId, Seq, UserId,
    event::{Body, Event},
    frame::EventFrame,
};
use chat_store::EventRow;
use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use crate::{
    app::App,
    fault::Fault,
    hub::{Room, Roster},
};

/// Tries before the caller is told `conflict`.
const TRIES: usize = 3;
/// Feeds written at once.
const FEEDS_AT_ONCE: usize = 16;
/// Tries for one feed.
const FEED_TRIES: u32 = 5;
/// Until this gateway's own roster shows what it appended.
const ROSTER_DEADLINE: Duration = Duration::from_secs(5);

/// A control event that is in the log, and in this gateway's roster.
#[derive(Debug, Clone)]
pub struct Changed {
    /// What was appended, with its place.
    pub frame: EventFrame,
}

impl App {
    /// Decides on the present roster and appends what was decided, unless `decide` says that nothing is to be done.
    pub async fn change(
        &self,
        conversation: ConversationId,
        by: UserId,
        decide: impl Fn(&Roster) -> Result<Option<Body>, Fault> + Send + Sync,
    ) -> Result<Option<Changed>, Fault> {
        let room = self.hub.room(conversation).await?;
        for _ in 0..TRIES {
            // The head first: whatever the roster shows beyond it makes the append fail, never the other way round.
            let heads = self.log.heads(&[conversation], true).await?;
            let head = heads.first().copied().flatten().unwrap_or(Seq::ZERO);
            let roster = self.roster_at(&room, head).await?;
            let Some(body) = decide(&roster)? else { return Ok(None) };
            let event = Event { at: self.now(), by, body };
            let bytes = event.encode();
            let chance: [u8; 16] = rand::random();
            match self.log.append(conversation, Nonce::hash(&[b"control", &chance]), bytes.clone(), Some(head)).await {
                Ok(appended) => {
                    let frame = EventFrame::new(conversation, room.shard, appended.seq, head, event);
                    self.apply_eagerly(&room, appended.seq, bytes).await;
                    // The caller's next request here finds what this one did.
                    if let Err(fault) = self.roster_at(&room, appended.seq).await {
                        tracing::warn!(conversation = %conversation, code = %fault.code, "own change not seen yet");
                    }
                    return Ok(Some(Changed { frame }));
                }
                Err(BusError::WrongHead(_)) => {}
                Err(err) => return Err(err.into()),
            }
        }
        Err(ErrorCode::Conflict.into())
    }

    /// Runs to its end whatever becomes of the request: what was appended must be told.
    pub async fn complete<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Fault>> + Send + 'static,
    ) -> Result<T, Fault> {
        self.shutdown.spawn(work).await.unwrap_or_else(|_| Err(ErrorCode::Internal.into()))
    }

    /// Tells one user's feed; tried a few times, because nobody else will.
    ///
    /// What is missing in a feed after all is still right in the user's list, which the store derives from the
    /// conversation's own events: the next `hello` follows it.
    pub async fn tell(self: &Arc<Self>, by: UserId, news: Vec<(UserId, Body)>, cause: MessageId) {
        stream::iter(news)
            .for_each_concurrent(FEEDS_AT_ONCE, |(user, body)| async move {
                let feed = ConversationId::feed(user);
                let bytes = Event { at: self.now(), by, body }.encode();
                let nonce = Nonce::hash(&[b"feed", &user.as_u128().to_be_bytes(), &cause.as_u64().to_be_bytes()]);
                for attempt in 0..FEED_TRIES {
                    match self.log.append(feed, nonce, bytes.clone(), None).await {
                        Ok(_) => return,
                        Err(err) => tracing::warn!(%feed, error = %err, attempt, "feed not told"),
                    }
                    tokio::time::sleep(Duration::from_millis(100 << attempt)).await;
                }
            })
            .await;
    }

    /// Tells one user's feed something that no event caused.
    pub async fn tell_once(self: &Arc<Self>, by: UserId, user: UserId, body: Body) {
        let cause = rand::random::<u64>() >> 12;
        if let Some(cause) = MessageId::from_u64(cause) {
            self.tell(by, vec![(user, body)], cause).await;
        }
    }

    /// The roster with everything up to `head` in it.
    async fn roster_at(&self, room: &Arc<Room>, head: Seq) -> Result<Arc<Roster>, Fault> {
        room.want(head);
        timeout(ROSTER_DEADLINE, room.reach(head))
            .await
            .map_err(|_| Fault::new(ErrorCode::LogUnavailable, "the log is slow, try again"))?;
        room.roster().await
    }

    /// Writes the event to the store at once, so that the writer reads it back anywhere; the persister does it again.
    async fn apply_eagerly(&self, room: &Room, seq: Seq, event: bytes::Bytes) {
        let row = EventRow { conversation: room.conversation, shard: room.shard, seq, event };
        if let Err(err) = self.store.apply(&[row]).await {
            tracing::warn!(conversation = %room.conversation, error = %err, "left to the persister");
        }
    }
}
