//! Whether a user lets others see how far they have read: asked of the store, remembered for a moment.

use std::{collections::HashMap, time::Duration};

use chat_protocol::{Timestamp, UserId};
use parking_lot::Mutex;

use crate::{app::App, fault::Fault};

/// After a change elsewhere it counts here no later than this.
const REMEMBERED: Duration = Duration::from_secs(5);
/// Users remembered at once; beyond it all are asked for anew.
const USERS: usize = 20_000;

/// Who shows receipts.
#[derive(Default)]
pub struct Receipts {
    known: Mutex<HashMap<UserId, (bool, Timestamp)>>,
}

impl App {
    /// Whether others may see a user's markers.
    pub async fn shows_receipts(&self, user: UserId) -> Result<bool, Fault> {
        let now = self.now();
        let known = self.signals.receipts.known.lock().get(&user).copied();
        if let Some((shows, until)) = known
            && now < until
        {
            return Ok(shows);
        }
        let shows = self.store.account(user).await?.is_some_and(|account| account.user.receipts);
        let mut known = self.signals.receipts.known.lock();
        if known.len() >= USERS {
            known.clear();
        }
        known.insert(user, (shows, now.plus_ms(REMEMBERED.as_millis() as i64)));
        Ok(shows)
    }
}
