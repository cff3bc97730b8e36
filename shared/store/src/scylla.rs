//! The store on ScyllaDB, or anything else that speaks its CQL.
//!
//! No conditional statement, counter, filter, null or batch over partitions stands in a message's way; what follows
//! from the log is stamped with its position. In reading order:

mod options; // where the cluster is

#[expect(dead_code, reason = "batches and counts are for the messages")]
mod db; // one statement's way: bounds, deadlines, retries

#[expect(dead_code, reason = "some are for the messages")]
mod cells; // our types as cells

mod users; // accounts and names

mod sessions; // log-ins and revocations

mod conversations; // by id

mod members; // both ways

mod marks; // high-water marks, and whether the schema is ours

use std::sync::Arc;

use chat_protocol::Clock;
use scylla::client::session_builder::SessionBuilder;

use crate::{StoreError, migrate};

use db::Db;
pub(crate) use db::applied;
pub use options::{InvalidUrl, ScyllaOptions};

/// A connection to one keyspace; every statement prepared. Cheap to share behind an `Arc`.
pub struct Scylla {
    db: Db,
    keyspace: String,
    clock: Arc<dyn Clock>,
    users: users::Statements,
    sessions: sessions::Statements,
    conversations: conversations::Statements,
    members: members::Statements,
    marks: marks::Statements,
}

impl Scylla {
    /// Connects and checks the schema, within some ten seconds. [`StoreError::Unavailable`] may be tried again;
    /// anything else needs a human: `chat migrate`, or another URL.
    pub async fn connect(options: &ScyllaOptions, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let session = options.dial(SessionBuilder::new(), db::read_profile()).await.map_err(|error| {
            tracing::warn!(?options, %error, "store not reached");
            StoreError::Unavailable
        })?;
        let keyspace = options.keyspace().to_owned();
        migrate::check_version(&session, &keyspace).await?;
        session.use_keyspace(&keyspace, false).await.map_err(|error| {
            tracing::warn!(?options, %error, "keyspace not used");
            StoreError::Unavailable
        })?;
        let db = Db::new(session);
        Ok(Self {
            users: users::Statements::prepare(&db).await?,
            sessions: sessions::Statements::prepare(&db).await?,
            conversations: conversations::Statements::prepare(&db).await?,
            members: members::Statements::prepare(&db).await?,
            marks: marks::Statements::prepare(&db).await?,
            keyspace,
            clock,
            db,
        })
    }
}
