//! Brings a keyspace to the schema this version needs, and says whether one has it.
//!
//! Migrations are additive files, applied in order by `chat migrate` alone, one statement at a time: concurrent schema
//! changes have damaged clusters. A lease keeps a second migration waiting. A service refuses a schema that it does not
//! know; a newer one says itself how old a service it still serves, so that N − 1 runs until a rolling upgrade is over.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use scylla::{
    client::{execution_profile::ExecutionProfile, session::Session, session_builder::SessionBuilder},
    errors::ExecutionError,
    policies::retry::FallthroughRetryPolicy,
    response::query_result::QueryResult,
    statement::unprepared::Statement,
};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::{StoreError, scylla::ScyllaOptions};

/// How often each row exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replication {
    /// The same number everywhere: for one machine and for tests.
    Simple(u8),
    /// For each datacenter its number of copies: for production, with 3.
    Datacenters(BTreeMap<String, u8>),
}

/// What a migration found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The version before; zero if there was none.
    pub from: i32,
    /// The version now.
    pub to: i32,
}

/// Why the schema is not what this version needs, or could not become it.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// No keyspace, or one without our tables.
    #[error("the keyspace has no schema: run `chat migrate`")]
    Missing,
    /// Made by an older version.
    #[error("the schema has version {found}, this program needs {needed}: run `chat migrate`")]
    Behind {
        /// In the keyspace.
        found: i32,
        /// In this program.
        needed: i32,
    },
    /// Made by a newer version that no longer serves this one.
    #[error("the schema has version {found} and serves programs from {serves} on, this one has {needed}: upgrade it")]
    Ahead {
        /// In the keyspace.
        found: i32,
        /// The oldest program it serves.
        serves: i32,
        /// In this program.
        needed: i32,
    },
    /// A migration that was applied is not the one this program carries.
    #[error("migration {0} was applied in another form than this program has it")]
    Changed(i32),
    /// Another migration did not end in time.
    #[error("another migration holds the lease")]
    Busy,
    /// A replication or keyspace name that cannot be written in CQL.
    #[error("invalid {0}")]
    Invalid(&'static str),
    /// A statement failed; all before it hold, and running the migration again goes on.
    #[error("{step}: {reason}")]
    Failed {
        /// What was tried.
        step: String,
        /// What the server or the driver said.
        reason: String,
    },
}

impl From<SchemaError> for StoreError {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Failed { .. } | SchemaError::Busy => Self::Unavailable,
            refused => Self::Other(refused.to_string()),
        }
    }
}

/// One file.
struct Migration {
    version: i32,
    name: &'static str,
    cql: &'static str,
    /// The oldest program version that can run on the schema once this is applied.
    serves: i32,
}

const MIGRATIONS: &[Migration] =
    &[Migration { version: 1, name: "0001_init", cql: include_str!("../migrations/0001_init.cql"), serves: 1 }];

/// The version this program needs.
pub const SCHEMA_VERSION: i32 = match MIGRATIONS.last() {
    Some(newest) => newest.version,
    None => 0,
};

/// A schema change on a busy cluster takes seconds.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// Longer than any one statement, so that a lease is never lost while one runs.
const LEASE_S: i32 = 90;
/// How long a second migration waits for the first.
const LEASE_WAIT: Duration = Duration::from_secs(120);
const LEASE_POLL: Duration = Duration::from_millis(250);

/// Creates what is missing: the keyspace (an operator may have made it, with options of their server: ScyllaDB before
/// 2025.4 has no conditional statements with tablets, and needs `tablets = {'enabled': false}`), then each migration that was not applied yet. Running it twice, or twice at
/// once, does the same as once. Refuses when the keyspace is newer than this program.
pub async fn migrate(options: &ScyllaOptions, replication: &Replication) -> Result<Migrated, SchemaError> {
    let schema = Schema::open(options).await?;
    schema.create_keyspace(replication).await?;
    schema.create_own_table().await?;
    let lease = schema.take_lease().await?;
    let done = schema.bring_up(&lease).await;
    schema.release(&lease).await;
    done
}

/// Whether services of this version may use the keyspace.
pub(crate) async fn check_version(session: &Session, keyspace: &str) -> Result<(), SchemaError> {
    let text = format!("SELECT version, checksum, serves FROM {keyspace}.schema_version WHERE id = 0");
    let applied = match session.query_unpaged(Statement::new(text), ()).await {
        Ok(result) => Applied::read(result)?,
        Err(error) if is_missing(&error) => return Err(SchemaError::Missing),
        Err(error) => return Err(failed("read the schema's version", &error)),
    };
    judge(&applied)
}

