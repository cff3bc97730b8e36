//! One connection to the servers: how it is made, how questions are asked over it, how its end is noticed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, HeaderMap, Message, Subscriber, connection::State};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::{
    Credentials, NatsOptions, StartError,
    api::{self, Answer, Refusal},
    replies::Replies,
};
use crate::BusError;

/// Half-open connections are noticed after three of these.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// What async-nats keeps for one subscription before it drops. Pumps of ours empty it at once into queues with bounds
/// of their own, so it only has to hold what arrives while a task waits for its turn.
const SUBSCRIPTION_CAPACITY: usize = 16_384;
/// Events come through a channel that may drop them, so the state itself is looked at this often.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(2);
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter, because it bounds how late a forgotten append can still arrive; see [`super::writer`].
const WRITER_DIAL_TIMEOUT: Duration = Duration::from_secs(2);

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Everything but appends; comes back by itself for ever, subscriptions included.
    Read,
    /// Appends; gives up after one round through the servers, with all that waits in it.
    Write,
}

/// A connection with its own reply inbox.
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) replies: Replies,
    events: Arc<Events>,
}

/// What async-nats reported, kept until somebody looks.
#[derive(Default)]
struct Events {
    changed: Notify,
    overflowed: AtomicBool,
}

/// What [`Link::changed`] saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Lost,
    /// Back, with every subscription; something may have been missed.
    Back,
    /// A subscription overflowed, no telling which.
    Overflowed,
}

/// What a connection looked like when its watcher last looked.
pub(super) struct Watch {
    connected: bool,
    connects: u64,
}

impl Link {
    pub(super) async fn open(options: &NatsOptions, purpose: Purpose) -> Result<Self, StartError> {
        let events = Arc::new(Events::default());
        let client = dial(options, purpose, events.clone()).await?;
        let replies =
            Replies::open(&client).await.map_err(|_| StartError::Connect("the connection was lost".into()))?;
        Ok(Self { client, replies, events })
    }

    pub(super) fn connected(&self) -> bool {
        self.client.connection_state() == State::Connected && self.replies.is_open()
    }

    /// For a watcher who is to be told of every change since the client connected first.
    pub(super) const fn watch() -> Watch {
        Watch { connected: true, connects: 1 }
    }

    /// Subscribes; the server has not read that yet when it returns.
    pub(super) async fn subscribe(&self, subject: String, deadline: Instant) -> Result<Subscriber, BusError> {
        let subscribing = timeout_at(deadline, self.client.subscribe(subject)).await;
        subscribing.map_err(|_| BusError::Unavailable)?.map_err(|_| BusError::Unavailable)
    }

    /// Waits for a change and fails what waited over a connection that was lost. A loss and the return that follows
    /// it quickly may be told as [`Change::Back`] alone.
    pub(super) async fn changed(&self, watch: &mut Watch) -> Change {
        loop {
            if self.events.overflowed.swap(false, Ordering::AcqRel) {
                return Change::Overflowed;
            }
            let now = Watch { connected: self.connected(), connects: self.replies.connects() };
            let before = std::mem::replace(watch, now);
            if watch.connects != before.connects {
                self.replies.fail_before(watch.connects);
                if watch.connected {
                    return Change::Back;
                }
            }
            if before.connected && !watch.connected {
                self.replies.fail_before(watch.connects + 1);
                return Change::Lost;
            }
            if !before.connected && watch.connected {
                return Change::Back;
            }
            let _looked_anyway = tokio::time::timeout(WATCH_INTERVAL, self.events.changed.notified()).await;
        }
    }

    /// Publishes and waits for the one answer. What was handed over and not answered is [`BusError::Unknown`]; what
    /// was never handed over is [`BusError::Unavailable`].
    pub(super) async fn publish(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<Message, BusError> {
        let waiting = self.replies.one()?;
        let reply = waiting.subject.clone();
        let sending = async {
            match headers {
                Some(headers) => self.client.publish_with_reply_and_headers(subject, reply, headers, payload).await,
                None => self.client.publish_with_reply(subject, reply, payload).await,
            }
        };
        match timeout_at(deadline, sending).await {
            Err(_) => return Err(BusError::Unavailable),
            Ok(sent) => sent.map_err(refused_here)?,
        }
        let answer = timeout_at(deadline, waiting.answer).await.map_err(|_| BusError::Unknown)?;
        let answer = answer.map_err(|_| BusError::Unknown)?;
        match answer.status {
            Some(status) if status == async_nats::StatusCode::NO_RESPONDERS => Err(BusError::Unavailable),
            _ => Ok(answer),
        }
    }

    /// Asks the JetStream API; asking changes nothing or may be repeated, so no answer is [`BusError::Unavailable`].
    pub(super) async fn ask<Q, A>(&self, verb: &str, question: &Q, deadline: Instant) -> Result<A, AskError>
    where
        Q: Serialize + Sync + ?Sized,
        A: DeserializeOwned,
    {
        let subject = format!("{}.{verb}", api::PREFIX);
        let question = serde_json::to_vec(question).map_err(|err| BusError::Other(err.to_string()))?;
        if !self.connected() {
            return Err(BusError::Unavailable.into());
        }
        let answer = self.publish(subject, None, question.into(), deadline).await.map_err(|err| match err {
            BusError::Unknown => BusError::Unavailable,
            other => other,
        })?;
        match serde_json::from_slice(&answer.payload) {
            Ok(Answer::Given(given)) => Ok(given),
            Ok(Answer::Refused { error }) => Err(AskError::Refused(error)),
            Err(err) => Err(BusError::Other(format!("answer to {verb} not understood: {err}")).into()),
        }
    }

    /// Returns when the server has read everything this connection sent before.
    pub(super) async fn round_trip(&self, deadline: Instant) -> Result<(), BusError> {
        let waiting = self.replies.one()?;
        let sending = self.client.publish(waiting.subject.clone(), Bytes::new());
        let sent = timeout_at(deadline, sending).await.map_err(|_| BusError::Unavailable)?;
        sent.map_err(refused_here)?;
        match timeout_at(deadline, waiting.answer).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(BusError::Unavailable),
        }
    }
}

