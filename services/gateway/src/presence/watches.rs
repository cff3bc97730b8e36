//! Which sockets watch whom, what each was shown, and when each may be shown more. Pure.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use chat_protocol::{
    ConversationId, SocketId, Timestamp, UserId, limits,
    model::{Presence, PresenceState},
    presence::Partitions,
};
use parking_lot::Mutex;

use crate::conn::Conn;

/// Between two frames of one socket.
pub const PAUSE_MS: i64 = 2_000;
/// How long a decision counts that one user may see another.
const SIGHT_MS: i64 = 60_000;

/// Every watch of this gateway.
#[derive(Default)]
pub struct Watches {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    watchers: HashMap<SocketId, Watcher>,
    by_user: HashMap<UserId, Vec<SocketId>>,
    /// How those who are watched are.
    known: HashMap<UserId, Presence>,
    due: BTreeSet<(Timestamp, SocketId)>,
}

struct Watcher {
    conn: Arc<Conn>,
    watched: HashMap<UserId, Watched>,
    pending: HashSet<UserId>,
    /// Not shown anything before this.
    next_at: Timestamp,
    /// Its entry among those that are due.
    due: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Watched {
    /// The direct conversation of the two, whether or not there is one.
    direct: ConversationId,
    visible: bool,
    /// When that was decided; `None`: it is being, and the answer will show how the user is then.
    decided_at: Option<Timestamp>,
    /// A digest of what was shown last.
    shown: Option<u64>,
}

impl Watched {
    fn doubt(&mut self) {
        self.decided_at = self.decided_at.map(|_| Timestamp::EPOCH);
    }
}

/// A socket that is to be shown something.
pub struct Due {
    pub conn: Arc<Conn>,
    /// Users that changed.
    pub users: Vec<UserId>,
    /// Those of them of whom it is to be decided anew whether they may be seen.
    pub undecided: Vec<UserId>,
}

/// There are too many already.
#[derive(Debug)]
pub struct Full;

impl Watches {
    /// A socket watches these too; nobody is visible to it yet. Answers whom it did not watch before.
    pub fn add(&self, conn: &Arc<Conn>, users: &[UserId], now: Timestamp) -> Result<Vec<UserId>, Full> {
        let mut inner = self.inner.lock();
        let watched = inner.watchers.get(&conn.socket).map(|watcher| &watcher.watched);
        let is_new = |user: &&UserId| watched.is_none_or(|watched| !watched.contains_key(user));
        let new: BTreeSet<UserId> = users.iter().filter(is_new).copied().collect();
        if watched.map_or(0, HashMap::len) + new.len() > limits::WATCHES {
            return Err(Full);
        }
        // Who watches nobody is not kept.
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let watcher = inner.watchers.entry(conn.socket).or_insert_with(|| Watcher {
            conn: Arc::clone(conn),
            watched: HashMap::new(),
            pending: HashSet::new(),
            next_at: now,
            due: None,
        });
        for user in &new {
            let direct = ConversationId::direct(conn.user, *user);
            let watched = Watched { direct, visible: false, decided_at: None, shown: None };
            watcher.watched.insert(*user, watched);
        }
        for user in &new {
            inner.by_user.entry(*user).or_default().push(conn.socket);
        }
        Ok(new.into_iter().collect())
    }

    /// A socket watches these no longer.
    pub fn remove(&self, socket: SocketId, users: &[UserId]) {
        let mut inner = self.inner.lock();
        for user in users {
            let gone = inner.watchers.get_mut(&socket).and_then(|watcher| {
                watcher.pending.remove(user);
                watcher.watched.remove(user)
            });
            if gone.is_some() {
                inner.unlist(*user, socket);
            }
        }
        if inner.watchers.get(&socket).is_some_and(|watcher| watcher.watched.is_empty()) {
            inner.drop_socket(socket);
        }
    }

    /// A socket is gone.
    pub fn end(&self, socket: SocketId) {
        self.inner.lock().drop_socket(socket);
    }

    /// It was decided whom a socket may see.
    pub fn decide(&self, socket: SocketId, users: &[UserId], visible: &HashSet<UserId>, now: Timestamp) {
        let mut inner = self.inner.lock();
        let Some(watcher) = inner.watchers.get_mut(&socket) else { return };
        for user in users {
            if let Some(watched) = watcher.watched.get_mut(user) {
                watched.visible = visible.contains(user);
                watched.decided_at = Some(now);
            }
        }
    }

    /// Users are so now; whether somebody is to be shown it.
    pub fn learn(&self, states: Vec<Presence>, now: Timestamp) -> bool {
        let mut inner = self.inner.lock();
        let mut any = false;
        for state in states {
            let user = state.user;
            let Some(sockets) = inner.by_user.get(&user).cloned() else { continue };
            if inner.known.get(&user) == Some(&state) {
                continue;
            }
            inner.known.insert(user, state);
            for socket in sockets {
                any |= inner.pend(socket, [user], now);
            }
        }
        any
    }

    /// The same for those of whom nothing is known: what was heard meanwhile is newer than an answer.
    pub fn learn_if_unknown(&self, states: Vec<Presence>, now: Timestamp) -> bool {
        let states = {
            let inner = self.inner.lock();
            states.into_iter().filter(|state| !inner.known.contains_key(&state.user)).collect()
        };
        self.learn(states, now)
    }