/// One row of `schema_version`.
#[derive(Debug, Clone)]
struct Applied {
    version: i32,
    checksum: String,
    serves: i32,
}

impl Applied {
    fn read(result: QueryResult) -> Result<Vec<Self>, SchemaError> {
        let step = "read the schema's version";
        let rows = result.into_rows_result().map_err(|error| failed(step, &error))?;
        rows.rows::<(i32, String, i32)>()
            .map_err(|error| failed(step, &error))?
            .map(|row| {
                row.map(|(version, checksum, serves)| Self { version, checksum, serves })
                    .map_err(|error| failed(step, &error))
            })
            .collect()
    }
}

fn judge(applied: &[Applied]) -> Result<(), SchemaError> {
    unchanged(applied)?;
    match applied.iter().max_by_key(|row| row.version) {
        None => Err(SchemaError::Missing),
        Some(row) if row.version < SCHEMA_VERSION => {
            Err(SchemaError::Behind { found: row.version, needed: SCHEMA_VERSION })
        }
        Some(row) if row.serves > SCHEMA_VERSION => {
            Err(SchemaError::Ahead { found: row.version, serves: row.serves, needed: SCHEMA_VERSION })
        }
        Some(_) => Ok(()),
    }
}

/// Every migration known here was applied in the form known here.
fn unchanged(applied: &[Applied]) -> Result<(), SchemaError> {
    let differs = |row: &&Applied| {
        let known = MIGRATIONS.iter().find(|known| known.version == row.version);
        known.is_some_and(|known| known.checksum() != row.checksum)
    };
    applied.iter().find(differs).map_or(Ok(()), |row| Err(SchemaError::Changed(row.version)))
}

impl Migration {
    fn checksum(&self) -> String {
        let digest: [u8; 32] = Sha256::digest(self.cql.as_bytes()).into();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Its statements, without comments.
    fn statements(&self) -> Vec<String> {
        let bare: String = self.cql.lines().map(|line| line.split("--").next().unwrap_or("")).fold(
            String::with_capacity(self.cql.len()),
            |mut all, line| {
                all.push_str(line.trim_end());
                all.push('\n');
                all
            },
        );
        bare.split(';').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }
}

/// A keyspace under migration.
struct Schema {
    session: Session,
    keyspace: String,
}

impl Schema {
    async fn open(options: &ScyllaOptions) -> Result<Self, SchemaError> {
        let profile = ExecutionProfile::builder()
            .request_timeout(Some(STATEMENT_TIMEOUT))
            .retry_policy(Arc::new(FallthroughRetryPolicy))
            .build();
        let session = options
            .dial(SessionBuilder::new().auto_await_schema_agreement(true), profile)
            .await
            .map_err(|error| failed("connect", &error))?;
        Ok(Self { session, keyspace: options.keyspace().to_owned() })
    }

    async fn create_keyspace(&self, replication: &Replication) -> Result<(), SchemaError> {
        if self.exists("SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?", None).await? {
            return Ok(());
        }
        let copies = replication.as_cql()?;
        self.change(&format!(
            "CREATE KEYSPACE IF NOT EXISTS {} WITH replication = {copies} AND durable_writes = true",
            self.keyspace
        ))
        .await
    }

    /// The table that migrations themselves need: versions stand in its partition 0, the lease in partition 1. One table
    /// and looked for first, because this is the one change that no lease guards.
    async fn create_own_table(&self) -> Result<(), SchemaError> {
        let find = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?";
        if self.exists(find, Some("schema_version")).await? {
            return Ok(());
        }
        self.change(&format!(
            "CREATE TABLE IF NOT EXISTS {}.schema_version (id tinyint, version int, name text, checksum text, \
             serves int, holder text, PRIMARY KEY (id, version))",
            self.keyspace
        ))
        .await
    }

