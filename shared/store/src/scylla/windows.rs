//! The windows of a conversation: remembered, because they never change; read again, because there may be more; opened
//! by the first writer that needs the next one.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use chat_protocol::{ConversationId, Seq};
use parking_lot::Mutex;
use scylla::statement::prepared::PreparedStatement;

use super::{
    Scylla,
    cells::{self, AsKey},
    db::{Cas, Db},
};
use crate::{
    StoreError,
    metrics::WINDOW_ROWS,
    window::{Sizing, Window, window_of},
};

/// Conversations whose windows are remembered: some 100 bytes each.
const REMEMBERED: usize = 50_000;

pub(crate) struct Windows {
    sizing: Sizing,
    remembered: Mutex<Recent<ConversationId, Arc<[Window]>>>,
    list: PreparedStatement,
    count: PreparedStatement,
    open: PreparedStatement,
    find_serial: PreparedStatement,
}

impl Windows {
    pub(crate) async fn prepare(db: &Db, sizing: Sizing) -> Result<Self, StoreError> {
        Ok(Self {
            sizing,
            remembered: Mutex::new(Recent::new(REMEMBERED)),
            list: db.prepare_read("SELECT first, ends FROM windows WHERE conversation = ? AND first >= ?").await?,
            count: db.prepare_count("SELECT COUNT(*) FROM messages WHERE conversation = ? AND win = ?").await?,
            open: db
                .prepare_cas("INSERT INTO windows (conversation, first, ends) VALUES (?, ?, ?) IF NOT EXISTS")
                .await?,
            find_serial: db
                .prepare_serial("SELECT first, ends FROM windows WHERE conversation = ? AND first = ?")
                .await?,
        })
    }
}

impl Scylla {
    /// The window to write a position to; opened if it lies past the last one.
    pub(crate) async fn window_to_write(&self, of: ConversationId, position: Seq) -> Result<Window, StoreError> {
        if let Some(window) = window_of(&self.remembered(of), position) {
            return Ok(window);
        }
        loop {
            let windows = self.windows_now(of).await?;
            if let Some(window) = window_of(&windows, position) {
                return Ok(window);
            }
            let opened = self.open_window(of, windows.last().copied(), position).await?;
            if opened.contains(position) {
                return Ok(opened);
            }
        }
    }

    /// Every window there is at this moment.
    pub(crate) async fn windows_now(&self, of: ConversationId) -> Result<Arc<[Window]>, StoreError> {
        let known = self.remembered(of);
        let from = known.last().map_or(0, |window| cells::position(window.first));
        let answer = self.db.select(&self.windows.list, (of.key(), from)).await?;
        let found = cells::each(&answer, window)?;
        let last = known.last().map(|window| window.first);
        let newer = found.into_iter().filter(|window| last.is_none_or(|last| window.first > last));
        let all: Arc<[Window]> = known.iter().copied().chain(newer).collect();
        if all.len() > known.len() {
            self.windows.remembered.lock().put(of, all.clone());
        }
        Ok(all)
    }

    /// Windows that cover everything before `below`, as far as they exist: what is remembered, if that reaches so far.
    pub(crate) async fn windows_below(&self, of: ConversationId, below: Seq) -> Result<Arc<[Window]>, StoreError> {
        let known = self.remembered(of);
        if known.last().is_some_and(|last| below <= last.end) { Ok(known) } else { self.windows_now(of).await }
    }

    fn remembered(&self, of: ConversationId) -> Arc<[Window]> {
        self.windows.remembered.lock().get(&of).unwrap_or_default()
    }

    /// Whoever writes its row first decides where the window ends; everybody else takes that.
    async fn open_window(&self, of: ConversationId, last: Option<Window>, position: Seq) -> Result<Window, StoreError> {
        let last = match last {
            Some(last) => Some((last, self.rows_in(of, last).await?)),
            None => None,
        };
        let next = self.windows.sizing.next_window(last, position);
        let row = (of.key(), cells::position(next.first), cells::position(next.end));
        if self.db.cas(&self.windows.open, row).await? == Cas::Applied {
            return Ok(next);
        }
        let winner = self.db.select(&self.windows.find_serial, (of.key(), cells::position(next.first))).await?;
        cells::first(&winner)?.map(window).transpose()?.ok_or(StoreError::Unavailable)
    }

    async fn rows_in(&self, of: ConversationId, window: Window) -> Result<u64, StoreError> {
        let answer = self.db.select(&self.windows.count, (of.key(), cells::position(window.first))).await?;
        let rows = cells::first::<(i64,)>(&answer)?.map_or(0, |(rows,)| rows.max(0).cast_unsigned());
        metrics::histogram!(WINDOW_ROWS).record(rows as f64);
        Ok(rows)
    }
}

fn window((first, end): (i64, i64)) -> Result<Window, StoreError> {
    Ok(Window { first: cells::seq(first)?, end: cells::seq(end)? })
}

/// Remembers at least the `most` / 2 entries used last, and never more than `most`: two generations, of which the
/// older one goes whole when the younger one is full.
struct Recent<K, V> {
    most: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq + Copy, V: Clone> Recent<K, V> {
    fn new(most: usize) -> Self {
        Self { most, young: HashMap::new(), old: HashMap::new() }
    }

    fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.put(*key, value.clone());
        Some(value)
    }

    fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.most / 2 && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_makes_room() {
        let mut recent = Recent::new(100);
        for key in 0..10_000 {
            recent.put(key, key);
            assert_eq!(recent.get(&0), Some(0));
            assert!(recent.young.len() + recent.old.len() <= 100);
        }
        assert_eq!(recent.get(&9_999), Some(9_999));
        assert_eq!(recent.get(&5_000), None);
    }
}
