//! Who is there, as this gateway sees and says it: it tells presence workers of its sessions, and its sockets how those
//! they watch are. Nothing durable depends on any of it: it has subjects, queues and budgets of its own, waits for
//! nobody, and is dropped first.
//!
//! In reading order:

mod beats; // the sessions here, said to the workers

mod status; // what users say of themselves

mod workers; // who answers for whom, as far as it is heard (pure)

mod news; // what changed, and what may have been missed

mod ask; // questions to the workers

mod sight; // who may see whom

mod watches; // which sockets watch whom (pure)

mod show; // changes on their way to the sockets

mod counts; // how many are there, in big rooms

use std::{sync::Arc, time::Duration};

use chat_protocol::{NodeId, Timestamp, frame::ClientFrame};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};

use self::{ask::Asks, beats::Beats, watches::Watches, workers::Workers};
use crate::{app::App, conn::Conn};

pub use self::{
    beats::{leave, run as beat},
    counts::run as count,
    news::{refresh, run as listen},
    show::run as show,
    status::check as check_status,
};

/// Who may see whom is looked up in the store for so many at once: a part of what it reads at once.
const LOOKS: usize = 2;

/// How long what a gateway says counts; the workers' settings.
#[derive(Debug, Clone, Copy)]
pub struct Leases {
    /// A session that is not said again ends after this.
    pub lasts: Duration,
    /// Between two times that all are said again.
    pub beat: Duration,
    /// Who did nothing for so long is away.
    pub away: Duration,
}

impl Default for Leases {
    fn default() -> Self {
        Self { lasts: Duration::from_secs(30), beat: Duration::from_secs(10), away: Duration::from_secs(300) }
    }
}

/// This gateway's part in it.
pub struct Presence {
    leases: Leases,
    /// Where answers come to.
    inbox: NodeId,
    /// Whose sessions these are: another one after the gateway slept past its lease.
    node: Mutex<NodeId>,
    beats: Beats,
    workers: Mutex<Workers>,
    /// There is something to ask anew.
    doubt: Notify,
    asks: Asks,
    watches: Watches,
    /// For those who look up in the store who may see whom.
    looks: Semaphore,
    /// Some socket has something to be shown.
    changed: Notify,
}

impl Presence {
    /// Nobody is there, nobody is watched.
    pub fn new(leases: Leases, now: Timestamp) -> Self {
        let inbox = new_node(now);
        Self {
            leases,
            inbox,
            node: Mutex::new(inbox),
            beats: Beats::default(),
            workers: Mutex::default(),
            doubt: Notify::new(),
            asks: Asks::default(),
            watches: Watches::default(),
            looks: Semaphore::new(LOOKS),
            changed: Notify::new(),
        }
    }
}

impl Presence {
    /// A socket is gone, and what it watched.
    pub fn watches_end(&self, conn: &Conn) {
        self.watches.end(conn.socket);
    }
}

fn new_node(now: Timestamp) -> NodeId {
    NodeId::ulid(u64::try_from(now.as_ms()).unwrap_or(0), rand::random())
}

/// Whether a frame shows that somebody sits there, and not only their program.
pub const fn is_act(frame: &ClientFrame) -> bool {
    match frame {
        ClientFrame::Send(_)
        | ClientFrame::Edit(_)
        | ClientFrame::Delete(_)
        | ClientFrame::React(_)
        | ClientFrame::Typing(_)
        | ClientFrame::Focus(_)
        | ClientFrame::Status(_) => true,
        // What arrived is marked by programs, what was read by people.
        ClientFrame::Mark(mark) => mark.marked.read.is_some(),
        ClientFrame::Hello(_)
        | ClientFrame::Resume(_)
        | ClientFrame::Auth(_)
        | ClientFrame::Ping(_)
        | ClientFrame::Follow(_)
        | ClientFrame::Unfollow(_)
        | ClientFrame::Watch(_) => false,
    }
}

impl App {
    /// Starts what presence needs; ends never by itself.
    pub fn begin_presence(self: &Arc<Self>) -> Vec<tokio::task::JoinHandle<()>> {
        vec![
            tokio::spawn(beat(Arc::clone(self))),
            tokio::spawn(listen(Arc::clone(self))),
            tokio::spawn(refresh(Arc::clone(self))),
            tokio::spawn(show(Arc::clone(self))),
            tokio::spawn(count(Arc::clone(self))),
        ]
    }
}