    async fn bring_up(&self, lease: &str) -> Result<Migrated, SchemaError> {
        let text = format!("SELECT version, checksum, serves FROM {}.schema_version WHERE id = 0", self.keyspace);
        let step = "read the schema's version";
        let applied = Applied::read(self.run(step, Statement::new(text), ()).await?)?;
        unchanged(&applied)?;
        let newest = applied.iter().max_by_key(|row| row.version);
        let from = newest.map_or(0, |row| row.version);
        if let Some(row) = newest.filter(|row| row.version > SCHEMA_VERSION) {
            return Err(SchemaError::Ahead { found: row.version, serves: row.serves, needed: SCHEMA_VERSION });
        }
        for migration in MIGRATIONS.iter().filter(|migration| migration.version > from) {
            self.apply(migration, lease).await?;
        }
        Ok(Migrated { from, to: SCHEMA_VERSION })
    }

    async fn apply(&self, migration: &Migration, lease: &str) -> Result<(), SchemaError> {
        self.session.use_keyspace(&self.keyspace, false).await.map_err(|error| failed("use the keyspace", &error))?;
        for statement in migration.statements() {
            self.renew(lease).await?;
            self.change(&statement).await?;
        }
        let text = format!(
            "INSERT INTO {}.schema_version (id, version, name, checksum, serves) VALUES (0, ?, ?, ?, ?)",
            self.keyspace
        );
        let row = (migration.version, migration.name, migration.checksum(), migration.serves);
        self.run("record the migration", Statement::new(text), row).await?;
        tracing::info!(version = migration.version, name = migration.name, "schema migrated");
        Ok(())
    }

    /// One schema change, and agreement about it before the next.
    async fn change(&self, statement: &str) -> Result<(), SchemaError> {
        let step = statement.lines().next().unwrap_or_default();
        self.run(step, Statement::new(statement), ()).await?;
        self.session.await_schema_agreement().await.map_err(|error| failed("await schema agreement", &error))?;
        Ok(())
    }

    async fn exists(&self, query: &str, table: Option<&str>) -> Result<bool, SchemaError> {
        let statement = Statement::new(query);
        let result = match table {
            None => self.run("look for the keyspace", statement, (&self.keyspace,)).await?,
            Some(table) => self.run("look for a table", statement, (&self.keyspace, table)).await?,
        };
        let rows = result.into_rows_result().map_err(|error| failed("look for the schema", &error))?;
        Ok(rows.rows_num() > 0)
    }

    async fn take_lease(&self) -> Result<String, SchemaError> {
        let holder = format!("{:032x}", rand::random::<u128>());
        let take = format!(
            "INSERT INTO {}.schema_version (id, version, holder) VALUES (1, 0, ?) IF NOT EXISTS USING TTL ?",
            self.keyspace
        );
        let until = Instant::now() + LEASE_WAIT;
        loop {
            match self.session.query_unpaged(Statement::new(&take), (&holder, LEASE_S)).await {
                Ok(result) => {
                    if crate::scylla::applied(result).map_err(|error| failed("take the lease", &error))? {
                        return Ok(holder);
                    }
                }
                // Another migration is about to make the table: it is listed a moment before it can be used.
                Err(error) if is_missing(&error) => {}
                Err(error) => return Err(failed("take the lease", &error)),
            }
            if Instant::now() >= until {
                return Err(SchemaError::Busy);
            }
            tokio::time::sleep(LEASE_POLL).await;
        }
    }

    async fn renew(&self, holder: &str) -> Result<(), SchemaError> {
        let renew = format!(
            "UPDATE {}.schema_version USING TTL ? SET holder = ? WHERE id = 1 AND version = 0 IF holder = ?",
            self.keyspace
        );
        match self.conditional("renew the lease", &renew, (LEASE_S, holder, holder)).await? {
            true => Ok(()),
            false => Err(SchemaError::Busy),
        }
    }

    /// What is not released ends by its TTL.
    async fn release(&self, holder: &str) {
        let release =
            format!("DELETE FROM {}.schema_version WHERE id = 1 AND version = 0 IF holder = ?", self.keyspace);
        if let Err(error) = self.conditional("release the lease", &release, (holder,)).await {
            tracing::warn!(%error, "migration lease not released");
        }
    }

    async fn conditional(
        &self,
        step: &str,
        text: &str,
        values: impl scylla::serialize::row::SerializeRow,
    ) -> Result<bool, SchemaError> {
        let result = self.run(step, Statement::new(text), values).await?;
        crate::scylla::applied(result).map_err(|error| failed(step, &error))
    }

