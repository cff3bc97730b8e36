//! When something last happened in each of a user's conversations.
//!
//! Positions of different shards cannot be compared, so conversations are ordered by the time of their last event. The
//! log answers with that event for many conversations at once, a question per shard; of conversations that were quiet
//! for so long that the log holds nothing of them the store is asked, once, and the answer is remembered.

use std::collections::{BTreeMap, HashMap};

use chat_protocol::{ConversationId, Seq, Shard, Timestamp, UserId, event::Event};
use chat_store::Membership;
use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;

use crate::{app::App, fault::Fault};

/// Conversations of which it is remembered: some 10 MiB.
const REMEMBERED: usize = 100_000;
/// For how long. A conversation that becomes quiet again meanwhile was in the log for longer than this.
const REMEMBERED_MS: i64 = 3_600_000;
/// Conversations looked up together in the store.
const AT_ONCE: usize = 64;

/// One of a user's conversations and the last thing that happened there.
#[derive(Debug, Clone)]
pub struct Recent {
    /// The user's place in it.
    pub membership: Membership,
    /// Where.
    pub head: Seq,
    /// When.
    pub at: Timestamp,
    /// What; `None` if the log no longer holds it.
    pub event: Option<Event>,
}

/// A user's conversations, and up to where what is said about each shard is known.
pub struct Recents {
    /// In no order.
    pub all: Vec<Recent>,
    /// Nothing up to here is newer than what is said above, nor in the user's feed.
    pub known_to: BTreeMap<Shard, Seq>,
}

/// Last events that only the store holds.
#[derive(Default)]
pub struct Quiet {
    known: Mutex<HashMap<ConversationId, Known>>,
}

#[derive(Clone, Copy)]
struct Known {
    head: Seq,
    at: Timestamp,
    read_at: Timestamp,
}

impl App {
    /// A user's conversations with their last events.
    pub async fn recents(&self, user: UserId) -> Result<Recents, Fault> {
        let memberships = self.places(user).await?;
        let ids = memberships.iter().map(|row| row.conversation);
        let ids: Vec<ConversationId> = ids.chain([ConversationId::feed(user)]).collect();
        let newest = self.log.newest(&ids).await?;
        let mut quiet = Vec::new();
        let mut all = Vec::with_capacity(memberships.len());
        for (membership, logged) in memberships.into_iter().zip(newest.events) {
            let Some(logged) = logged else {
                quiet.push(membership);
                continue;
            };
            // What cannot be decoded lies in quarantine, and is the last thing that happened all the same.
            let event = Event::decode(&logged.event).ok();
            let at = event.as_ref().map_or(logged.at, |event| event.at);
            all.push(Recent { membership, head: logged.seq, at, event });
        }
        let quiet: Vec<Recent> = stream::iter(quiet)
            .map(|membership| async move {
                let known = self.quiet(membership).await?;
                Ok::<_, Fault>(Recent { membership, head: known.head, at: known.at, event: None })
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        all.extend(quiet);
        Ok(Recents { all, known_to: newest.known_to })
    }

    async fn quiet(&self, membership: Membership) -> Result<Known, Fault> {
        let (of, now) = (membership.conversation, self.now());
        if let Some(known) = self.quiet.get(of, now) {
            return Ok(known);
        }
        let heads = self.store.stored_heads(&[of]).await?;
        let (mut head, mut at) = (membership.member.joined_seq, membership.member.joined_at);
        if let Some(stored) = heads.first().copied().flatten() {
            let before = Seq::new(stored.get().saturating_sub(1)).unwrap_or(Seq::ZERO);
            let row = self.store.events(of, before, 1).await?.events.into_iter().next();
            head = head.max(stored);
            at = row.and_then(|row| Event::decode(&row.event).ok()).map_or(at, |event| event.at);
        }
        let known = Known { head, at, read_at: now };
        self.quiet.put(of, known);
        Ok(known)
    }
}

impl Quiet {
    fn get(&self, of: ConversationId, now: Timestamp) -> Option<Known> {
        let known = self.known.lock().get(&of).copied()?;
        (now.as_ms() - known.read_at.as_ms() < REMEMBERED_MS).then_some(known)
    }

    fn put(&self, of: ConversationId, known: Known) {
        let mut all = self.known.lock();
        if all.len() >= REMEMBERED {
            // Rare, and cheaper than keeping an order for it.
            all.clear();
        }
        all.insert(of, known);
    }
}
