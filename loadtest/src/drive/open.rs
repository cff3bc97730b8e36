//! A constant arrival rate: every message has the time it was intended for, and is measured from there.

use std::time::Duration;

use anyhow::bail;

use super::{Cost, Meter, Offer, Room};
use crate::{
    crowd::{Crowd, Id},
    heard::Heard,
    process::Watched,
    schedule::OpenLoop,
    stamp::{Clock, Nanos, SendFrame},
    stats::Latency,
};

/// What came of it. Everything concerns messages intended within the window, but `delivered` and `cost`, which belong
/// together: frames that arrived, and time that was used, between the window's first and last moment.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Messages intended.
    pub offered: u64,
    /// Messages the server took.
    pub accepted: u64,
    /// Frames that had to arrive.
    pub expected: u64,
    /// Frames that did, each once.
    pub received: u64,
    /// Frames at or below a position the socket had already.
    pub doubled: u64,
    /// Frames whose `prev` was not what the socket had last.
    pub gaps: u64,
    /// `error` frames; the first one's text.
    pub errors: u64,
    /// The first of them.
    pub first_error: Option<String>,
    /// Sockets that the server closed.
    pub closed: usize,
    /// Frames that arrived in the window.
    pub delivered: u64,
    /// What the window cost.
    pub cost: Cost,
    /// Intended → delivered.
    pub latency: Latency,
    /// Intended → acknowledged.
    pub ack: Latency,
    /// Intended → written: how late the generator itself was.
    pub lateness: Latency,
}

impl Outcome {
    fn new() -> Self {
        Self {
            offered: 0,
            accepted: 0,
            expected: 0,
            received: 0,
            doubled: 0,
            gaps: 0,
            errors: 0,
            first_error: None,
            closed: 0,
            delivered: 0,
            cost: Cost::default(),
            latency: Latency::default(),
            ack: Latency::default(),
            lateness: Latency::default(),
        }
    }

    /// Frames that had to arrive and did not.
    pub fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.received)
    }

    /// CPU-µs of all watched processes per frame that arrived.
    pub fn cpu_us_per_frame(&self) -> f64 {
        self.cost.cpu_seconds() * 1e6 / self.delivered as f64
    }

    /// Of one of the watched processes.
    pub fn cpu_us_per_frame_of(&self, process: usize) -> f64 {
        let cpu = self.cost.cpu.get(process).map_or(f64::NAN, std::time::Duration::as_secs_f64);
        cpu * 1e6 / self.delivered as f64
    }

    /// Frames per second that arrived.
    pub fn frames_per_second(&self) -> f64 {
        self.delivered as f64 / self.cost.window.as_secs_f64()
    }
}

/// How long late frames are waited for after the last message.
const DRAIN: Nanos = 5_000_000_000;
/// Time to get going before the first message.
const LEAD: Nanos = 20_000_000;

/// Offers messages at a constant rate, room after room, and checks what arrives.
pub fn open_loop(
    crowd: &mut Crowd,
    rooms: &[Room],
    offer: Offer,
    watched: &[Watched],
    clock: &Clock,
) -> anyhow::Result<Outcome> {
    let mut audit = Audit::new(crowd, rooms, offer)?;
    let mut frames: Vec<SendFrame> =
        rooms.iter().map(|room| SendFrame::new(room.conversation, offer.text_bytes)).collect();

    let start = clock.now() + LEAD;
    let mut meter = Meter::new(watched, start, offer);
    let mut schedule = OpenLoop::new(offer.rate, start, meter.until);
    let mut turn = 0;

    loop {
        let mut now = clock.now();
        meter.on_time(now)?;
        while let Some(stamp) = schedule.take_due(now) {
            let at = turn % rooms.len();
            let members = &rooms[at].members;
            crowd.write(members[(turn / rooms.len()) % members.len()], frames[at].stamped(stamp, clock));
            turn += 1;
            now = clock.now();
            if meter.holds(stamp) {
                audit.on_sent(at, now - stamp);
            }
        }
        if meter.cost.is_some() && (audit.complete() || now >= meter.until + DRAIN) {
            break;
        }
        let wake = schedule.next().unwrap_or(now + 10_000_000).max(now);
        crowd.turn(Duration::from_nanos(wake - now), |id, heard| audit.on_heard(id, heard, clock.now(), &meter))?;
    }
    audit.outcome.cost = meter.cost.unwrap_or_default();
    Ok(audit.finish(crowd))
}

/// What is known while a loop runs.
struct Audit<'a> {
    rooms: &'a [Room],
    offer: Offer,
    outcome: Outcome,
    room_of: Vec<usize>,
    last: Vec<u64>,
    closed_before: usize,
}

impl<'a> Audit<'a> {
    fn new(crowd: &Crowd, rooms: &'a [Room], offer: Offer) -> anyhow::Result<Self> {
        if rooms.iter().any(|room| room.members.is_empty()) || rooms.is_empty() {
            bail!("a room without members");
        }
        let mut room_of = vec![usize::MAX; crowd.size()];
        for (number, room) in rooms.iter().enumerate() {
            room.members.iter().for_each(|&id| room_of[id] = number);
        }
        let closed_before = crowd.closed().len();
        let last = vec![0; crowd.size()];
        Ok(Self { rooms, offer, outcome: Outcome::new(), room_of, last, closed_before })
    }

    fn on_sent(&mut self, room: usize, lateness: Nanos) {
        self.outcome.offered += 1;
        self.outcome.lateness.record(lateness);
        if !self.offer.acks {
            self.on_accepted(room);
        }
    }

    fn on_accepted(&mut self, room: usize) {
        self.outcome.accepted += 1;
        self.outcome.expected += self.rooms[room].members.len() as u64 * self.offer.copies;
    }

    fn on_heard(&mut self, id: Id, heard: Heard<'_>, now: Nanos, meter: &Meter<'_>) {
        let room = self.room_of[id];
        if room == usize::MAX {
            return;
        }
        match heard {
            Heard::Message { seq, prev, stamp } => {
                self.outcome.delivered += u64::from(meter.running());
                let last = self.last[id];
                self.last[id] = seq.max(last);
                let counted = meter.holds(stamp);
                if seq <= last {
                    self.outcome.doubled += u64::from(counted);
                    return;
                }
                self.outcome.gaps += u64::from(counted && last != 0 && prev != 0 && prev != last);
                if counted {
                    self.outcome.received += 1;
                    self.outcome.latency.record(now.saturating_sub(stamp));
                }
            }
            Heard::Ack { stamp } if meter.holds(stamp) => {
                self.on_accepted(room);
                self.outcome.ack.record(now.saturating_sub(stamp));
            }
            Heard::Error(text) => {
                self.outcome.errors += 1;
                self.outcome.first_error.get_or_insert_with(|| String::from_utf8_lossy(text).into_owned());
            }
            Heard::Ack { .. } | Heard::Other(_) => {}
        }
    }

    fn complete(&self) -> bool {
        let answered = self.outcome.accepted + self.outcome.errors >= self.outcome.offered;
        answered && self.outcome.received >= self.outcome.expected
    }

    fn finish(mut self, crowd: &Crowd) -> Outcome {
        let closed = &crowd.closed()[self.closed_before..];
        self.outcome.closed = closed.len();
        if let Some((_, reason)) = closed.first() {
            self.outcome.first_error.get_or_insert_with(|| reason.clone());
        }
        self.outcome
    }
}
