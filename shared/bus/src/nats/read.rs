//! Replay, tail and heads.

use std::collections::HashMap;

use chat_protocol::{ConversationId, Seq, Shard};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{
    Core, RETRY_DELAY, SHARDS_AT_ONCE,
    api::{self, StreamInfo, code},
    direct::{self, Batch, Get, SUBJECTS_MAX, Stored},
    shards::{Gate, ShardLog, position},
};
use crate::{BusError, Logged, Newest, Prev, Replay, subject};

/// Questions to a leader about single conversations that are open together.
const LEADER_QUESTIONS: usize = 16;

#[derive(Serialize)]
struct LastOf<'a> {
    last_by_subj: &'a str,
}

/// A part of a conversation, oldest first.
struct Part {
    events: Vec<Logged>,
    /// It goes on beyond the last one.
    more: bool,
}

impl Core {
    /// See [`crate::Log::replay`].
    pub(super) async fn replay(&self, of: ConversationId, after: Seq, most: usize) -> Result<Replay, BusError> {
        let shard = self.shard_log(of)?;
        let deadline = self.read_deadline();
        let part = self.read(shard, of, after, most, deadline).await?;
        // After the events were read: what was still held then was not dropped before.
        let extent = shard.extent(&self.reader, deadline).await?;
        if after.get() > extent.state.last_seq {
            let head = self.leaders_head(shard, of, deadline).await?.unwrap_or(Seq::ZERO);
            return Ok(Replay::Ahead { head });
        }
        if !holds_all_after(&extent, after, shard.mark()) {
            let head = self.leaders_head(shard, of, deadline).await?.unwrap_or(Seq::ZERO);
            return Ok(Replay::TooOld { first: position(extent.state.first_seq)?, head });
        }
        Ok(if part.more { Replay::More(part.events) } else { Replay::Recovered(part.events) })
    }

    /// See [`crate::Log::tail`].
    pub(super) async fn tail(&self, of: ConversationId, after: Seq, most: usize) -> Result<Vec<Logged>, BusError> {
        let shard = self.shard_log(of)?;
        Ok(self.read(shard, of, after, most, self.read_deadline()).await?.events)
    }

    /// See [`crate::Log::heads`].
    pub(super) async fn heads(&self, of: &[ConversationId], fresh: bool) -> Result<Vec<Option<Seq>>, BusError> {
        let heads: HashMap<ConversationId, Seq> = stream::iter(self.by_shard(of))
            .map(|(shard, conversations)| async move {
                self.heads_in(self.shards.known(shard)?, &conversations, fresh).await
            })
            .buffer_unordered(SHARDS_AT_ONCE)
            .try_concat()
            .await?
            .into_iter()
            .collect();
        Ok(of.iter().map(|conversation| heads.get(conversation).copied()).collect())
    }

    /// See [`crate::Log::newest`].
    pub(super) async fn newest(&self, of: &[ConversationId]) -> Result<Newest, BusError> {
        let shards: Vec<(Shard, Vec<Stored>, Seq)> = stream::iter(self.by_shard(of))
            .map(|(shard, conversations)| async move {
                let (newest, known_to) = self.newest_in(self.shards.known(shard)?, &conversations).await?;
                Ok::<_, BusError>((shard, newest, known_to))
            })
            .buffer_unordered(SHARDS_AT_ONCE)
            .try_collect()
            .await?;
        let known_to = shards.iter().map(|(shard, _, known_to)| (*shard, *known_to)).collect();
        let newest = shards.into_iter().flat_map(|(_, newest, _)| newest);
        let newest: HashMap<ConversationId, Logged> =
            newest.map(|stored| (stored.conversation, stored.logged)).collect();
        Ok(Newest { events: of.iter().map(|conversation| newest.get(conversation).cloned()).collect(), known_to })
    }

    fn by_shard(&self, of: &[ConversationId]) -> HashMap<Shard, Vec<ConversationId>> {
        let mut by_shard: HashMap<Shard, Vec<ConversationId>> = HashMap::new();
        for conversation in of {
            by_shard.entry(subject::shard_of(*conversation, self.options.shards)).or_default().push(*conversation);
        }
        by_shard
    }

