//! The sessions of this gateway, said to the presence workers: all of them once in an interval, those that begin or end
//! at once. A gateway that stood still for longer than its lease closes its sockets: everybody else counts them as gone.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use chat_bus::Topic;
use chat_protocol::{
    ErrorCode, Timestamp, UserId,
    model::Status,
    presence::{self, Beat, End, Lease, Stated, pack_ends, pack_leases},
};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::{Leases, new_node};
use crate::{app::App, conn::Conn, metrics};

/// Sessions that begin or end within this are said together.
const GATHER: Duration = Duration::from_millis(50);
/// Between two looks at the time, to notice that this process stood still.
const LOOK: Duration = Duration::from_millis(500);
/// Sessions in one message: some 60 KB.
const PER_MESSAGE: usize = 2_000;
/// A status is said so often, one beat apart, in case one is lost.
const STATED_TIMES: u8 = 3;
/// Statuses that are said again; beyond it they are said once.
const STATED: usize = 10_000;

/// What is to be said.
#[derive(Default)]
pub struct Beats {
    fresh: Mutex<Fresh>,
    wake: Notify,
}

#[derive(Default)]
struct Fresh {
    /// Devices that came, left or woke up.
    touched: HashSet<(UserId, u64)>,
    stated: Vec<(Stated, u8)>,
}

impl App {
    /// A socket came, left, or its user woke up: said at once.
    pub fn touch(&self, conn: &Conn) {
        self.presence.beats.fresh.lock().touched.insert((conn.user, conn.device));
        self.presence.beats.wake.notify_one();
    }

    /// A socket's user did something.
    pub fn acted(&self, conn: &Conn) {
        let now = self.now();
        let idle_ms = now.as_ms() - conn.idle_since().as_ms();
        conn.act(now);
        // Who was away is back now and not at the next beat.
        if Duration::from_millis(u64::try_from(idle_ms).unwrap_or(0)) >= self.presence.leases.away {
            self.touch(conn);
        }
    }

    pub(super) fn say_status(&self, user: UserId, status: Status, at: Timestamp) {
        let mut fresh = self.presence.beats.fresh.lock();
        fresh.stated.retain(|(stated, _)| stated.user != user);
        let times = if fresh.stated.len() < STATED { STATED_TIMES } else { 1 };
        fresh.stated.push((Stated { user, status, at }, times));
        drop(fresh);
        self.presence.beats.wake.notify_one();
    }

    /// One device as it is now; `None` if it has no socket here.
    fn lease(&self, user: UserId, device: u64, now: Timestamp) -> Option<Lease> {
        let conns = self.hub.conns_of(user);
        let leases = conns.iter().filter(|conn| conn.device == device).map(|conn| lease_of(conn, now));
        leases.reduce(better)
    }

    async fn say_all(&self) {
        let now = self.now();
        let mut devices: HashMap<(UserId, u64), Lease> = HashMap::new();
        for conn in self.hub.conns() {
            let lease = lease_of(&conn, now);
            devices.entry((conn.user, conn.device)).and_modify(|known| *known = better(*known, lease)).or_insert(lease);
        }
        let stated = {
            let mut fresh = self.presence.beats.fresh.lock();
            let stated = fresh.stated.iter().map(|(stated, _)| stated.clone()).collect();
            fresh.stated.iter_mut().for_each(|(_, times)| *times = times.saturating_sub(1));
            fresh.stated.retain(|(_, times)| *times > 0);
            stated
        };
        let leases: Vec<Lease> = devices.into_values().collect();
        self.say(&leases, &[], stated).await;
    }

    async fn say_fresh(&self) {
        let now = self.now();
        let (touched, stated) = {
            let mut fresh = self.presence.beats.fresh.lock();
            let unsaid = fresh.stated.iter_mut().filter(|(_, times)| *times == STATED_TIMES || *times == 1);
            let mut stated = Vec::new();
            for (status, times) in unsaid {
                *times -= 1;
                stated.push(status.clone());
            }
            fresh.stated.retain(|(_, times)| *times > 0);
            (std::mem::take(&mut fresh.touched), stated)
        };
        let (mut leases, mut ends) = (Vec::new(), Vec::new());
        for (user, device) in touched {
            match self.lease(user, device, now) {
                Some(lease) => leases.push(lease),
                None => ends.push(End { user, device }),
            }
        }
        self.say(&leases, &ends, stated).await;
    }

    async fn say(&self, leases: &[Lease], ends: &[End], mut stated: Vec<Stated>) {
        let (mut leases, mut ends) = (leases, ends);
        while !(leases.is_empty() && ends.is_empty() && stated.is_empty()) {
            let (some_leases, more_leases) = leases.split_at(leases.len().min(PER_MESSAGE));
            let (some_ends, more_ends) = ends.split_at(ends.len().min(PER_MESSAGE));
            let rest = stated.split_off(stated.len().min(PER_MESSAGE / 10));
            let beat = Beat {
                gateway: *self.presence.node.lock(),
                leases: pack_leases(some_leases),
                ends: pack_ends(some_ends),
                stated: std::mem::replace(&mut stated, rest),
                leaving: false,
            };
            (leases, ends) = (more_leases, more_ends);
            self.emit_presence(&Topic::Beats, "beat", presence::encode(&beat)).await;
        }
    }

    /// One message of presence; one that is lost is made up for by a later one.
    pub(super) async fn emit_presence(&self, to: &Topic, kind: &'static str, message: bytes::Bytes) {
        metrics::presence_signal(kind);
        if self.log.emit(to, message).await.is_err() {
            metrics::presence_shed(kind);
        }
    }

    /// Everybody else counts the sessions as ended: so do we, and clients resume elsewhere or here.
    fn slept(&self) {
        tracing::warn!("this process stood still for longer than its lease: its sockets are closed");
        *self.presence.node.lock() = new_node(self.now());
        for conn in self.hub.conns() {
            conn.close(ErrorCode::Internal, "this gateway stood still");
        }
    }
}

/// Says what there is to say; ends never.
pub async fn run(app: Arc<App>) {
    let Leases { lasts, beat, .. } = app.presence.leases;
    let mut turned = Instant::now();
    let mut next = turned + beat;
    loop {
        let woken = tokio::select! {
            () = tokio::time::sleep_until(next.min(turned + LOOK)) => false,
            () = app.presence.beats.wake.notified() => true,
        };
        let now = Instant::now();
        if now.duration_since(turned) > lasts {
            app.slept();
        }
        turned = now;
        if now >= next {
            app.say_all().await;
            next = now + beat;
        } else if woken {
            tokio::time::sleep(GATHER).await;
            app.say_fresh().await;
        }
    }
}

/// This gateway stops: none of its sessions goes on.
pub async fn leave(app: &App) {
    let beat = Beat { gateway: *app.presence.node.lock(), leaving: true, ..Beat::default() };
    app.emit_presence(&Topic::Beats, "beat", presence::encode(&beat)).await;
}

fn lease_of(conn: &Conn, now: Timestamp) -> Lease {
    let idle_ms = now.as_ms() - conn.idle_since().as_ms();
    let idle_s = u32::try_from(idle_ms.max(0) / 1_000).unwrap_or(u32::MAX);
    Lease { user: conn.user, device: conn.device, idle_s, acted: conn.has_acted() }
}

/// Of two sockets of one device the one that was used last.
const fn better(one: Lease, other: Lease) -> Lease {
    match (one.acted, other.acted) {
        (true, false) => one,
        (false, true) => other,
        _ if one.idle_s <= other.idle_s => one,
        _ => other,
    }
}
