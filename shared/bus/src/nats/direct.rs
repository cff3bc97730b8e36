//! Batched direct gets: many stored events for one question, from whichever copy answers first.
//!
//! An answer ends with a status, 204 or 404; without one it is incomplete and asked for again. A copy may lag behind
//! its leader, and only answers about last events say how far it is ([`Batch::up_to`]).

use async_nats::{Message, header};
use bytes::Bytes;
use chat_protocol::{ConversationId, Seq, Timestamp};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::{api, link::Link, shards::ShardLog};
use crate::{BusError, Logged, Prev, subject};

/// The most subjects in one question about last events; the server refuses more than 1,024.
pub(super) const SUBJECTS_MAX: usize = 1_000;
/// The most events in one answer about one subject.
pub(super) const EVENTS_MAX: usize = 500;
/// Bytes after which the server ends an answer about one subject early.
const BYTES_MAX: usize = 2 << 20;
/// Tries for one answer: a lost connection or a slow copy shows as silence.
const TRIES: u32 = 3;

const PENDING: &str = "Nats-Num-Pending";
const UP_TO: &str = "Nats-UpTo-Sequence";

/// What to get.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Get<'a> {
    /// Events of one subject from a sequence on.
    Next { seq: u64, next_by_subj: &'a str, batch: usize, max_bytes: usize },
    /// The last event of each subject.
    Last { multi_last: &'a [String] },
}

/// A complete answer.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) events: Vec<Stored>,
    /// More of the same lies beyond the last one.
    pub(super) more: bool,
    /// How far the copy that answered is, if it said so.
    pub(super) up_to: Option<u64>,
}

/// One stored event.
pub(super) struct Stored {
    pub(super) conversation: ConversationId,
    pub(super) nonce: Option<String>,
    pub(super) logged: Logged,
}

impl<'a> Get<'a> {
    pub(super) fn next(after: Seq, subject: &'a str, most: usize) -> Self {
        let batch = most.clamp(1, EVENTS_MAX);
        Self::Next { seq: after.get() + 1, next_by_subj: subject, batch, max_bytes: BYTES_MAX }
    }

    fn most(&self) -> usize {
        match self {
            Self::Next { batch, .. } => *batch,
            Self::Last { multi_last } => multi_last.len(),
        }
    }
}

/// Gets a complete answer.
pub(super) async fn get(link: &Link, shard: &ShardLog, what: &Get<'_>, deadline: Instant) -> Result<Batch, BusError> {
    let question = Bytes::from(serde_json::to_vec(what).map_err(|err| BusError::Other(err.to_string()))?);
    let left = deadline.saturating_duration_since(Instant::now());
    for again in (0..TRIES).rev() {
        let until = deadline - left * again / TRIES;
        if let Some(batch) = get_once(link, shard, question.clone(), what.most(), until).await? {
            return Ok(batch);
        }
    }
    Err(BusError::Unavailable)
}

/// `None`: silence before the end.
async fn get_once(
    link: &Link,
    shard: &ShardLog,
    question: Bytes,
    most: usize,
    until: Instant,
) -> Result<Option<Batch>, BusError> {
    if !link.connected() {
        return Err(BusError::Unavailable);
    }
    let mut waiting = link.replies.many(most + 1)?;
    let to = format!("{}.DIRECT.GET.{}", api::PREFIX, shard.stream);
    let sending = link.client.publish_with_reply(to, waiting.subject.clone(), question);
    match timeout_at(until, sending).await {
        Err(_) => return Ok(None),
        Ok(sent) => sent.map_err(|_| BusError::Unavailable)?,
    }
    let mut batch = Batch { events: Vec::with_capacity(most.min(64)), ..Batch::default() };
    loop {
        let message = match timeout_at(until, waiting.answer.recv()).await {
            Err(_) => return Ok(None),
            // The connection was lost.
            Ok(None) => return Err(BusError::Unavailable),
            Ok(Some(message)) => message,
        };
        match message.status.map(|status| status.as_u16()) {
            None => {
                let stored =
                    stored(message).ok_or_else(|| BusError::Other("stored event not understood".to_owned()))?;
                shard.saw(stored.logged.seq);
                batch.events.push(stored);
            }
            Some(204) => {
                batch.more = number(&message, PENDING).is_some_and(|pending| pending > 0);
                batch.up_to = number(&message, UP_TO);
                return Ok(Some(batch));
            }
            Some(404) => return Ok(Some(batch)),
            Some(503) => return Err(BusError::Unavailable),
            Some(status) => return Err(BusError::Other(format!("direct get answered {status}"))),
        }
    }
}

/// Takes a stored or republished message apart. Its `prev` is the one the headers name: right in what is live and
/// within one subject's batch, meaningless between last events.
pub(super) fn stored(message: Message) -> Option<Stored> {
    let headers = message.headers.as_ref()?;
    let conversation = subject::conversation(headers.get(header::NATS_SUBJECT)?.as_str())?;
    let seq = Seq::new(number(&message, header::NATS_SEQUENCE)?)?;
    let prev = match number(&message, header::NATS_LAST_SEQUENCE) {
        None | Some(0) => Prev::AskTheLog,
        Some(prev) => Prev::Known(Seq::new(prev)?),
    };
    let at: Timestamp = headers.get(header::NATS_TIME_STAMP)?.as_str().parse().ok()?;
    let nonce = headers.get(header::NATS_MESSAGE_ID).map(|nonce| nonce.as_str().to_owned());
    Some(Stored { conversation, nonce, logged: Logged { seq, prev, at, event: message.payload } })
}

fn number(message: &Message, name: impl header::IntoHeaderName) -> Option<u64> {
    message.headers.as_ref()?.get(name)?.as_str().parse().ok()
}
