//! One snapshot: what a read sees, while writes go on.

use std::ops::{Bound, RangeBounds};

use chat_protocol::Timestamp;
use fjall::{Readable, Snapshot, UserKey};
use serde::de::DeserializeOwned;

use super::{
    key::Key,
    tables::{Table, Tables, unreadable},
};
use crate::StoreError;

pub(super) struct View<'t> {
    tables: &'t Tables,
    snapshot: Snapshot,
    /// Rows that ended before are not there.
    pub(super) now: Timestamp,
}

impl<'t> View<'t> {
    pub(super) fn of(tables: &'t Tables) -> Self {
        Self { tables, snapshot: tables.database.snapshot(), now: tables.clock.now() }
    }

    pub(super) fn get<T: DeserializeOwned>(&self, table: &Table<T>, key: impl Key) -> Result<Option<T>, StoreError> {
        let row = self.snapshot.get(self.tables.keyspace(table.subject), table.key(key));
        row.map_err(|err| unreadable(&err))?.map(|row| table.decode(&row)).transpose()
    }

    /// Rows with their keys, in order of the keys. Both ends are given: what lies beyond may be another table.
    pub(super) fn range<T: DeserializeOwned>(
        &self,
        table: &'static Table<T>,
        keys: (Bound<impl Key>, Bound<impl Key>),
    ) -> impl DoubleEndedIterator<Item = Result<(UserKey, T), StoreError>> {
        let keys = (keys.0.map(|key| table.key(key)), keys.1.map(|key| table.key(key)));
        let rows = (!is_empty(&keys)).then(|| self.snapshot.range(self.tables.keyspace(table.subject), keys));
        rows.into_iter().flatten().map(|row| {
            let (key, row) = row.into_inner().map_err(|err| unreadable(&err))?;
            Ok((key, table.decode(&row)?))
        })
    }
}

/// From one key to another, both included.
pub(super) fn between<K: Key>(first: K, last: K) -> (Bound<K>, Bound<K>) {
    (Bound::Included(first), Bound::Included(last))
}

/// Whether a range ends before it begins, which an engine may not be asked for.
fn is_empty(keys: &(Bound<Vec<u8>>, Bound<Vec<u8>>)) -> bool {
    match (keys.start_bound(), keys.end_bound()) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(first), Bound::Included(last)) => first > last,
        (Bound::Included(first) | Bound::Excluded(first), Bound::Included(last) | Bound::Excluded(last)) => {
            first >= last
        }
    }
}
