//! What one client records for the judge, and remembers for those who wait.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chat_client::{Happened, Observer};
use chat_protocol::event::Body;
use chat_protocol::frame::EventFrame;
use chat_protocol::{ClientId, ConversationId, Seq, UserId};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::checker::{Client, Event, Key, Recorder};

/// Texts that somebody may still wait for.
const TEXTS: usize = 256;
/// Signals that somebody may still wait for.
const SIGNALS: usize = 256;
/// A client's sockets are numbered within the client; the judge wants them different for all.
const SOCKETS_MAX: u32 = 1 << 16;

#[derive(Debug)]
pub(super) struct Notebook {
    recorder: Recorder,
    client: Client,
    user: UserId,
    page: watch::Sender<Page>,
}

/// The present state of a client's view.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) live: bool,
    pub(super) sockets: u32,
    pub(super) lost: Vec<Option<u16>>,
    pub(super) away: Vec<Duration>,
    pub(super) away_since: Option<Instant>,
    pub(super) texts: VecDeque<String>,
    pub(super) last: BTreeMap<ConversationId, Seq>,
    pub(super) signals: VecDeque<Happened>,
}

impl Notebook {
    pub(super) fn new(recorder: Recorder, client: Client, user: UserId) -> Self {
        Self { recorder, client, user, page: watch::Sender::new(Page::default()) }
    }

    pub(super) fn sockets(&self) -> u32 {
        self.page.borrow().sockets
    }

    pub(super) fn lost(&self) -> Vec<Option<u16>> {
        self.page.borrow().lost.clone()
    }

    pub(super) fn away(&self) -> Vec<Duration> {
        self.page.borrow().away.clone()
    }

    pub(super) fn signals(&self) -> VecDeque<Happened> {
        self.page.borrow().signals.clone()
    }

    /// Waits until the page shows it; `false` if it does not in time.
    pub(super) async fn until(&self, within: Duration, shows: impl FnMut(&Page) -> bool) -> bool {
        let mut page = self.page.subscribe();
        timeout(within, page.wait_for(shows)).await.is_ok_and(|shown| shown.is_ok())
    }

    fn key(&self, conversation: ConversationId, client_id: ClientId) -> Key {
        Key { conversation, sender: self.user, client_id }
    }

    fn saw(&self, event: &EventFrame) {
        let EventFrame { conversation, seq, prev, id, by, .. } = *event;
        let (message, text) = match &event.body {
            Body::MessageCreated(created) => (Some((by, created.client_id)), created.content.text.clone()),
            _ => (None, None),
        };
        self.recorder.record(Event::Seen { client: self.client, conversation, seq, prev, id, message });
        self.page.send_modify(|page| {
            page.last.insert(conversation, seq);
            page.texts.extend(text);
            if page.texts.len() > TEXTS {
                page.texts.pop_front();
            }
        });
    }
}

impl Observer for Notebook {
    fn happened(&self, what: &Happened) {
        let client = self.client;
        match *what {
            Happened::Opened { socket, .. } => self.page.send_modify(|page| page.sockets = socket),
            Happened::Live => self.page.send_modify(|page| {
                page.live = true;
                page.away.extend(page.away_since.take().map(|since| since.elapsed()));
            }),
            Happened::Lost { code } => self.page.send_modify(|page| {
                page.live = false;
                page.away_since.get_or_insert_with(Instant::now);
                page.lost.push(code);
            }),
            // Nothing was lost by that: what is away is away already.
            Happened::NotConnected => {}
            Happened::Moved | Happened::Stopped(_) => self.page.send_modify(|page| page.live = false),
            Happened::Following { conversation, after } => {
                self.recorder.record(Event::Follow { client, conversation, after });
                self.page.send_modify(|page| _ = page.last.insert(conversation, after));
            }
            Happened::Event(ref event) => self.saw(event),
            Happened::Skipped { conversation, from, head } => {
                self.recorder.record(Event::Resync { client, conversation, from, head });
                self.page.send_modify(|page| _ = page.last.insert(conversation, head));
            }
            Happened::Left { conversation, .. } => self.recorder.record(Event::Unfollow { client, conversation }),
            // What may be lost proves nothing to the judge.
            ref signal @ (Happened::Marker(_) | Happened::Typing(_) | Happened::Presence(_) | Happened::Counts(_)) => {
                self.page.send_modify(|page| {
                    page.signals.push_back(signal.clone());
                    if page.signals.len() > SIGNALS {
                        page.signals.pop_front();
                    }
                });
            }
            Happened::Sending { client_id, conversation, socket } => {
                let socket = client * SOCKETS_MAX + socket;
                self.recorder.record(Event::Sent { key: self.key(conversation, client_id), socket });
            }
            Happened::Acked { conversation, ref ack } => {
                let (key, duplicate) = (self.key(conversation, ack.client_id), ack.duplicate);
                self.recorder.record(Event::Acked { key, id: ack.id, seq: ack.seq, duplicate });
            }
            Happened::Unanswered { client_id, conversation } => {
                self.recorder.record(Event::Unknown { key: self.key(conversation, client_id) });
            }
            Happened::Refused { client_id, conversation } => {
                self.recorder.record(Event::Failed { key: self.key(conversation, client_id) });
            }
        }
    }
}
