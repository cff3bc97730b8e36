//! What was written in a message that is deleted is told to nobody any more, as far as the deletion is known here. Pure.

use std::collections::HashSet;

use chat_protocol::{Seq, event::Body, frame::EventFrame};

/// The messages that these events delete.
pub fn deletions<'a>(bodies: impl Iterator<Item = &'a Body>) -> HashSet<Seq> {
    let deletions =
        bodies.filter_map(|body| if let Body::MessageDeleted(deleted) = body { Some(deleted) } else { None });
    deletions.flat_map(|deleted| deleted.messages.iter().map(|message| message.seq())).collect()
}

/// Whether an event holds what was written in one of these messages.
pub fn holds_content(frame: &EventFrame, deleted: &HashSet<Seq>) -> bool {
    match &frame.body {
        Body::MessageCreated(_) => deleted.contains(&frame.seq),
        Body::MessageUpdated(updated) => deleted.contains(&updated.message.seq()),
        _ => false,
    }
}

/// Takes it out: who, when and what for stay.
pub fn blank(frame: &mut EventFrame) {
    frame.body.blank();
}
