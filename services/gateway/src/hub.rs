//! Which conversations have a viewer on this gateway, and how events reach their sockets.
//!
//! A conversation with a local viewer, or one that was used a moment ago, is a [`room`]: one subscription to the log,
//! one position, one tail of recent events, one roster, and the sockets that are up to date. Rooms check the chain of
//! positions once for all their sockets; a socket that lags catches up from the log on its own ([`follow`]) and joins
//! at the room's position. In reading order:

mod audit; // heads compared with the log's: tail loss, settled positions, unused rooms
mod follow; // from a cursor to a seat
mod room; // one conversation
mod roster; // who is in it
mod tail; // recent events in memory

use std::{collections::HashMap, sync::Arc, time::Duration};

use chat_bus::Log;
use chat_protocol::{Clock, ConversationId, Seq, Shard, SocketId, UserId};
use chat_store::Store;
use parking_lot::Mutex;
use tokio::sync::{Notify, OnceCell, Semaphore};

pub use follow::{Budget, Followed, Proof};
pub use room::Room;
pub use roster::Roster;
pub use tail::Tail;

use crate::{conn::Conn, fault::Fault};

/// Rosters loaded from the store at once, for seats that were taken on a resume token's word.
const ROSTER_LOADS: usize = 16;

/// Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    log: Arc<dyn Log>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    options: Options,
    rooms: Mutex<HashMap<ConversationId, Arc<OnceCell<Arc<Room>>>>>,
    conns: Mutex<Conns>,
    /// Per shard: everything up to here was delivered to every socket that is live.
    settled: Mutex<Vec<Seq>>,
    /// Some room is in doubt.
    doubt: Notify,
    roster_loads: Semaphore,
}

#[derive(Default)]
struct Conns {
    by_socket: HashMap<SocketId, Arc<Conn>>,
    by_user: HashMap<UserId, Vec<SocketId>>,
}

/// Times and switches of the hub.
#[derive(Debug, Clone)]
pub struct Options {
    /// An unused room is given up after this.
    pub linger: Duration,
    /// Between two comparisons of heads, for rooms active in the last minute.
    pub audit_active: Duration,
    /// Between two comparisons of heads, for the rest.
    pub audit_quiet: Duration,
    /// Sockets of one user on this gateway; the oldest gives way.
    pub sockets_per_user: usize,
    /// Off only in negative controls of the tests: gaps are then delivered as if there were none.
    pub gap_repair: bool,
}

impl Hub {
    /// A hub without rooms. [`Hub::run`] must be running for its promises to hold.
    pub fn new(log: Arc<dyn Log>, store: Arc<dyn Store>, clock: Arc<dyn Clock>, options: Options) -> Self {
        let settled = Mutex::new(vec![Seq::ZERO; log.shards().into()]);
        let inner = Inner {
            log,
            store,
            clock,
            options,
            rooms: Mutex::default(),
            conns: Mutex::default(),
            settled,
            doubt: Notify::new(),
            roster_loads: Semaphore::new(ROSTER_LOADS),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The room of a conversation, opened if there is none: subscribed, and at a head read after that.
    pub async fn room(&self, conversation: ConversationId) -> Result<Arc<Room>, Fault> {
        loop {
            let cell = Arc::clone(self.inner.rooms.lock().entry(conversation).or_default());
            let room = cell.get_or_try_init(|| Room::open(self, conversation)).await?;
            if room.touch(self.inner.clock.now()) {
                return Ok(Arc::clone(room));
            }
            // It was given up between the look-up and the touch.
            self.forget(conversation, &cell);
        }
    }

    /// The room of a conversation, if it is open.
    pub fn open_room(&self, conversation: ConversationId) -> Option<Arc<Room>> {
        self.inner.rooms.lock().get(&conversation).and_then(|cell| cell.get().cloned())
    }

    /// How many rooms are open.
    pub fn rooms(&self) -> usize {
        self.inner.rooms.lock().len()
    }

    fn open_rooms(&self) -> Vec<Arc<Room>> {
        self.inner.rooms.lock().values().filter_map(|cell| cell.get().cloned()).collect()
    }

    fn forget(&self, conversation: ConversationId, cell: &Arc<OnceCell<Arc<Room>>>) {
        let mut rooms = self.inner.rooms.lock();
        if rooms.get(&conversation).is_some_and(|present| Arc::ptr_eq(present, cell)) {
            rooms.remove(&conversation);
        }
    }

    /// Up to where everything of each shard was delivered: what a resume token says.
    pub fn settled(&self) -> Vec<(Shard, Seq)> {
        let settled = self.inner.settled.lock();
        settled.iter().enumerate().filter_map(|(shard, seq)| Some((Shard::new(shard as u16)?, *seq))).collect()
    }

    /// A socket was accepted. Answers the user's oldest socket here if there are now too many.
    pub fn register(&self, conn: &Arc<Conn>) -> Option<Arc<Conn>> {
        let mut conns = self.inner.conns.lock();
        conns.by_socket.insert(conn.socket, Arc::clone(conn));
        let sockets = conns.by_user.entry(conn.user).or_default();
        sockets.push(conn.socket);
        let oldest = (sockets.len() > self.inner.options.sockets_per_user).then(|| sockets.remove(0))?;
        conns.by_socket.get(&oldest).cloned()
    }

    /// A socket is gone.
    pub fn unregister(&self, conn: &Conn) {
        let mut conns = self.inner.conns.lock();
        conns.by_socket.remove(&conn.socket);
        if let Some(sockets) = conns.by_user.get_mut(&conn.user) {
            sockets.retain(|socket| *socket != conn.socket);
            if sockets.is_empty() {
                conns.by_user.remove(&conn.user);
            }
        }
    }

    /// A user's accepted sockets.
    pub fn conns_of(&self, user: UserId) -> Vec<Arc<Conn>> {
        let conns = self.inner.conns.lock();
        let sockets = conns.by_user.get(&user).into_iter().flatten();
        sockets.filter_map(|socket| conns.by_socket.get(socket).cloned()).collect()
    }

    /// Every accepted socket.
    pub fn conns(&self) -> Vec<Arc<Conn>> {
        self.inner.conns.lock().by_socket.values().cloned().collect()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.rooms.get_mut().values().filter_map(|cell| cell.get()).for_each(|room| room.close());
    }
}
