//! Log-ins, and what is no longer trusted.

use std::ops::Bound;

use async_trait::async_trait;
use chat_protocol::{SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::{
    Embedded,
    key::{Key, ends_with_id},
    stage::Stage,
    sweep::Until,
    tables::{Subject, Table},
    view::{View, between},
};
use crate::{Revocation, Revocations, SessionRow, Sessions, StoreError};

/// By session.
static SESSIONS: Table<Row> = Table::new(Subject::Sessions, b's');
/// By user and session.
static OF_USER: Table<Until> = Table::new(Subject::Sessions, b'u');
/// By session.
static REVOKED_SESSIONS: Table<Until> = Table::new(Subject::Sessions, b'r');
/// By user.
static REVOKED_USERS: Table<RevokedUser> = Table::new(Subject::Sessions, b'v');

#[derive(Serialize, Deserialize)]
struct Row {
    user: UserId,
    device: String,
    created_at: Timestamp,
    last_used_at: Timestamp,
    refresh_hash: [u8; 32],
    until: Timestamp,
}

impl Row {
    fn of(session: SessionRow) -> Self {
        Self {
            user: session.user,
            device: session.device,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            refresh_hash: session.refresh_hash,
            until: session.expires_at,
        }
    }

    fn session(self, id: SessionId) -> SessionRow {
        SessionRow {
            id,
            user: self.user,
            device: self.device,
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            refresh_hash: self.refresh_hash,
            expires_at: self.until,
        }
    }

    fn put(&self, stage: &mut Stage<'_>, id: SessionId) -> Result<(), StoreError> {
        stage.put_until(&OF_USER, (self.user, id), &Until { until: self.until }, self.until)?;
        stage.put_until(&SESSIONS, id, self, self.until)
    }
}

#[derive(Serialize, Deserialize)]
struct RevokedUser {
    issued_before: Timestamp,
    until: Timestamp,
}

#[async_trait]
impl Sessions for Embedded {
    async fn create_session(&self, session: &SessionRow) -> Result<(), StoreError> {
        let (id, row) = (session.id, Row::of(session.clone()));
        self.write("create_session", move |stage| row.put(stage, id)).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
        self.read("session", move |view| find(view, id)).await
    }

    async fn rotate_session(
        &self,
        id: SessionId,
        old: &[u8; 32],
        new: &[u8; 32],
        used_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (old, new) = (*old, *new);
        self.write("rotate_session", move |stage| {
            let Some(held) = stage.get(&SESSIONS, id)? else { return Ok(false) };
            if held.until <= stage.now || held.refresh_hash != old {
                return Ok(false);
            }
            let row = Row { refresh_hash: new, last_used_at: used_at, until: expires_at, ..held };
            row.put(stage, id)?;
            Ok(true)
        })
        .await
    }

    async fn end_session(&self, user: UserId, id: SessionId) -> Result<(), StoreError> {
        self.write("end_session", move |stage| {
            if stage.get(&SESSIONS, id)?.is_some_and(|row| row.user == user) {
                stage.remove(&SESSIONS, id);
                stage.remove(&OF_USER, (user, id));
            }
            Ok(())
        })
        .await
    }

    async fn sessions(&self, user: UserId) -> Result<Vec<SessionRow>, StoreError> {
        self.read("sessions", move |view| {
            let (first, last) = (SessionId::from_u128(0), SessionId::from_u128(u128::MAX));
            let ids = view.range(&OF_USER, between((user, first), (user, last)));
            let newest_first = ids.rev().map(|row| find(view, SessionId::from_u128(ends_with_id(&row?.0)?)));
            newest_first.filter_map(Result::transpose).collect()
        })
        .await
    }
}

/// Removes every log-in of a user.
pub(super) fn erase(stage: &mut Stage<'_>, user: UserId) -> Result<(), StoreError> {
    for key in stage.keys(&OF_USER, user)? {
        let id = SessionId::from_u128(ends_with_id(&key)?);
        stage.remove(&SESSIONS, id);
        stage.remove(&OF_USER, (user, id));
    }
    Ok(())
}

fn find(view: &View<'_>, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
    let row = view.get(&SESSIONS, id)?.filter(|row| row.until > view.now);
    Ok(row.map(|row| row.session(id)))
}

#[async_trait]
impl Revocations for Embedded {
    async fn revoke(&self, revocation: &Revocation) -> Result<(), StoreError> {
        let revocation = revocation.clone();
        self.write("revoke", move |stage| match revocation {
            Revocation::Session { session, until } => {
                let held = stage.get(&REVOKED_SESSIONS, session)?;
                let until = held.map_or(until, |held| held.until.max(until));
                stage.put_until(&REVOKED_SESSIONS, session, &Until { until }, until)
            }
            Revocation::User { user, issued_before, until } => {
                let mut row = RevokedUser { issued_before, until };
                if let Some(held) = stage.get(&REVOKED_USERS, user)? {
                    row.issued_before = row.issued_before.max(held.issued_before);
                    row.until = row.until.max(held.until);
                }
                stage.put_until(&REVOKED_USERS, user, &row, row.until)
            }
        })
        .await
    }

    async fn revocations(&self) -> Result<Vec<Revocation>, StoreError> {
        self.read("revocations", |view| {
            let sessions = view.range(&REVOKED_SESSIONS, all(SessionId::from_u128)).map(|row| {
                let (key, Until { until }) = row?;
                Ok(Revocation::Session { session: SessionId::from_u128(ends_with_id(&key)?), until })
            });
            let users = view.range(&REVOKED_USERS, all(UserId::from_u128)).map(|row| {
                let (key, RevokedUser { issued_before, until }) = row?;
                Ok(Revocation::User { user: UserId::from_u128(ends_with_id(&key)?), issued_before, until })
            });
            sessions.chain(users).filter(|row| row.as_ref().map_or(true, |row| row.until() > view.now)).collect()
        })
        .await
    }
}

/// Every id there can be.
fn all<Id: Key>(id: fn(u128) -> Id) -> (Bound<Id>, Bound<Id>) {
    between(id(0), id(u128::MAX))
}

impl Revocation {
    const fn until(&self) -> Timestamp {
        match self {
            Self::Session { until, .. } | Self::User { until, .. } => *until,
        }
    }
}
