//! What users said about their presence, and when they were last there.

use async_trait::async_trait;
use chat_protocol::{Timestamp, UserId, model::Status};
use serde::{Deserialize, Serialize};

use super::{
    Embedded,
    stage::Stage,
    tables::{Subject, Table},
};
use crate::{Statuses, StoreError};

/// By user.
static STATUSES: Table<Row> = Table::new(Subject::Users, b's');
/// By user.
static LAST_SEEN: Table<Timestamp> = Table::new(Subject::Users, b'l');

#[derive(Serialize, Deserialize)]
struct Row {
    status: Status,
    at: Timestamp,
}

/// Removes what is known of a user.
pub(super) fn erase(stage: &mut Stage<'_>, user: UserId) {
    stage.remove(&STATUSES, user);
    stage.remove(&LAST_SEEN, user);
}

#[async_trait]
impl Statuses for Embedded {
    async fn set_status(&self, of: UserId, status: &Status, at: Timestamp) -> Result<(), StoreError> {
        let status = status.clone();
        self.write("set_status", move |stage| match stage.get(&STATUSES, of)? {
            Some(held) if held.at > at => Ok(()),
            _ => stage.put(&STATUSES, of, &Row { status, at }),
        })
        .await
    }

    async fn statuses(&self, of: &[UserId]) -> Result<Vec<Status>, StoreError> {
        let of = of.to_vec();
        self.read("statuses", move |view| {
            let status = |user| Ok(view.get(&STATUSES, user)?.map(|row| row.status).unwrap_or_default());
            of.into_iter().map(status).collect()
        })
        .await
    }

    async fn seen(&self, seen: &[(UserId, Timestamp)]) -> Result<(), StoreError> {
        let seen = seen.to_vec();
        self.write("seen", move |stage| {
            for (user, at) in seen {
                if stage.get(&LAST_SEEN, user)?.is_none_or(|held| held < at) {
                    stage.put(&LAST_SEEN, user, &at)?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn last_seen(&self, of: &[UserId]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let of = of.to_vec();
        self.read("last_seen", move |view| of.into_iter().map(|user| view.get(&LAST_SEEN, user)).collect()).await
    }
}