    /// What a socket is to see of these users now: they count as shown, and what waited of them is in it.
    pub fn view(&self, socket: SocketId, users: &[UserId], changed_only: bool) -> Vec<Presence> {
        let mut inner = self.inner.lock();
        let Inner { watchers, known, .. } = &mut *inner;
        let Some(watcher) = watchers.get_mut(&socket) else { return Vec::new() };
        let mut view = Vec::with_capacity(users.len());
        for user in users {
            let Some(watched) = watcher.watched.get_mut(user) else { continue };
            watcher.pending.remove(user);
            let state = known.get(user).filter(|_| watched.visible).cloned().unwrap_or_else(|| hidden(*user));
            let digest = Some(digest(&state));
            if watched.shown != digest || !changed_only {
                watched.shown = digest;
                view.push(state);
            }
        }
        view
    }

    /// Sockets that may be shown something now, at most `most`.
    pub fn take_due(&self, now: Timestamp, most: usize) -> Vec<Due> {
        let mut inner = self.inner.lock();
        let mut due = Vec::new();
        while due.len() < most {
            let Some((at, socket)) = inner.due.first().copied().filter(|(at, _)| *at <= now) else { break };
            inner.due.remove(&(at, socket));
            let Some(watcher) = inner.watchers.get_mut(&socket) else { continue };
            watcher.due = None;
            watcher.next_at = now.plus_ms(PAUSE_MS);
            let decided_at = |user: &UserId| watcher.watched.get(user).and_then(|watched| watched.decided_at);
            let users: Vec<UserId> = watcher.pending.drain().filter(|user| decided_at(user).is_some()).collect();
            let is_old = |user: &&UserId| decided_at(user).is_some_and(|at| now.as_ms() - at.as_ms() >= SIGHT_MS);
            let undecided = users.iter().filter(is_old).copied().collect();
            if !users.is_empty() {
                due.push(Due { conn: Arc::clone(&watcher.conn), users, undecided });
            }
        }
        due
    }

    /// A socket could not be shown these: later, as they are then.
    pub fn again(&self, socket: SocketId, users: &[UserId], now: Timestamp) {
        let mut inner = self.inner.lock();
        if let Some(watcher) = inner.watchers.get_mut(&socket) {
            for user in users {
                if let Some(watched) = watcher.watched.get_mut(user) {
                    watched.shown = None;
                }
            }
        }
        inner.pend(socket, users.iter().copied(), now);
    }

    /// When the next socket is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.inner.lock().due.first().map(|(at, _)| *at)
    }

    /// What a socket's user may see is to be decided anew; whether there is anything.
    pub fn doubt(&self, socket: SocketId, now: Timestamp) -> bool {
        let mut inner = self.inner.lock();
        let Some(watcher) = inner.watchers.get_mut(&socket) else { return false };
        watcher.watched.values_mut().for_each(Watched::doubt);
        let users: Vec<UserId> = watcher.watched.keys().copied().collect();
        inner.pend(socket, users, now)
    }

    /// The same for two users, whoever of them watches the other.
    pub fn doubt_between(&self, direct: ConversationId, now: Timestamp) -> bool {
        let mut inner = self.inner.lock();
        let mut met = Vec::new();
        for (socket, watcher) in &mut inner.watchers {
            for (user, watched) in watcher.watched.iter_mut().filter(|(_, watched)| watched.direct == direct) {
                watched.doubt();
                met.push((*socket, *user));
            }
        }
        met.into_iter().fold(false, |any, (socket, user)| inner.pend(socket, [user], now) || any)
    }

    /// Those who are watched, of these parts.
    pub fn watched_in(&self, parts: Partitions) -> Vec<UserId> {
        self.inner.lock().by_user.keys().copied().filter(|user| parts.has(*user)).collect()
    }

    /// How those of them who are watched by anybody are.
    pub fn known(&self, users: &[UserId]) -> HashMap<UserId, Presence> {
        let inner = self.inner.lock();
        users.iter().filter_map(|user| Some((*user, inner.known.get(user)?.clone()))).collect()
    }

    /// Whether somebody who is watched is known to be there.
    pub fn is_there(&self, user: UserId) -> bool {
        self.inner.lock().known.get(&user).is_some_and(|known| known.state != PresenceState::Offline)
    }

    /// How many users are watched.
    pub fn len(&self) -> usize {
        self.inner.lock().by_user.len()
    }
}

impl Inner {
    /// These users' states wait for a socket; whether it is to be woken for them.
    fn pend(&mut self, socket: SocketId, users: impl IntoIterator<Item = UserId>, now: Timestamp) -> bool {
        let Some(watcher) = self.watchers.get_mut(&socket) else { return false };
        watcher.pending.extend(users.into_iter().filter(|user| watcher.watched.contains_key(user)));
        if watcher.pending.is_empty() {
            return false;
        }
        if watcher.due.is_none() {
            let at = watcher.next_at.max(now);
            watcher.due = Some(at);
            self.due.insert((at, socket));
        }
        true
    }

    fn unlist(&mut self, user: UserId, socket: SocketId) {
        if let Some(sockets) = self.by_user.get_mut(&user) {
            sockets.retain(|listed| *listed != socket);
            if sockets.is_empty() {
                self.by_user.remove(&user);
                self.known.remove(&user);
            }
        }
    }

    fn drop_socket(&mut self, socket: SocketId) {
        let Some(watcher) = self.watchers.remove(&socket) else { return };
        watcher.due.map(|at| self.due.remove(&(at, socket)));
        watcher.watched.keys().for_each(|user| self.unlist(*user, socket));
    }
}

/// As anybody sees a user whom they may not see.
pub fn hidden(user: UserId) -> Presence {
    Presence { user, state: PresenceState::Offline, text: None, last_seen: None }
}

fn digest(state: &Presence) -> u64 {
    let mut hasher = DefaultHasher::new();
    (state.state, &state.text, state.last_seen).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