    async fn run(
        &self,
        step: &str,
        statement: Statement,
        values: impl scylla::serialize::row::SerializeRow,
    ) -> Result<QueryResult, SchemaError> {
        self.session.query_unpaged(statement, values).await.map_err(|error| failed(step, &error))
    }
}

impl Replication {
    fn as_cql(&self) -> Result<String, SchemaError> {
        match self {
            Self::Simple(copies) => Ok(format!("{{'class': 'SimpleStrategy', 'replication_factor': '{copies}'}}")),
            Self::Datacenters(datacenters) => {
                let valid = |name: &String| {
                    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
                };
                if datacenters.is_empty() || !datacenters.keys().all(valid) {
                    return Err(SchemaError::Invalid("datacenter"));
                }
                let copies: Vec<_> = datacenters.iter().map(|(name, copies)| format!("'{name}': '{copies}'")).collect();
                Ok(format!("{{'class': 'NetworkTopologyStrategy', {}}}", copies.join(", ")))
            }
        }
    }
}

fn failed(step: &str, error: &dyn std::fmt::Display) -> SchemaError {
    SchemaError::Failed { step: step.to_owned(), reason: error.to_string() }
}

/// A table or keyspace that is not there is a schema that was never made.
fn is_missing(error: &ExecutionError) -> bool {
    use scylla::errors::{DbError, PrepareError, RequestAttemptError};
    let attempt = match error {
        ExecutionError::LastAttemptError(attempt) => attempt,
        ExecutionError::PrepareError(PrepareError::AllAttemptsFailed { first_attempt }) => first_attempt,
        _ => return false,
    };
    matches!(attempt, RequestAttemptError::DbError(DbError::Invalid, _))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(version: i32, serves: i32) -> Applied {
        let known = MIGRATIONS.iter().find(|known| known.version == version);
        Applied { version, checksum: known.map_or_else(String::new, Migration::checksum), serves }
    }

    #[test]
    fn versions_rise_by_one_and_files_are_named_after_them() {
        for (place, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.version, i32::try_from(place).unwrap() + 1);
            assert!(migration.name.starts_with(&format!("{:04}_", migration.version)));
            assert!(migration.serves <= migration.version);
        }
    }

    #[test]
    fn migrations_only_add() {
        for statement in MIGRATIONS.iter().flat_map(Migration::statements) {
            let adds = statement.starts_with("CREATE TABLE IF NOT EXISTS ")
                || (statement.starts_with("ALTER TABLE ") && statement.contains(" ADD IF NOT EXISTS "));
            assert!(adds, "{statement}");
        }
    }

    #[test]
    fn comments_and_their_semicolons_are_no_statements() {
        let migration = Migration { version: 1, name: "", cql: "-- a; b\nX (1, -- c;\n 2);\n\n-- end;\n", serves: 1 };
        assert_eq!(migration.statements(), ["X (1,\n 2)"]);
    }

    #[test]
    fn a_service_starts_on_its_own_schema_and_on_newer_ones_that_serve_it() {
        assert!(judge(&[row(1, 1)]).is_ok());
        assert!(judge(&[row(1, 1), row(SCHEMA_VERSION + 1, SCHEMA_VERSION)]).is_ok());
        assert!(matches!(judge(&[]), Err(SchemaError::Missing)));
        let ahead = judge(&[row(1, 1), row(SCHEMA_VERSION + 1, SCHEMA_VERSION + 1)]);
        assert!(matches!(ahead, Err(SchemaError::Ahead { .. })));
        let behind = judge(&[Applied { version: 0, checksum: String::new(), serves: 0 }]);
        assert!(matches!(behind, Err(SchemaError::Behind { found: 0, .. })));
    }

    #[test]
    fn an_edited_migration_is_refused() {
        let edited = Applied { checksum: "00".into(), ..row(1, 1) };
        assert!(matches!(judge(&[edited]), Err(SchemaError::Changed(1))));
    }

    #[test]
    fn datacenters_cannot_smuggle_cql() {
        let names = BTreeMap::from([("dc1': '3'} --".to_owned(), 3)]);
        assert!(matches!(Replication::Datacenters(names).as_cql(), Err(SchemaError::Invalid(_))));
        let good = Replication::Datacenters(BTreeMap::from([("eu-1".to_owned(), 3)])).as_cql().unwrap();
        assert_eq!(good, "{'class': 'NetworkTopologyStrategy', 'eu-1': '3'}");
    }
}
