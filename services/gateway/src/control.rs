//! Changes that must be serialised: who is in a conversation, as what, and what it is. Decided on a roster, appended
//! only if nothing came between, tried anew if something did.

use std::{sync::Arc, time::Duration};

use chat_bus::{BusError, Nonce};
use chat_protocol::{
    ConversationId, ErrorCode, MessageId, Seq, UserId,
    event::{Body, Event},
    frame::EventFrame,
    limits,
};
use chat_store::EventRow;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::timeout;

use crate::{
    app::App,
    fault::Fault,
    hub::{Room, Roster},
};

/// Tries before the caller is told `conflict`.
pub const TRIES: usize = 3;
/// Feeds written at once.
const FEEDS_AT_ONCE: usize = 16;
/// Events of one feed that are applied at once.
const FEED_PAGE: usize = 100;
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

    /// The newest position of a user's feed, which the store has reached: what is read of them there after this is as
    /// new. Another gateway may have appended what neither it nor a persister has applied yet, so this one does.
    pub async fn feed_head(&self, user: UserId) -> Result<Seq, Fault> {
        let feed = ConversationId::feed(user);
        let heads = self.log.heads(&[feed], true).await?;
        let head = heads.first().copied().flatten().unwrap_or(Seq::ZERO);
        let room = self.hub.room(feed).await?;
        let mut after = self.log.shard_state(room.shard).await?.settled;
        while after < head {
            let events = self.log.tail(feed, after, FEED_PAGE).await?;
            let Some(last) = events.last() else { break };
            after = last.seq;
            let rows = events.into_iter().map(|logged| EventRow {
                conversation: feed,
                shard: room.shard,
                seq: logged.seq,
                event: logged.event,
            });
            self.store.apply(&rows.collect::<Vec<_>>()).await?;
        }
        Ok(head)
    }

    /// Appends what a user did to their own feed, for all their devices; `false`: another of them came after `head`.
    pub async fn append_to_feed(&self, user: UserId, body: Body, head: Seq) -> Result<bool, Fault> {
        let room = self.hub.room(ConversationId::feed(user)).await?;
        let event = Event { at: self.now(), by: user, body }.encode();
        let chance: [u8; 16] = rand::random();
        let nonce = Nonce::hash(&[b"control", &chance]);
        match self.log.append(room.conversation, nonce, event.clone(), Some(head)).await {
            Ok(appended) => {
                room.acknowledged(appended.seq);
                self.apply_eagerly(&room, appended.seq, event).await;
                Ok(true)
            }
            Err(BusError::WrongHead(_)) => Ok(false),
            Err(err) => Err(err.into()),
        }
    }

    /// Refuses if one of these users is in as many conversations as one may be.
    pub async fn have_room(&self, users: &[UserId]) -> Result<(), Fault> {
        let counts: Vec<usize> = stream::iter(users.to_vec())
            .map(|user| self.store.memberships(user, None, limits::CONVERSATIONS_PER_USER))
            .buffer_unordered(FEEDS_AT_ONCE)
            .map_ok(|rows| rows.len())
            .try_collect()
            .await?;
        if counts.into_iter().any(|count| count >= limits::CONVERSATIONS_PER_USER) {
            let detail = format!("one of the users is in {} conversations", limits::CONVERSATIONS_PER_USER);
            return Err(Fault::new(ErrorCode::LimitReached, detail));
        }
        Ok(())
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
    pub(crate) async fn apply_eagerly(&self, room: &Room, seq: Seq, event: bytes::Bytes) {
        let row = EventRow { conversation: room.conversation, shard: room.shard, seq, event };
        if let Err(err) = self.store.apply(&[row]).await {
            tracing::warn!(conversation = %room.conversation, error = %err, "left to the persister");
        }
    }
}