    /// The position of the event with this nonce among the first `most` after `after`.
    pub(super) async fn find_nonce(
        &self,
        of: ConversationId,
        after: Seq,
        nonce: &str,
        most: usize,
    ) -> Result<Option<Seq>, BusError> {
        let shard = self.shard_log(of)?;
        let subject = subject::log(shard.shard, of);
        let batch = direct::get(&self.reader, shard, &Get::next(after, &subject, most), self.read_deadline()).await?;
        let own = batch.events.into_iter().find(|stored| stored.nonce.as_deref() == Some(nonce));
        Ok(own.map(|stored| stored.logged.seq))
    }

    fn shard_log(&self, of: ConversationId) -> Result<&ShardLog, BusError> {
        self.shards.known(subject::shard_of(of, self.options.shards))
    }

    /// Reads on until `most`, or until the conversation's head as its leader knows it: a copy may lag.
    async fn read(
        &self,
        shard: &ShardLog,
        of: ConversationId,
        after: Seq,
        most: usize,
        deadline: Instant,
    ) -> Result<Part, BusError> {
        let mut part = Part { events: Vec::new(), more: true };
        let mut last = after;
        self.read_copy(shard, of, &mut last, most, &mut part, deadline).await?;
        if self.options.replicas == 1 || part.more {
            return Ok(part);
        }
        let head = self.leaders_head(shard, of, deadline).await?.unwrap_or(Seq::ZERO);
        while last < head && part.events.len() < most {
            if Instant::now() + RETRY_DELAY >= deadline {
                return Err(BusError::Unavailable);
            }
            self.read_copy(shard, of, &mut last, most, &mut part, deadline).await?;
            if last < head && !part.more {
                sleep(RETRY_DELAY).await;
            }
        }
        part.more = last < head;
        Ok(part)
    }

    /// Adds what one copy holds after `last`, up to `most` events altogether.
    async fn read_copy(
        &self,
        shard: &ShardLog,
        of: ConversationId,
        last: &mut Seq,
        most: usize,
        part: &mut Part,
        deadline: Instant,
    ) -> Result<(), BusError> {
        let subject = subject::log(shard.shard, of);
        loop {
            // At the bound one more tells whether there is more.
            let room = most.saturating_sub(part.events.len());
            let batch = direct::get(&self.reader, shard, &Get::next(*last, &subject, room), deadline).await?;
            part.more = batch.more || (room == 0 && !batch.events.is_empty());
            for stored in batch.events.into_iter().take(room) {
                let mut logged = stored.logged;
                if let (Prev::AskTheLog, Some(before)) = (logged.prev, part.events.last()) {
                    logged.prev = Prev::Known(before.seq);
                }
                *last = logged.seq;
                part.events.push(logged);
            }
            if !part.more || part.events.len() >= most {
                return Ok(());
            }
        }
    }

    async fn heads_in(
        &self,
        shard: &ShardLog,
        of: &[ConversationId],
        fresh: bool,
    ) -> Result<Vec<(ConversationId, Seq)>, BusError> {
        let deadline = self.read_deadline();
        let reached = match shard.gate() {
            // What this node saw there is not coming back.
            Gate::WentBack => 0,
            Gate::Open | Gate::Unchecked => shard.seen(),
        };
        let reached = match fresh {
            true => shard.extent(&self.reader, deadline).await?.state.last_seq,
            false => reached,
        };
        let mut heads = Vec::with_capacity(of.len());
        for some in of.chunks(SUBJECTS_MAX) {
            heads.extend(self.heads_reached(shard, some, reached, deadline).await?);
        }
        Ok(heads)
    }

