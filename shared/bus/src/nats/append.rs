//! One append, one acknowledgement, or an honest "unknown".

use std::time::Duration;

use async_nats::{HeaderMap, header};
use bytes::Bytes;
use chat_protocol::{ConversationId, Seq};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::{
    Core,
    api::{Refusal, code},
    link::Link,
    shards::{ShardLog, position},
};
use crate::{Appended, BusError, Full, Nonce, metrics, subject, trace};

/// Before an append that met itself or a neighbour in flight is tried again: a round trip to the other copies.
const IN_FLIGHT_DELAY: Duration = Duration::from_millis(5);
const IN_FLIGHT_DELAY_MAX: Duration = Duration::from_millis(200);
/// How many events after the expected head are searched for an earlier try's own.
const OWN_SEARCH: usize = 100;

/// What the stream answers to an append.
#[derive(Deserialize)]
struct Ack {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    error: Option<Refusal>,
}

/// One event on its way.
struct Append<'a> {
    shard: &'a ShardLog,
    to: ConversationId,
    nonce: Nonce,
    event: Bytes,
    expect: Option<Seq>,
}

impl Core {
    /// See [`crate::Log::append`]. Appends of one caller that run at the same time are stored in the order in which
    /// they were first polled, unless one of them meets another event of its conversation in flight.
    pub(super) async fn append(
        &self,
        to: ConversationId,
        nonce: Nonce,
        event: Bytes,
        expect: Option<Seq>,
    ) -> Result<Appended, BusError> {
        let shard = self.shards.known(subject::shard_of(to, self.options.shards))?;
        let appended = self.append_in_window(Append { shard, to, nonce, event, expect }).await;
        match &appended {
            Ok(_) => {}
            Err(BusError::WrongHead(_)) => ::metrics::counter!(metrics::CONFLICTS).increment(1),
            Err(err) => ::metrics::counter!(metrics::APPEND_ERRORS, "code" => metrics::code(err)).increment(1),
        }
        appended
    }

    async fn append_in_window(&self, append: Append<'_>) -> Result<Appended, BusError> {
        append.shard.admit()?;
        let link = self.writer.link()?;
        let _place = append.shard.window.try_acquire().map_err(|_| BusError::Full(Full::Window))?;
        let deadline = Instant::now() + self.options.append_timeout;
        // Whatever is stored from now on lies above.
        let floor = append.shard.floor();
        let ack = match append.store(&link, deadline).await {
            Err(BusError::WrongHead(head)) => return self.own_or_lost(&append, head).await,
            other => other?,
        };
        let seq = position(ack.seq)?;
        if !ack.duplicate && ack.seq <= floor {
            tracing::error!(shard = %append.shard.shard, %seq, floor, "the log gave a position out again");
            append.shard.doubt();
            self.writer.look();
            return Err(BusError::WentBack { shard: append.shard.shard });
        }
        append.shard.saw(seq);
        Ok(Appended { seq, duplicate: ack.duplicate })
    }

    /// The server compares the head before it looks for the nonce, so a compare-and-append that succeeded and is sent
    /// again looks lost. Its own event, right behind the head it expected, tells.
    async fn own_or_lost(&self, append: &Append<'_>, head: Option<Seq>) -> Result<Appended, BusError> {
        let (Some(expect), Some(_)) = (append.expect, head) else {
            return Err(BusError::WrongHead(head));
        };
        let nonce = print(append.nonce);
        let own = self.find_nonce(append.to, expect, &nonce, OWN_SEARCH).await;
        match own {
            Ok(Some(seq)) => Ok(Appended { seq, duplicate: true }),
            Ok(None) => Err(BusError::WrongHead(head)),
            // Whether it is stored is what could not be read.
            Err(_) => Err(BusError::Unknown),
        }
    }
}

impl Append<'_> {
    /// Publishes until the stream decides.
    async fn store(&self, link: &Link, deadline: Instant) -> Result<Ack, BusError> {
        let mut delay = IN_FLIGHT_DELAY;
        loop {
            let ack = self.publish(link, deadline).await?;
            let Some(refusal) = ack.error else { return Ok(ack) };
            let undecided = match refusal.err_code {
                code::DUPLICATE_IN_PROCESS => BusError::Unknown,
                code::WRONG_LAST_IN_PROCESS => BusError::WrongHead(None),
                _ => return Err(refusal.meaning()),
            };
            if Instant::now() + delay >= deadline {
                return Err(undecided);
            }
            sleep(delay).await;
            delay = (delay * 2).min(IN_FLIGHT_DELAY_MAX);
        }
    }

    async fn publish(&self, link: &Link, deadline: Instant) -> Result<Ack, BusError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_MESSAGE_ID, print(self.nonce));
        if let Some(expect) = self.expect {
            headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expect.get().to_string());
        }
        trace::write(&mut headers);
        let to = subject::log(self.shard.shard, self.to);
        let answer = link.publish(to, Some(headers), self.event.clone(), deadline).await?;
        // An answer that cannot be read decides nothing.
        serde_json::from_slice(&answer.payload).map_err(|err| {
            tracing::error!(shard = %self.shard.shard, error = %err, "acknowledgement not understood");
            BusError::Unknown
        })
    }
}

/// 32 hexadecimal digits.
fn print(nonce: Nonce) -> String {
    format!("{:032x}", nonce.as_u128())
}
