//! Changes that must be serialised: who is in a conversation, as what, and what it is. Decided on a roster, appended
//! only if nothing came between, tried anew if something did.

use std::{sync::Arc, time::Duration};

use chat_bus::{BusError, Nonce};
use chat_protocol::{
    ConversationId, ErrorCode, MessageId, Seq, UserId,
    event::{self, Body, Event},
    frame::EventFrame,
    limits,
};
use chat_store::EventRow;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::{Instant, timeout};

use crate::{
    app::App,
    fault::Fault,
    hub::{Room, Roster},
};

/// Other changes that may come between before the caller is told `conflict`.
pub const TRIES: usize = 3;
/// The same for anything at all, messages included, which change nothing of what is decided on.
const APPENDS: usize = 24;
/// Between two tries, at most: who lost does not come back at the same moment as the others who did.
const PAUSE_MS: u64 = 20;
/// Feeds written at once.
const FEEDS_AT_ONCE: usize = 16;
/// Events of one feed that are applied at once.
const FEED_PAGE: usize = 100;
/// Tries for one feed.
const FEED_TRIES: u32 = 5;
/// For the changes of the same conversation that were asked for before.
const TURN_DEADLINE: Duration = Duration::from_secs(5);
/// Until this gateway's own roster shows what it appended.
const ROSTER_DEADLINE: Duration = Duration::from_secs(5);

/// A control event that is in the log, and in this gateway's roster.
#[derive(Debug, Clone)]
pub struct Changed {
    /// What was appended, with its place.
    pub frame: EventFrame,
}

/// How often a change is tried anew because something else came first.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    changes: usize,
    appends: usize,
    /// Instead of counting.
    until: Option<Instant>,
}

impl Default for Patience {
    fn default() -> Self {
        Self { changes: TRIES, appends: APPENDS, until: None }
    }
}

impl Patience {
    /// However often, until then: for one of many changes that were asked for at once.
    pub const fn until(until: Instant) -> Self {
        Self { changes: 0, appends: 0, until: Some(until) }
    }

    /// Something came between, which changed what was decided on or did not: whether there is another try.
    fn lasts(&mut self, changed: bool) -> bool {
        if let Some(until) = self.until {
            return Instant::now() < until;
        }
        self.changes = self.changes.saturating_sub(usize::from(changed));
        self.appends = self.appends.saturating_sub(1);
        self.changes > 0 && self.appends > 0
    }
}

impl App {
    /// Decides on the present roster and appends what was decided, unless `decide` says that nothing is to be done.
    pub async fn change(
        &self,
        conversation: ConversationId,
        by: UserId,
        decide: impl Fn(&Roster) -> Result<Option<Body>, Fault> + Send + Sync,
    ) -> Result<Option<Changed>, Fault> {
        self.change_patiently(conversation, by, Patience::default(), decide).await
    }

    /// The same, tried anew for as long as the patience lasts.
    pub async fn change_patiently(
        &self,
        conversation: ConversationId,
        by: UserId,
        mut patience: Patience,
        decide: impl Fn(&Roster) -> Result<Option<Body>, Fault> + Send + Sync,
    ) -> Result<Option<Changed>, Fault> {
        let room = self.hub.room(conversation).await?;
        let mut before: Option<Arc<Roster>> = None;
        loop {
            // Changes of this gateway wait for each other instead of making each other fail; behind a log that is slow
            // not for long.
            let one_change = timeout(TURN_DEADLINE, room.one_change()).await.ok();
            // The head first: whatever the roster shows beyond it makes the append fail, never the other way round.
            let heads = self.log.heads(&[conversation], true).await?;
            let head = heads.first().copied().flatten().unwrap_or(Seq::ZERO);
            let roster = self.roster_at(&room, head).await?;
            let changed = before.as_ref().is_some_and(|before| !Arc::ptr_eq(before, &roster));
            if before.is_some() && !patience.lasts(changed) {
                return Err(ErrorCode::Conflict.into());
            }
            let Some(body) = decide(&roster)? else { return Ok(None) };
            let event = Event { at: self.now(), by, body };
            let bytes = event.encode();
            let chance: [u8; 16] = rand::random();
            match self.log.append(conversation, Nonce::hash(&[b"control", &chance]), bytes.clone(), Some(head)).await {
                Ok(appended) => {
                    drop(one_change);
                    let frame = EventFrame::new(conversation, room.shard, appended.seq, head, event);
                    self.apply_eagerly(&room, appended.seq, bytes).await;
                    // The caller's next request here finds what this one did.
                    if let Err(fault) = self.roster_at(&room, appended.seq).await {
                        tracing::warn!(conversation = %conversation, code = %fault.code, "own change not seen yet");
                    }
                    return Ok(Some(Changed { frame }));
                }
                Err(BusError::WrongHead(_)) => before = Some(roster),
                Err(err) => return Err(err.into()),
            }
            drop(one_change);
            tokio::time::sleep(Duration::from_millis(rand::random_range(0..=PAUSE_MS))).await;
        }
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

    /// Tells those whose list of conversations an event changes. Should this gateway die before, a persister does it.
    pub async fn tell_news(self: &Arc<Self>, changed: &Changed) {
        let EventFrame { conversation, seq, id, by, body, .. } = &changed.frame;
        self.tell(*by, event::news(*conversation, *seq, body), *id).await;
    }

    /// Tells one user's feed; tried a few times.
    ///
    /// What is missing in a feed after all is still right in the user's list, which the store derives from the
    /// conversation's own events: the next `hello` follows it.
    pub async fn tell(self: &Arc<Self>, by: UserId, news: Vec<(UserId, Body)>, cause: MessageId) {
        stream::iter(news)
            .for_each_concurrent(FEEDS_AT_ONCE, |(user, body)| async move {
                let feed = ConversationId::feed(user);
                let bytes = Event { at: self.now(), by, body }.encode();
                let nonce = Nonce::news(user, cause);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(mut patience: Patience, changed: bool) -> usize {
        1 + std::iter::repeat_with(|| patience.lasts(changed)).take(1_000).take_while(|lasts| *lasts).count()
    }

    #[test]
    fn three_tries_against_other_changes_and_more_against_messages() {
        assert_eq!(tries(Patience::default(), true), TRIES);
        assert_eq!(tries(Patience::default(), false), APPENDS);
        let now = Instant::now();
        assert_eq!(tries(Patience::until(now), true), 1);
        assert_eq!(tries(Patience::until(now + Duration::from_secs(3_600)), true), 1_001);
    }
}