    /// Heads from a copy that is at least as far as `reached`.
    async fn heads_reached(
        &self,
        shard: &ShardLog,
        of: &[ConversationId],
        reached: u64,
        deadline: Instant,
    ) -> Result<Vec<(ConversationId, Seq)>, BusError> {
        let one_copy = self.options.replicas == 1;
        match self.last_events(shard, of, reached, deadline).await? {
            Some(batch) => {
                Ok(batch.events.into_iter().map(|stored| (stored.conversation, stored.logged.seq)).collect())
            }
            None if one_copy || reached == 0 => Ok(Vec::new()),
            // "Nothing" does not say how far the copy was: only the leader's word is good.
            None => self.leaders_heads(shard, of, deadline).await,
        }
    }

    /// Last events from a copy that is at least as far as `reached`; `None`: it holds nothing of any of these.
    async fn last_events(
        &self,
        shard: &ShardLog,
        of: &[ConversationId],
        reached: u64,
        deadline: Instant,
    ) -> Result<Option<Batch>, BusError> {
        let subjects: Vec<String> = of.iter().map(|of| subject::log(shard.shard, *of)).collect();
        let what = Get::Last { multi_last: &subjects };
        let one_copy = self.options.replicas == 1;
        loop {
            let batch = direct::get(&self.reader, shard, &what, deadline).await?;
            match batch.up_to {
                Some(up_to) if up_to >= reached || one_copy => return Ok(Some(batch)),
                None => return Ok(None),
                Some(_behind) if Instant::now() + RETRY_DELAY >= deadline => return Err(BusError::Unavailable),
                Some(_behind) => sleep(RETRY_DELAY).await,
            }
        }
    }

    /// The newest events of conversations of one shard, and up to where nothing is newer than they are.
    async fn newest_in(&self, shard: &ShardLog, of: &[ConversationId]) -> Result<(Vec<Stored>, Seq), BusError> {
        let deadline = self.read_deadline();
        let reached = match shard.gate() {
            Gate::WentBack => 0,
            Gate::Open | Gate::Unchecked => shard.seen(),
        };
        let (mut newest, mut known_to) = (Vec::new(), Seq::MAX);
        for some in of.chunks(SUBJECTS_MAX) {
            let mut found = self.last_events(shard, some, reached, deadline).await?;
            if found.is_none() {
                // "Nothing" does not say up to where: what is settled is surely not newer than the next answer.
                known_to = known_to.min(self.shard_state(shard.shard).await?.settled);
                found = self.last_events(shard, some, reached, deadline).await?;
            }
            if let Some(batch) = found {
                known_to = known_to.min(position(batch.up_to.unwrap_or(0))?);
                newest.extend(batch.events);
            }
        }
        Ok((newest, known_to))
    }

    async fn leaders_heads(
        &self,
        shard: &ShardLog,
        of: &[ConversationId],
        deadline: Instant,
    ) -> Result<Vec<(ConversationId, Seq)>, BusError> {
        stream::iter(of.to_vec())
            .map(|of| async move { Ok(self.leaders_head(shard, of, deadline).await?.map(|head| (of, head))) })
            .buffer_unordered(LEADER_QUESTIONS)
            .try_filter_map(|head| std::future::ready(Ok(head)))
            .try_collect()
            .await
    }

    async fn leaders_head(
        &self,
        shard: &ShardLog,
        of: ConversationId,
        deadline: Instant,
    ) -> Result<Option<Seq>, BusError> {
        let last = LastOf { last_by_subj: &subject::log(shard.shard, of) };
        match self.reader.ask::<_, api::Stored>(&format!("STREAM.MSG.GET.{}", shard.stream), &last, deadline).await {
            Ok(stored) => position(stored.message.seq).map(Some),
            Err(err) if err.is(code::NO_MESSAGE) => Ok(None),
            Err(err) => Err(err.into()),
        }
    }
}

/// Whether nothing after `after` was ever dropped. Events are dropped oldest first, whatever their conversation.
fn holds_all_after(extent: &StreamInfo, after: Seq, mark: u64) -> bool {
    let (made_at, first) = (extent.config.first_seq.max(1), extent.state.first_seq);
    if after == Seq::ZERO {
        // From its making on; and a mark below that says that this is not the first stream of the shard.
        first <= made_at && (mark == 0 || mark >= made_at)
    } else {
        first <= after.get().saturating_add(1)
    }
}
