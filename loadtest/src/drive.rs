//! Drives a crowd: an open loop that measures latency and cost, a closed loop that measures capacity.

use std::time::Duration;

use chat_protocol::ConversationId;

use crate::{
    crowd::Id,
    process::{Watched, cpu_of},
    stamp::Nanos,
};

mod closed; // so many in flight
mod open; // so many per second

pub use closed::{Capacity, closed_loop};
pub use open::{Outcome, open_loop};

/// A conversation and the sockets that follow it. A socket is in one room.
#[derive(Debug, Clone)]
pub struct Room {
    /// What it is called.
    pub conversation: ConversationId,
    /// Who hears it; they take turns in speaking.
    pub members: Vec<Id>,
}

/// What is offered to a server for a while.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    /// Messages per second over all rooms.
    pub rate: f64,
    /// Of each message.
    pub text_bytes: usize,
    /// Sent, but not counted.
    pub warm_up: Duration,
    /// Counted.
    pub window: Duration,
    /// How often a member hears a message: a raw server repeats frames to measure bursts.
    pub copies: u64,
    /// Whether the server acknowledges; if it does, only what it acknowledged is expected to arrive.
    pub acks: bool,
}

/// Opens and closes the window in which cost is counted.
struct Meter<'a> {
    watched: &'a [Watched],
    from: Nanos,
    until: Nanos,
    opened: Option<(Nanos, Vec<Duration>)>,
    cost: Option<Cost>,
}

/// What a window cost.
#[derive(Debug, Clone, Default)]
pub struct Cost {
    /// The window as it was.
    pub window: Duration,
    /// CPU time of each watched process.
    pub cpu: Vec<Duration>,
}

impl Cost {
    /// CPU seconds of all watched processes.
    pub fn cpu_seconds(&self) -> f64 {
        self.cpu.iter().sum::<Duration>().as_secs_f64()
    }
}

impl<'a> Meter<'a> {
    fn new(watched: &'a [Watched], start: Nanos, offer: Offer) -> Self {
        let from = start + offer.warm_up.as_nanos() as Nanos;
        Self { watched, from, until: from + offer.window.as_nanos() as Nanos, opened: None, cost: None }
    }

    /// Was `at` meant to lie in the window?
    fn holds(&self, at: Nanos) -> bool {
        (self.from..self.until).contains(&at)
    }

    /// Is the window open?
    fn running(&self) -> bool {
        self.opened.is_some() && self.cost.is_none()
    }

    fn on_time(&mut self, now: Nanos) -> anyhow::Result<()> {
        if self.opened.is_none() && now >= self.from {
            self.opened = Some((now, cpu_of(self.watched)?));
        }
        if let Some((opened, before)) = &self.opened
            && self.cost.is_none()
            && now >= self.until
        {
            let after = cpu_of(self.watched)?;
            let cpu = after.iter().zip(before).map(|(after, before)| after.saturating_sub(*before)).collect();
            self.cost = Some(Cost { window: Duration::from_nanos(now - opened), cpu });
        }
        Ok(())
    }
}
