//! The writes of one job: readable at once, committed together or not at all.

use std::collections::{BTreeMap, BTreeSet};

use chat_protocol::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    key::Key,
    sweep,
    tables::{Subject, Table, Tables, unreadable, unwritable},
};
use crate::StoreError;

/// Only the writer's thread has one, so what it reads cannot change before it commits.
pub(super) struct Stage<'t> {
    tables: &'t Tables,
    rows: BTreeMap<(Subject, Vec<u8>), Option<Vec<u8>>>,
    pub(super) now: Timestamp,
}

impl<'t> Stage<'t> {
    pub(super) fn new(tables: &'t Tables) -> Self {
        Self { tables, rows: BTreeMap::new(), now: tables.clock.now() }
    }

    pub(super) fn get<T: DeserializeOwned>(&self, table: &Table<T>, key: impl Key) -> Result<Option<T>, StoreError> {
        self.bytes(table.subject, table.key(key))?.map(|row| table.decode(&row)).transpose()
    }

    pub(super) fn put<T: Serialize>(&mut self, table: &Table<T>, key: impl Key, row: &T) -> Result<(), StoreError> {
        self.rows.insert((table.subject, table.key(key)), Some(table.encode(row)?));
        Ok(())
    }

    /// A row with a field `until`: read no more from then on, and removed some time later.
    pub(super) fn put_until<T: Serialize>(
        &mut self,
        table: &Table<T>,
        key: impl Key,
        row: &T,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let key = table.key(key);
        sweep::note(self, table.subject, &key, until)?;
        self.rows.insert((table.subject, key), Some(table.encode(row)?));
        Ok(())
    }

    pub(super) fn remove<T>(&mut self, table: &Table<T>, key: impl Key) {
        self.rows.insert((table.subject, table.key(key)), None);
    }

    /// The keys that begin with `prefix`, staged ones too.
    pub(super) fn keys<T>(&self, table: &Table<T>, prefix: impl Key) -> Result<BTreeSet<Vec<u8>>, StoreError> {
        let prefix = table.key(prefix);
        let stored = self.tables.keyspace(table.subject).prefix(&prefix).map(|row| Ok(row.key()?.to_vec()));
        let mut keys: BTreeSet<_> = stored.collect::<Result<_, _>>().map_err(|err| unreadable(&err))?;
        for ((subject, key), row) in self.rows.range((table.subject, prefix.clone())..) {
            if *subject != table.subject || !key.starts_with(&prefix) {
                break;
            }
            match row {
                Some(_) => keys.insert(key.clone()),
                None => keys.remove(key),
            };
        }
        Ok(keys)
    }

    /// Removes rows whose keys begin with `prefix`, at most so many; whether there may be more.
    pub(super) fn remove_some<T>(
        &mut self,
        table: &Table<T>,
        prefix: impl Key,
        most: usize,
    ) -> Result<bool, StoreError> {
        let keys = self.some_keys(table, prefix, most)?;
        let more = keys.len() == most;
        keys.into_iter().for_each(|key| self.remove_bytes(table.subject, key));
        Ok(more)
    }

    /// Stored keys that begin with `prefix`, at most so many.
    pub(super) fn some_keys<T>(
        &self,
        table: &Table<T>,
        prefix: impl Key,
        most: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let stored = self.tables.keyspace(table.subject).prefix(table.key(prefix)).take(most);
        let keys = stored.map(|row| Ok(row.key()?.to_vec())).collect::<Result<_, _>>();
        keys.map_err(|err| unreadable(&err))
    }

    /// A row whose type the caller knows.
    pub(super) fn bytes(&self, subject: Subject, key: Vec<u8>) -> Result<Option<Vec<u8>>, StoreError> {
        let staged = (subject, key);
        if let Some(row) = self.rows.get(&staged) {
            return Ok(row.clone());
        }
        let stored = self.tables.keyspace(subject).get(&staged.1).map_err(|err| unreadable(&err))?;
        Ok(stored.map(|row| row.to_vec()))
    }

    pub(super) fn remove_bytes(&mut self, subject: Subject, key: Vec<u8>) {
        self.rows.insert((subject, key), None);
    }

    /// Whether there is anything to commit.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// One batch; not on disk yet.
    pub(super) fn commit(self) -> Result<(), StoreError> {
        let mut batch = self.tables.database.batch();
        for ((subject, key), row) in self.rows {
            let keyspace = self.tables.keyspace(subject);
            match row {
                Some(row) => batch.insert(keyspace, key, row),
                None => batch.remove(keyspace, key),
            }
        }
        batch.commit().map_err(|err| unwritable(&err))
    }
}
