//! Rows that end by themselves: an index by their end, and bounded steps that remove what it names.
//!
//! Reads look at a row's own `until`, so nothing depends on when a step comes. A step goes with a commit: a store
//! without writes has nothing new to sweep.

use std::ops::Bound;

use chat_protocol::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    stage::Stage,
    tables::{Subject, Table, Tables, unreadable},
};
use crate::StoreError;

/// By end, subject and key.
static ENDS: Table<()> = Table::new(Subject::Marks, b'e');
/// The bytes of an index key before the row's own key: table, end, subject.
const BEFORE_KEY: usize = 1 + 8 + 1;
/// Rows one step removes: less than a large batch writes, more than most commits let end.
const STEP: usize = 256;
/// Between two steps that found little.
const PAUSE_MS: i64 = 10_000;

/// What every row that ends has, among other fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Until {
    pub(super) until: Timestamp,
}

/// Notes that a row ends. A row whose end moves is noted again; the earlier note then finds it alive.
pub(super) fn note(stage: &mut Stage<'_>, subject: Subject, key: &[u8], until: Timestamp) -> Result<(), StoreError> {
    // Never noted in the past, where no step looks again.
    let until = until.max(stage.now);
    stage.put(&ENDS, (until, [subject.byte()].as_slice(), key), &())
}

#[derive(Default)]
pub(super) struct Sweeper {
    /// Everything noted before was removed. Steps begin here, not among the traces of what they removed.
    swept: Timestamp,
    next: Timestamp,
}

impl Sweeper {
    /// Stages the removal of some rows that have ended.
    pub(super) fn step(&mut self, tables: &Tables, stage: &mut Stage<'_>) -> Result<(), StoreError> {
        if stage.now < self.next {
            return Ok(());
        }
        let ended = (Bound::Included(ENDS.key(self.swept)), Bound::Excluded(ENDS.key(stage.now)));
        let mut found = 0;
        for note in tables.keyspace(ENDS.subject).range::<Vec<u8>, _>(ended).take(STEP) {
            let note = note.key().map_err(|err| unreadable(&err))?.to_vec();
            self.remove(stage, note)?;
            found += 1;
        }
        if found < STEP {
            self.swept = stage.now;
            self.next = stage.now.plus_ms(PAUSE_MS);
        }
        Ok(())
    }

    fn remove(&self, stage: &mut Stage<'_>, note: Vec<u8>) -> Result<(), StoreError> {
        if let Some((head, key)) = note.split_at_checked(BEFORE_KEY)
            && let Some(subject) = head.last().and_then(|byte| Subject::of_byte(*byte))
            && let Some(row) = stage.bytes(subject, key.to_vec())?
            && UNTIL.decode(&row)?.until < stage.now
        {
            stage.remove_bytes(subject, key.to_vec());
        }
        stage.remove_bytes(ENDS.subject, note);
        Ok(())
    }
}

/// Any row that ends, seen as its end alone; the key comes from elsewhere.
static UNTIL: Table<Until> = Table::new(Subject::Marks, 0);
