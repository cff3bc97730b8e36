//! Log-ins, written by conditional statements alone so that two refreshes with one token have one winner, and what is
//! no longer trusted.

use std::collections::HashMap;

use async_trait::async_trait;
use chat_protocol::{SessionId, Timestamp, UserId};
use futures_util::future::try_join_all;
use scylla::{DeserializeRow, statement::prepared::PreparedStatement, value::CqlTimestamp};

use super::{
    Scylla,
    cells::{self, AsKey},
    db::{Cas, Db},
};
use crate::{Revocation, Revocations, SessionRow, Sessions, StoreError};

/// Partitions of the revocations: as many as are read at once.
const BUCKETS: i8 = 16;
/// The longest TTL that CQL takes: 20 years.
const TTL_MAX: i64 = 20 * 365 * 24 * 3600;

pub(crate) struct Statements {
    create: PreparedStatement,
    find: PreparedStatement,
    find_serial: PreparedStatement,
    rotate: PreparedStatement,
    end: PreparedStatement,
    list: PreparedStatement,
    insert_listed: PreparedStatement,
    remove_listed: PreparedStatement,
    revoke: PreparedStatement,
    revoked: PreparedStatement,
}

impl Statements {
    pub(crate) async fn prepare(db: &Db) -> Result<Self, StoreError> {
        let find = "SELECT id, user_id, device, created_at, last_used_at, refresh_hash, expires_at FROM sessions \
                    WHERE id = ?";
        Ok(Self {
            create: db
                .prepare_cas(
                    "INSERT INTO sessions (id, user_id, device, created_at, last_used_at, refresh_hash, expires_at) \
                     VALUES (?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS USING TTL ?",
                )
                .await?,
            find: db.prepare_read(find).await?,
            find_serial: db.prepare_serial(find).await?,
            // All columns, although most keep their value: a TTL belongs to a cell, not to a row.
            rotate: db
                .prepare_cas(
                    "UPDATE sessions USING TTL ? SET user_id = ?, device = ?, created_at = ?, last_used_at = ?, \
                     refresh_hash = ?, expires_at = ? WHERE id = ? IF refresh_hash = ?",
                )
                .await?,
            end: db.prepare_cas("DELETE FROM sessions WHERE id = ? IF user_id = ?").await?,
            list: db.prepare_read("SELECT id FROM sessions_by_user WHERE user_id = ?").await?,
            insert_listed: db
                .prepare_write("INSERT INTO sessions_by_user (user_id, id) VALUES (?, ?) USING TTL ?")
                .await?,
            remove_listed: db.prepare_write("DELETE FROM sessions_by_user WHERE user_id = ? AND id = ?").await?,
            revoke: db
                .prepare_write(
                    "INSERT INTO revocations (bucket, kind, subject, issued_before, until) VALUES (?, ?, ?, ?, ?) \
                     USING TTL ?",
                )
                .await?,
            revoked: db
                .prepare_read("SELECT kind, subject, issued_before, until FROM revocations WHERE bucket = ?")
                .await?,
        })
    }
}

#[derive(DeserializeRow)]
struct Row<'row> {
    id: &'row [u8],
    user_id: Option<&'row [u8]>,
    device: Option<&'row str>,
    created_at: Option<CqlTimestamp>,
    last_used_at: Option<CqlTimestamp>,
    refresh_hash: Option<&'row [u8]>,
    expires_at: Option<CqlTimestamp>,
}

impl Row<'_> {
    /// `None` while its cells run out one by one.
    fn session(self) -> Result<Option<SessionRow>, StoreError> {
        let (Some(user), Some(created_at), Some(last_used_at), Some(hash), Some(expires_at)) =
            (self.user_id, self.created_at, self.last_used_at, self.refresh_hash, self.expires_at)
        else {
            return Ok(None);
        };
        Ok(Some(SessionRow {
            id: cells::session_id(self.id)?,
            user: cells::user_id(user)?,
            device: self.device.unwrap_or_default().to_owned(),
            created_at: cells::time(created_at),
            last_used_at: cells::time(last_used_at),
            refresh_hash: hash.try_into().map_err(|_| cells::broken("refresh hash"))?,
            expires_at: cells::time(expires_at),
        }))
    }
}

#[async_trait]
impl Sessions for Scylla {
    async fn create_session(&self, session: &SessionRow) -> Result<(), StoreError> {
        self.db.writing("create_session", self.insert_session(session)).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
        self.db.reading("session", self.find_session(&self.sessions.find, id)).await
    }

    async fn rotate_session(
        &self,
        id: SessionId,
        old: &[u8; 32],
        new: &[u8; 32],
        used_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let rotate = async {
            let Some(session) = self.find_session(&self.sessions.find, id).await? else { return Ok(false) };
            let session = SessionRow { refresh_hash: *new, last_used_at: used_at, expires_at, ..session };
            self.replace_session(&session, old).await
        };
        self.db.writing("rotate_session", rotate).await
    }

    async fn end_session(&self, user: UserId, id: SessionId) -> Result<(), StoreError> {
        let end = async {
            if self.db.cas(&self.sessions.end, (id.key(), user.key())).await? == Cas::Unknown {
                return Err(StoreError::Unavailable);
            }
            self.db.write(&self.sessions.remove_listed, (user.key(), id.key())).await
        };
        self.db.writing("end_session", end).await
    }

    async fn sessions(&self, user: UserId) -> Result<Vec<SessionRow>, StoreError> {
        let list = async {
            let answer = self.db.select(&self.sessions.list, (user.key(),)).await?;
            let ids = cells::each(&answer, |(id,): (&[u8],)| cells::session_id(id))?;
            let found = try_join_all(ids.into_iter().map(|id| self.find_session(&self.sessions.find, id))).await?;
            Ok(found.into_iter().flatten().filter(|session| session.user == user).collect())
        };
        self.db.reading("sessions", list).await
    }
}

