//! So many messages in flight: how many a second are acknowledged.

use std::time::Duration;

use super::{Cost, Meter, Offer, Room};
use crate::{
    crowd::{Crowd, Id},
    heard::Heard,
    process::Watched,
    stamp::{Clock, SendFrame},
    stats::Latency,
};

/// What a closed loop found.
#[derive(Debug, Clone)]
pub struct Capacity {
    /// Acknowledged messages in the window.
    pub acked: u64,
    /// What the window cost.
    pub cost: Cost,
    /// Sent → acknowledged.
    pub ack: Latency,
    /// `error` frames and closed sockets.
    pub errors: u64,
    /// The first of them.
    pub first_error: Option<String>,
}

impl Capacity {
    /// Acknowledged messages per second.
    pub fn per_second(&self) -> f64 {
        self.acked as f64 / self.cost.window.as_secs_f64()
    }
}

/// Keeps `outstanding` messages without acknowledgement in flight, spread over the rooms' members. The offer's rate
/// plays no part.
pub fn closed_loop(
    crowd: &mut Crowd,
    rooms: &[Room],
    outstanding: usize,
    offer: Offer,
    watched: &[Watched],
    clock: &Clock,
) -> anyhow::Result<Capacity> {
    let mut speakers: Vec<Option<SendFrame>> = vec![None; crowd.size()];
    for room in rooms {
        for &id in &room.members {
            speakers[id] = Some(SendFrame::new(room.conversation, offer.text_bytes));
        }
    }
    let ids = rooms.iter().flat_map(|room| room.members.iter().copied());
    let mut may_send: Vec<Id> = ids.cycle().take(outstanding).collect();

    let mut found = Capacity { acked: 0, cost: Cost::default(), ack: Latency::default(), errors: 0, first_error: None };
    let closed_before = crowd.closed().len();
    let start = clock.now();
    let mut meter = Meter::new(watched, start, offer);
    let mut stamp = start;
    while meter.cost.is_none() {
        for id in may_send.drain(..) {
            stamp = clock.now().max(stamp + 1);
            if let Some(frame) = &mut speakers[id] {
                crowd.write(id, frame.stamped(stamp, clock));
            }
        }
        crowd.turn(Duration::from_millis(10), |id, heard| match heard {
            Heard::Ack { stamp } if stamp >= start => {
                if meter.running() {
                    found.acked += 1;
                    found.ack.record(clock.now().saturating_sub(stamp));
                }
                may_send.push(id);
            }
            Heard::Error(text) if speakers[id].is_some() => {
                found.errors += 1;
                found.first_error.get_or_insert_with(|| String::from_utf8_lossy(text).into_owned());
                may_send.push(id);
            }
            _ => {}
        })?;
        meter.on_time(clock.now())?;
    }
    found.cost = meter.cost.unwrap_or_default();
    let closed = &crowd.closed()[closed_before..];
    found.errors += closed.len() as u64;
    if let Some((_, reason)) = closed.first() {
        found.first_error.get_or_insert_with(|| reason.clone());
    }
    Ok(found)
}