/// Why the API did not answer what was asked.
#[derive(Debug)]
pub(super) enum AskError {
    Refused(Refusal),
    Bus(BusError),
}

impl AskError {
    /// Whether it is this very refusal.
    pub(super) fn is(&self, err_code: u32) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.err_code == err_code)
    }
}

impl From<BusError> for AskError {
    fn from(err: BusError) -> Self {
        Self::Bus(err)
    }
}

impl From<AskError> for BusError {
    fn from(err: AskError) -> Self {
        match err {
            AskError::Bus(err) => err,
            AskError::Refused(refusal) => refusal.meaning(),
        }
    }
}

fn refused_here(err: async_nats::PublishError) -> BusError {
    match err.kind() {
        async_nats::PublishErrorKind::MaxPayloadExceeded => BusError::TooLarge,
        async_nats::PublishErrorKind::Send => BusError::Unavailable,
        async_nats::PublishErrorKind::InvalidSubject => BusError::Other("invalid subject".to_owned()),
    }
}

impl Events {
    /// Runs in async-nats' own event task: takes note and returns.
    fn note(&self, event: &Event) {
        match event {
            Event::SlowConsumer(_) => self.overflowed.store(true, Ordering::Release),
            Event::ServerError(err) => tracing::error!(error = %err, "the log's server refused something"),
            Event::ClientError(err) => tracing::debug!(error = %err, "connection to the log"),
            Event::Connected | Event::Disconnected | Event::LameDuckMode | Event::Draining | Event::Closed => {}
        }
        self.changed.notify_one();
    }
}

async fn dial(options: &NatsOptions, purpose: Purpose, events: Arc<Events>) -> Result<Client, StartError> {
    let connect = ConnectOptions::new()
        .name(&options.name)
        .ping_interval(PING_INTERVAL)
        .request_timeout(Some(options.read_timeout))
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        .event_callback(move |event| {
            events.note(&event);
            std::future::ready(())
        });
    let connect = match purpose {
        Purpose::Read => connect.connection_timeout(DIAL_TIMEOUT).reconnect_delay_callback(reconnect_delay),
        Purpose::Write => connect
            .connection_timeout(WRITER_DIAL_TIMEOUT)
            .max_reconnects(options.urls.len())
            .reconnect_delay_callback(|_| Duration::ZERO),
    };
    let connect = match &options.tls {
        None => connect,
        Some(tls) => {
            let connect = connect.require_tls(true);
            let connect = match &tls.roots {
                Some(roots) => connect.add_root_certificates(roots.clone()),
                None => connect,
            };
            match &tls.client {
                Some((certificate, key)) => connect.add_client_certificate(certificate.clone(), key.clone()),
                None => connect,
            }
        }
    };
    let connect = match &options.credentials {
        Credentials::None => connect,
        Credentials::File(path) => {
            let read = connect.credentials_file(path).await;
            read.map_err(|err| StartError::Credentials(err.kind()))?
        }
        // Answers come to an inbox of the user's own, so that servers can keep users from reading each other's.
        Credentials::User { name, password } => {
            connect.user_and_password(name.clone(), password.clone()).custom_inbox_prefix(format!("_INBOX_{name}"))
        }
        Credentials::Token(token) => connect.token(token.clone()),
    };
    // Only the kind of a failure is kept: its source may name a URL, and a URL may carry a password.
    connect.connect(options.urls.clone()).await.map_err(|err| match err.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => StartError::Unauthorised,
        ConnectErrorKind::ServerParse => StartError::Options("a url is none"),
        kind => StartError::Connect(kind.to_string()),
    })
}

/// Full jitter below a doubling bound: after an outage nodes come back one by one.
pub(super) fn reconnect_delay(attempt: usize) -> Duration {
    let doublings = u32::try_from(attempt).unwrap_or(u32::MAX).min(6);
    let bound = (Duration::from_millis(50) * 2_u32.pow(doublings)).min(RECONNECT_DELAY_MAX);
    bound.mul_f64(rand::random::<f64>())
}