#[async_trait]
impl Revocations for Scylla {
    async fn revoke(&self, revocation: &Revocation) -> Result<(), StoreError> {
        let (kind, subject, issued_before, until) = match revocation {
            Revocation::Session { session, until } => (SESSION, session.key(), Timestamp::EPOCH, *until),
            Revocation::User { user, issued_before, until } => (USER, user.key(), *issued_before, *until),
        };
        let Some(ttl) = self.ttl(until) else { return Ok(()) };
        // The last byte of a ULID is random.
        let bucket = subject.last().copied().unwrap_or_default() % BUCKETS.unsigned_abs();
        let (issued_before, until) = (cells::time_cell(issued_before), cells::time_cell(until));
        let row = (bucket.cast_signed(), kind, subject, issued_before, until, ttl);
        self.db.writing("revoke", self.db.write(&self.sessions.revoke, row)).await
    }

    async fn revocations(&self) -> Result<Vec<Revocation>, StoreError> {
        let list = async {
            let buckets = try_join_all((0..BUCKETS).map(|bucket| self.revoked_in(bucket))).await?;
            Ok(strongest(buckets.into_iter().flatten()))
        };
        self.db.reading("revocations", list).await
    }
}

const SESSION: &str = "session";
const USER: &str = "user";

impl Scylla {
    async fn insert_session(&self, session: &SessionRow) -> Result<(), StoreError> {
        let Some(ttl) = self.ttl(session.expires_at) else { return Ok(()) };
        let row = (
            session.id.key(),
            session.user.key(),
            &session.device,
            cells::time_cell(session.created_at),
            cells::time_cell(session.last_used_at),
            session.refresh_hash,
            cells::time_cell(session.expires_at),
            ttl,
        );
        if self.db.cas(&self.sessions.create, row).await? != Cas::Applied {
            let there = self.find_session(&self.sessions.find_serial, session.id).await?;
            there.filter(|there| there.user == session.user).ok_or(StoreError::Unavailable)?;
        }
        self.db.write(&self.sessions.insert_listed, (session.user.key(), session.id.key(), ttl)).await
    }

    async fn replace_session(&self, session: &SessionRow, old: &[u8; 32]) -> Result<bool, StoreError> {
        let Some(ttl) = self.ttl(session.expires_at) else { return Ok(false) };
        let row = (
            ttl,
            session.user.key(),
            &session.device,
            cells::time_cell(session.created_at),
            cells::time_cell(session.last_used_at),
            session.refresh_hash,
            cells::time_cell(session.expires_at),
            session.id.key(),
            *old,
        );
        match self.db.cas(&self.sessions.rotate, row).await? {
            Cas::Refused => return Ok(false),
            Cas::Applied => {}
            Cas::Unknown => match self.find_session(&self.sessions.find_serial, session.id).await? {
                Some(there) if there.refresh_hash == session.refresh_hash => {}
                Some(there) if there.refresh_hash == *old => return Err(StoreError::Unavailable),
                _ => return Ok(false),
            },
        }
        self.db.write(&self.sessions.insert_listed, (session.user.key(), session.id.key(), ttl)).await?;
        Ok(true)
    }

    async fn find_session(
        &self,
        statement: &PreparedStatement,
        id: SessionId,
    ) -> Result<Option<SessionRow>, StoreError> {
        let answer = self.db.select(statement, (id.key(),)).await?;
        let found = cells::first::<Row<'_>>(&answer)?.map_or(Ok(None), Row::session)?;
        Ok(found.filter(|session| session.expires_at > self.clock.now()))
    }

    async fn revoked_in(&self, bucket: i8) -> Result<Vec<Revocation>, StoreError> {
        let answer = self.db.select(&self.sessions.revoked, (bucket,)).await?;
        let now = self.clock.now();
        let all = cells::each(&answer, |row: (&str, &[u8], CqlTimestamp, Option<CqlTimestamp>)| {
            let (kind, subject, issued_before, until) = row;
            let Some(until) = until.map(cells::time).filter(|until| *until > now) else { return Ok(None) };
            match kind {
                SESSION => Ok(Some(Revocation::Session { session: cells::session_id(subject)?, until })),
                USER => {
                    let issued_before = cells::time(issued_before);
                    Ok(Some(Revocation::User { user: cells::user_id(subject)?, issued_before, until }))
                }
                // Of a later version.
                _ => Ok(None),
            }
        })?;
        Ok(all.into_iter().flatten().collect())
    }

    /// Seconds until `until`; `None` once it is past.
    pub(crate) fn ttl(&self, until: Timestamp) -> Option<i32> {
        let left_ms = until.as_ms() - self.clock.now().as_ms();
        i32::try_from((left_ms.max(0) as u64).div_ceil(1_000).cast_signed().min(TTL_MAX)).ok().filter(|ttl| *ttl > 0)
    }
}

/// Of several that concern one user the one that reaches furthest.
fn strongest(all: impl Iterator<Item = Revocation>) -> Vec<Revocation> {
    let mut users: HashMap<UserId, (Timestamp, Timestamp)> = HashMap::new();
    let mut revocations = Vec::new();
    for revocation in all {
        match revocation {
            Revocation::User { user, issued_before, until } => {
                let most = users.entry(user).or_insert((issued_before, until));
                *most = (most.0.max(issued_before), most.1.max(until));
            }
            session @ Revocation::Session { .. } => revocations.push(session),
        }
    }
    revocations.extend(users.into_iter().map(|(user, (issued_before, until))| Revocation::User {
        user,
        issued_before,
        until,
    }));
    revocations
}
