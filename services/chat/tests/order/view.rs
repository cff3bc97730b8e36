//! What one client shows: its happenings in their order, and what they fold to.

use std::collections::BTreeMap;
use std::time::Duration;

use chat_client::{Events, Happened, Rest};
use chat_protocol::event::Body;
use chat_protocol::frame::EventFrame;
use chat_protocol::model::MemberSettings;
use chat_protocol::{ConversationId, Seq, UserId};
use tokio::sync::watch;
use tokio::time::timeout;

use super::held;
use super::state::State;

/// What was told of one conversation.
#[derive(Debug, Clone)]
pub enum Told {
    /// It is followed from here on; what came before was read, where there was something.
    Begins(Seq, Option<Box<State>>),
    Event(Box<EventFrame>),
    Left,
}

/// Everything that was told to one client.
#[derive(Debug, Clone, Default)]
pub struct Record {
    pub of: BTreeMap<ConversationId, Vec<Told>>,
    /// The highest of each user, as signals say.
    pub markers: BTreeMap<(ConversationId, UserId), Seq>,
    /// What never should have been: a client that failed.
    pub failed: Option<String>,
}

/// One client's view.
pub struct View {
    user: UserId,
    record: watch::Sender<Record>,
}

/// What is shown of one conversation.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    pub state: State,
    /// Where the user came in.
    pub joined: Seq,
    /// The last position.
    pub last: Seq,
}

impl View {
    /// Keeps a view of all that a client tells, for as long as it tells.
    pub fn keep(user: UserId, gateways: Vec<Rest>, mut events: Events) -> &'static Self {
        // As long as the test: it ends with the client.
        let view: &Self = Box::leak(Box::new(Self { user, record: watch::Sender::new(Record::default()) }));
        tokio::spawn(async move {
            while let Some(happened) = events.next().await {
                if let Err(err) = view.hears(&gateways, happened).await {
                    view.record.send_modify(|record| record.failed = Some(format!("{err:#}")));
                }
            }
        });
        view
    }

    /// A copy of what was told so far.
    pub fn record(&self) -> Record {
        self.record.borrow().clone()
    }

    /// Waits until it is so; whether it is.
    pub async fn until(&self, within: Duration, so: impl Fn(&Record) -> bool) -> bool {
        let mut record = self.record.subscribe();
        timeout(within, record.wait_for(|record| so(record))).await.is_ok_and(|so| so.is_ok())
    }

    async fn hears(&self, gateways: &[Rest], happened: Happened) -> anyhow::Result<()> {
        let (of, told) = match happened {
            Happened::Following { conversation, after } => {
                (conversation, self.begins(gateways, conversation, after).await?)
            }
            // What cannot be told is read anew, as a client does that shows only the present.
            Happened::Skipped { conversation, head, .. } => {
                (conversation, self.begins(gateways, conversation, head).await?)
            }
            Happened::Event(event) => (event.conversation, Told::Event(event)),
            Happened::Left { conversation, .. } => (conversation, Told::Left),
            Happened::Marker(marker) => {
                self.record.send_modify(|record| {
                    let known = record.markers.entry((marker.conversation, marker.user)).or_default();
                    *known = (*known).max(marker.read);
                });
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.record.send_modify(|record| record.of.entry(of).or_default().push(told));
        Ok(())
    }

    async fn begins(&self, gateways: &[Rest], of: ConversationId, after: Seq) -> anyhow::Result<Told> {
        if after == Seq::ZERO || of == ConversationId::feed(self.user) {
            return Ok(Told::Begins(after, None));
        }
        // Whoever was put out again meanwhile hears that next.
        let read = held::room(gateways, of, self.user).await?;
        Ok(Told::Begins(after, read.map(|(state, _)| Box::new(state))))
    }
}

impl Record {
    /// What is shown of a conversation; `None` if the user is not in it.
    pub fn shows(&self, of: ConversationId, user: UserId) -> Option<Shown> {
        fold(self.of.get(&of)?, user)
    }

    /// The conversations that the user is in.
    pub fn conversations(&self, user: UserId) -> BTreeMap<ConversationId, Shown> {
        let feed = ConversationId::feed(user);
        let all = self.of.keys().filter(|of| **of != feed);
        all.filter_map(|of| Some((*of, self.shows(*of, user)?))).collect()
    }

    /// What the user set for their conversations, as the feed says.
    pub fn settings(&self, user: UserId) -> BTreeMap<ConversationId, MemberSettings> {
        let told = self.of.get(&ConversationId::feed(user)).into_iter().flatten();
        let updated = told.filter_map(|told| match told {
            Told::Event(event) => match &event.body {
                Body::SettingsUpdated(updated) => Some((updated.conversation, updated.settings)),
                _ => None,
            },
            _ => None,
        });
        updated.collect()
    }
}

/// What a client shows that was told this.
pub fn fold(told: &[Told], user: UserId) -> Option<Shown> {
    let mut shown = None;
    for told in told {
        match told {
            Told::Begins(after, read) => {
                let state = read.as_deref().cloned().unwrap_or_default();
                shown = Some(Shown { state, joined: Seq::ZERO, last: *after });
            }
            Told::Event(event) => {
                let Some(shown) = &mut shown else { continue };
                shown.state.apply(event);
                shown.last = event.seq;
                let joins = match &event.body {
                    Body::MemberJoined(joined) => joined.user == user,
                    Body::ConversationCreated(created) => created.members.iter().any(|member| member.user == user),
                    _ => false,
                };
                if joins {
                    shown.joined = event.seq;
                }
            }
            Told::Left => shown = None,
        }
    }
    shown
}
