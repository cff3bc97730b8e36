//! The last writer by position.

use chat_protocol::Seq;
use serde::{Deserialize, Serialize};

/// A field with the position that wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Latest<T> {
    at: Seq,
    /// Writes without an event of their own at the same position come one after the other; an event is turn zero.
    #[serde(default)]
    turn: u32,
    /// What was written there.
    pub(super) value: T,
}

impl<T> Latest<T> {
    /// Writes the value of the event at `at`, unless a newer one is there. The same event again changes nothing.
    pub(super) fn put(field: &mut Option<Self>, at: Seq, value: T) {
        if field.as_ref().is_none_or(|held| held.at < at) {
            *field = Some(Self { at, turn: 0, value });
        }
    }

    /// Writes a value that has no event: over whatever is there, and to last until an event after `at`.
    pub(super) fn put_over(field: &mut Option<Self>, at: Seq, value: T) {
        let (at, turn) = match field {
            Some(held) if held.at >= at => (held.at, held.turn.saturating_add(1)),
            _ => (at, 1),
        };
        *field = Some(Self { at, turn, value });
    }

    /// The position that wrote it.
    pub(super) const fn at(&self) -> Seq {
        self.at
    }
}
