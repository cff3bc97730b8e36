//! One subscription for every answer a connection waits for.
//!
//! Each question gets a reply subject of its own; its slot goes when the answer came, when nobody waits any more, or
//! when the connection was lost, which fails all that are open at once instead of letting each run into its deadline.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_nats::{Client, Message, Statistics};
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use crate::BusError;

/// The open questions of one connection.
pub(super) struct Replies {
    prefix: String,
    next: AtomicU64,
    connection: Arc<Statistics>,
    slots: Arc<Mutex<Slots>>,
    pump: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Slots {
    open: HashMap<u64, Slot>,
    closed: bool,
}

struct Slot {
    /// Which of the client's successive connections it was asked over.
    connects: u64,
    to: To,
}

enum To {
    One(oneshot::Sender<Message>),
    Many(mpsc::Sender<Message>),
}

impl Replies {
    /// Subscribes to a fresh inbox.
    pub(super) async fn open(client: &Client) -> Result<Self, BusError> {
        let inbox = client.new_inbox();
        let mut subscription = client.subscribe(format!("{inbox}.*")).await.map_err(|_| BusError::Unavailable)?;
        let slots = Arc::new(Mutex::new(Slots::default()));
        let pump = AbortOnDropHandle::new(tokio::spawn({
            let slots = slots.clone();
            async move {
                while let Some(message) = subscription.next().await {
                    deliver(&slots, message);
                }
            }
        }));
        let connection = client.statistics();
        Ok(Self { prefix: format!("{inbox}."), next: AtomicU64::new(0), connection, slots, pump })
    }

    /// A place for one answer.
    pub(super) fn one(&self) -> Result<Waiting<oneshot::Receiver<Message>>, BusError> {
        let (sender, answer) = oneshot::channel();
        self.place(To::One(sender), answer)
    }

    /// A place for up to `most` answers; further ones are dropped.
    pub(super) fn many(&self, most: usize) -> Result<Waiting<mpsc::Receiver<Message>>, BusError> {
        let (sender, answers) = mpsc::channel(most);
        self.place(To::Many(sender), answers)
    }

    fn place<R>(&self, to: To, answer: R) -> Result<Waiting<R>, BusError> {
        let token = self.next.fetch_add(1, Ordering::Relaxed);
        let mut slots = self.slots.lock();
        if slots.closed {
            return Err(BusError::Unavailable);
        }
        slots.open.insert(token, Slot { connects: self.connects(), to });
        drop(slots);
        Ok(Waiting {
            subject: format!("{}{token}", self.prefix),
            answer,
            _place: Place { token, slots: self.slots.clone() },
        })
    }

    /// How often the client has connected.
    pub(super) fn connects(&self) -> u64 {
        self.connection.connects.load(Ordering::Acquire)
    }

    /// Fails all that were asked over a connection before the client's `connects`-th.
    pub(super) fn fail_before(&self, connects: u64) {
        self.slots.lock().open.retain(|_, slot| slot.connects >= connects);
    }

    /// Fails all that wait, and all that come later.
    pub(super) fn close(&self) {
        let mut slots = self.slots.lock();
        slots.closed = true;
        slots.open.clear();
    }

    /// Whether answers can still come.
    pub(super) fn is_open(&self) -> bool {
        !self.pump.is_finished() && !self.slots.lock().closed
    }
}

fn deliver(slots: &Mutex<Slots>, message: Message) {
    let Some(token) = message.subject.rsplit_once('.').and_then(|(_, token)| token.parse().ok()) else {
        return;
    };
    let mut slots = slots.lock();
    match slots.open.remove(&token) {
        // A late answer, to somebody who went away.
        None => {}
        Some(Slot { to: To::One(waiting), .. }) => {
            drop(slots);
            let _gone = waiting.send(message);
        }
        Some(Slot { connects, to: To::Many(waiting) }) => {
            let _full_or_gone = waiting.try_send(message);
            slots.open.insert(token, Slot { connects, to: To::Many(waiting) });
        }
    }
}

/// An open question: where its answer goes, and where it comes from. Dropping it forgets the question.
pub(super) struct Waiting<R> {
    pub(super) subject: String,
    pub(super) answer: R,
    _place: Place,
}

struct Place {
    token: u64,
    slots: Arc<Mutex<Slots>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.slots.lock().open.remove(&self.token);
    }
}
