//! What happened, as it happened: straight from the log where that knows enough, else from the store and the log's tail.
//!
//! What was written in a message that is deleted is left out. Its deletion may lie far behind the page: where the log's
//! page does not reach to the end, the store answers, which holds nothing of it any more.

use std::collections::HashSet;

use bytes::Bytes;
use chat_bus::{Logged, Replay};
use chat_protocol::{
    ErrorCode, Seq,
    event::{Body, Event},
    frame::EventFrame,
};

use super::{App, Fault, Room, Unsettled, blank, shared::Asked};

/// Events of the log looked through for deletions when the store is away.
const LOOK_AHEAD: usize = 2_000;

impl App {
    /// Raw events after a position, and whether there are more.
    pub async fn events(&self, room: &Room, after: Seq, size: usize) -> Result<(Vec<EventFrame>, bool), Fault> {
        room.reach_acknowledged().await;
        match self.log.replay(room.conversation, after, size + 1).await? {
            // They reach to the end: what deletes one of them is one of them.
            Replay::Recovered(events) => Ok(page(room, after, rows(events), size, HashSet::new())),
            Replay::More(events) => {
                let last = events.last().map_or(after, |last| last.seq);
                if room.remembers(last).await {
                    return Ok(page(room, after, rows(events), size, room.deleted_in_memory().await));
                }
                match self.stored_events(room, after, size).await {
                    Err(fault) if fault.code == ErrorCode::StoreUnavailable => {
                        let deleted = self.deleted_ahead(room, last).await?;
                        Ok(page(room, after, rows(events), size, deleted))
                    }
                    page => page,
                }
            }
            Replay::Ahead { .. } => Ok((Vec::new(), false)),
            Replay::TooOld { .. } => self.stored_events(room, after, size).await,
        }
    }

    async fn stored_events(&self, room: &Room, after: Seq, size: usize) -> Result<(Vec<EventFrame>, bool), Fault> {
        // Up to what is settled the store lacks nothing; beyond it the log is asked.
        let Unsettled { overlay, asked: Asked { settled, .. }, .. } = self.unsettled(room).await?;
        let deleted = overlay.deleted();
        let stored = self.store.events(room.conversation, after, size + 1).await?;
        let prev = if stored.events.is_empty() { after } else { stored.prev };
        let known = stored.events.into_iter().filter(|row| row.seq <= settled);
        let mut events: Vec<_> = known.map(|row| (row.seq, row.event)).collect();
        if events.len() <= size {
            let tail = self.log.tail(room.conversation, after.max(settled), size + 1).await?;
            events.extend(rows(tail));
        }
        Ok(page(room, prev, events, size, deleted))
    }

    /// The messages that the log deletes behind a position, if that is not too far to look.
    async fn deleted_ahead(&self, room: &Room, last: Seq) -> Result<HashSet<Seq>, Fault> {
        let ahead = self.log.tail(room.conversation, last, LOOK_AHEAD).await?;
        if ahead.len() == LOOK_AHEAD {
            return Err(Fault::new(ErrorCode::StoreUnavailable, "what is this old is read from the store, try again"));
        }
        Ok(deletions(&ahead))
    }
}

/// The messages that these events delete.
pub fn deletions(events: &[Logged]) -> HashSet<Seq> {
    let bodies: Vec<Body> = events.iter().filter_map(|logged| Some(Event::decode(&logged.event).ok()?.body)).collect();
    blank::deletions(bodies.iter())
}

fn rows(events: Vec<Logged>) -> Vec<(Seq, Bytes)> {
    events.into_iter().map(|logged| (logged.seq, logged.event)).collect()
}

/// Gives each event its predecessor, and leaves out what must not be read any more.
fn page(
    room: &Room,
    mut prev: Seq,
    events: Vec<(Seq, Bytes)>,
    size: usize,
    mut deleted: HashSet<Seq>,
) -> (Vec<EventFrame>, bool) {
    let more = events.len() > size;
    let mut frames = Vec::with_capacity(events.len());
    for (seq, bytes) in events {
        // What cannot be decoded lies in quarantine.
        if let Ok(event) = Event::decode(&bytes) {
            frames.push(EventFrame::new(room.conversation, room.shard, seq, prev, event));
            prev = seq;
        }
    }
    deleted.extend(blank::deletions(frames.iter().map(|event| &event.body)));
    frames.iter_mut().filter(|event| blank::holds_content(event, &deleted)).for_each(blank::blank);
    frames.truncate(size);
    (frames, more)
}
