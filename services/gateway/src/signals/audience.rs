//! Sockets here that want to hear signals of a conversation. The log is listened to only while there is one.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use chat_auth::Action;
use chat_bus::Topic;
use chat_protocol::{ConversationId, codec::Codec};
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::wire::Signal;
use crate::{app::App, conn::Conn, delivery};

/// After a failure to listen.
const RETRY: Duration = Duration::from_secs(2);

/// At most one entry per accepted socket and [`chat_protocol::limits::FOCUS`] for what it has on screen.
#[derive(Default)]
pub struct Audience {
    listeners: Mutex<HashMap<ConversationId, Listeners>>,
}

struct Listeners {
    conns: Vec<Arc<Conn>>,
    task: JoinHandle<()>,
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Audience {
    /// A socket listens from now on.
    pub(super) fn join(&self, app: &Arc<App>, to: ConversationId, conn: &Arc<Conn>) {
        let mut listeners = self.listeners.lock();
        let here = listeners
            .entry(to)
            .or_insert_with(|| Listeners { conns: Vec::new(), task: tokio::spawn(listen(Arc::downgrade(app), to)) });
        if here.conns.iter().all(|present| present.socket != conn.socket) {
            here.conns.push(Arc::clone(conn));
        }
    }

    /// A socket listens no longer.
    pub(super) fn leave(&self, to: ConversationId, conn: &Conn) {
        let mut listeners = self.listeners.lock();
        if let Some(here) = listeners.get_mut(&to) {
            here.conns.retain(|present| present.socket != conn.socket);
            if here.conns.is_empty() {
                listeners.remove(&to);
            }
        }
    }

    /// Conversations on screen somewhere, and the sockets that show them. One's own feed is on nobody's screen.
    pub fn focused(&self) -> Vec<(ConversationId, Vec<Arc<Conn>>)> {
        let listeners = self.listeners.lock();
        let shown = listeners.iter().filter(|(conversation, here)| {
            here.conns.first().is_some_and(|conn| **conversation != ConversationId::feed(conn.user))
        });
        shown.map(|(conversation, here)| (*conversation, here.conns.clone())).collect()
    }

    /// The sockets that have a conversation on screen.
    pub fn listening(&self, to: ConversationId) -> Vec<Arc<Conn>> {
        self.listeners.lock().get(&to).map(|here| here.conns.clone()).unwrap_or_default()
    }
}

async fn listen(app: Weak<App>, to: ConversationId) {
    loop {
        let Some(log) = app.upgrade().map(|app| Arc::clone(&app.log)) else { return };
        if let Ok(mut signals) = log.listen(&Topic::Conversation(to)).await {
            while let Some(signal) = signals.next().await {
                let (Some(app), Some(signal)) = (app.upgrade(), Signal::decode(&signal)) else { continue };
                app.hand_on(to, &signal).await;
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

impl App {
    /// Whether a socket's user may see signals of a conversation now.
    pub async fn may_hear(&self, conn: &Conn, of: ConversationId) -> bool {
        // A seat is taken away with the right to it.
        if of == ConversationId::feed(conn.user) || conn.is_seated(of) {
            return true;
        }
        match self.hub.room(of).await {
            Ok(room) => room.authorize(conn.user, Action::Read).await.is_ok(),
            Err(_) => false,
        }
    }

    async fn hand_on(&self, of: ConversationId, signal: &Signal) {
        let own = of == ConversationId::feed(signal.user());
        let frame = signal.frame(of);
        let mut encoded: [Option<Bytes>; 2] = [None, None];
        for conn in self.signals.audience.listening(of) {
            // One's own devices hear it by the feed's topic, and others never by it.
            let wanted =
                (conn.user == signal.user()) == own && conn.wants(signal.want()) && Some(conn.socket) != signal.from();
            if !wanted || !self.may_hear(&conn, of).await {
                continue;
            }
            let [json, msgpack] = &mut encoded;
            let encoded = if conn.codec == Codec::Json { json } else { msgpack };
            let message = encoded.get_or_insert_with(|| delivery::message(conn.codec, &frame));
            // Whoever is behind is not told; nobody says it again.
            let _ = conn.show(message, signal.name());
        }
    }
}
