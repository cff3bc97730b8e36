//! How far members have read.

use async_trait::async_trait;
use chat_protocol::{ConversationId, Seq, Timestamp, UserId, model::Marker};
use serde::{Deserialize, Serialize};

use super::{
    Embedded,
    key::ends_with_id,
    stage::Stage,
    tables::{Subject, Table},
    view::between,
};
use crate::{Markers, StoreError};

/// By conversation and user.
static MARKERS: Table<Row> = Table::new(Subject::Members, b'k');

#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    read: Seq,
    delivered: Seq,
    at: Timestamp,
    /// Of the pair that `at` belongs to, the sum: the highest one said counts.
    height: u64,
}

impl Row {
    const fn marker(self, user: UserId) -> Marker {
        Marker { user, read: self.read, delivered: self.delivered, at: self.at }
    }

    /// Each part by itself goes up, never down.
    fn raised(self, marker: &Marker) -> Self {
        let (read, delivered) = (marker.read, marker.delivered.max(marker.read));
        let height = read.get() + delivered.get();
        let at = if height >= self.height { self.at.max(marker.at) } else { self.at };
        Self {
            read: self.read.max(read),
            delivered: self.delivered.max(delivered),
            at,
            height: self.height.max(height),
        }
    }
}

/// Removes a part of a conversation's markers; whether there may be more.
pub(super) fn purge(stage: &mut Stage<'_>, of: ConversationId, most: usize) -> Result<bool, StoreError> {
    stage.remove_some(&MARKERS, of, most)
}

/// Removes one.
pub(super) fn erase(stage: &mut Stage<'_>, of: ConversationId, user: UserId) {
    stage.remove(&MARKERS, (of, user));
}

#[async_trait]
impl Markers for Embedded {
    async fn raise_markers(&self, of: UserId, markers: &[(ConversationId, Marker)]) -> Result<(), StoreError> {
        let markers = markers.to_vec();
        self.write("raise_markers", move |stage| {
            for (conversation, marker) in &markers {
                let held = stage.get(&MARKERS, (*conversation, of))?;
                let raised = held.unwrap_or_default().raised(marker);
                if held != Some(raised) {
                    stage.put(&MARKERS, (*conversation, of), &raised)?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn markers(&self, of: UserId, here: &[ConversationId]) -> Result<Vec<Option<Marker>>, StoreError> {
        let here = here.to_vec();
        self.read("markers", move |view| {
            let row = |conversation| Ok(view.get(&MARKERS, (conversation, of))?.map(|row| row.marker(of)));
            here.into_iter().map(row).collect()
        })
        .await
    }

    async fn markers_in(&self, of: ConversationId, limit: usize) -> Result<Vec<Marker>, StoreError> {
        self.read("markers_in", move |view| {
            let (first, last) = (UserId::from_u128(0), UserId::from_u128(u128::MAX));
            let rows = view.range(&MARKERS, between((of, first), (of, last))).take(limit);
            let markers = rows.map(|row| {
                let (key, row) = row?;
                Ok(row.marker(UserId::from_u128(ends_with_id(&key)?)))
            });
            markers.collect()
        })
        .await
    }
}
