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

/// `None`: silence before the end, or a part is missing.
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
    let mut gathered = Gathered::default();
    loop {
        let message = match timeout_at(until, waiting.answer.recv()).await {
            Err(_) => return Ok(None),
            // The connection was lost.
            Ok(None) => return Err(BusError::Unavailable),
            Ok(Some(message)) => message,
        };
        match gathered.take(message)? {
            Step::Goes => {}
            Step::Torn => return Ok(None),
            Step::Ends => {
                gathered.batch.events.iter().for_each(|stored| shard.saw(stored.logged.seq));
                return Ok(Some(gathered.batch));
            }
        }
    }
}

/// An answer as it comes in. Each part names the sequence of the one before, and the end that of the last: one that
/// was dropped on its way shows.
#[derive(Default)]
struct Gathered {
    batch: Batch,
    last: u64,
}

/// What one more part of an answer means.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Goes,
    Ends,
    /// A part is missing.
    Torn,
}

impl Gathered {
    fn take(&mut self, message: Message) -> Result<Step, BusError> {
        let follows = number(&message, header::NATS_LAST_SEQUENCE) == Some(self.last);
        match message.status.map(|status| status.as_u16()) {
            None | Some(204) if !follows => Ok(Step::Torn),
            None => {
                let stored =
                    stored(message).ok_or_else(|| BusError::Other("stored event not understood".to_owned()))?;
                self.last = stored.logged.seq.get();
                self.batch.events.push(stored);
                Ok(Step::Goes)
            }
            Some(204) => {
                self.batch.more = number(&message, PENDING).is_some_and(|pending| pending > 0);
                self.batch.up_to = number(&message, UP_TO);
                Ok(Step::Ends)
            }
            Some(404) => Ok(Step::Ends),
            Some(503) => Err(BusError::Unavailable),
            Some(status) => Err(BusError::Other(format!("direct get answered {status}"))),
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
    Some(Stored { conversation, nonce, logged: Logged { seq, prev, at, event: message.payload, trace: None } })
}

fn number(message: &Message, name: impl header::IntoHeaderName) -> Option<u64> {
    message.headers.as_ref()?.get(name)?.as_str().parse().ok()
}

#[cfg(test)]
mod tests {
    use async_nats::{HeaderMap, StatusCode};

    use super::*;

    fn part(status: Option<u16>, headers: &[(&str, &str)]) -> Message {
        Message {
            subject: "_INBOX.1".into(),
            reply: None,
            payload: Bytes::from("hi"),
            headers: Some(
                headers.iter().map(|(name, value)| (name.parse().unwrap(), (*value).into())).collect::<HeaderMap>(),
            ),
            status: status.map(|code| StatusCode::from_u16(code).unwrap()),
            description: None,
            length: 0,
        }
    }

    fn event(seq: &str, last: &str) -> Message {
        let place = [
            ("Nats-Subject", "chat.log.0.00000000000000000000000001"),
            ("Nats-Time-Stamp", "2026-11-24T10:43:05.045047123Z"),
            ("Nats-Sequence", seq),
            ("Nats-Last-Sequence", last),
        ];
        part(None, &place)
    }

    #[test]
    fn an_answer_is_complete_only_as_an_unbroken_chain() {
        let mut whole = Gathered::default();
        assert_eq!(whole.take(event("7", "0")).unwrap(), Step::Goes);
        assert_eq!(whole.take(event("9", "7")).unwrap(), Step::Goes);
        let end = part(Some(204), &[("Nats-Last-Sequence", "9"), (PENDING, "3"), (UP_TO, "12")]);
        assert_eq!(whole.take(end).unwrap(), Step::Ends);
        assert_eq!(whole.batch.events.len(), 2);
        assert!(whole.batch.more);
        assert_eq!(whole.batch.up_to, Some(12));

        let mut torn_within = Gathered::default();
        assert_eq!(torn_within.take(event("7", "0")).unwrap(), Step::Goes);
        assert_eq!(torn_within.take(event("11", "9")).unwrap(), Step::Torn);
        let mut torn_at_the_end = Gathered::default();
        assert_eq!(torn_at_the_end.take(event("7", "0")).unwrap(), Step::Goes);
        assert_eq!(torn_at_the_end.take(part(Some(204), &[("Nats-Last-Sequence", "9")])).unwrap(), Step::Torn);
        let mut torn_at_the_start = Gathered::default();
        assert_eq!(torn_at_the_start.take(event("9", "7")).unwrap(), Step::Torn);
    }

    #[test]
    fn nothing_found_is_an_answer_and_nobody_there_is_none() {
        assert_eq!(Gathered::default().take(part(Some(404), &[])).unwrap(), Step::Ends);
        assert!(matches!(Gathered::default().take(part(Some(503), &[])), Err(BusError::Unavailable)));
    }
}
