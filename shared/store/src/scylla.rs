//! The store on ScyllaDB, or anything else that speaks its CQL.
//!
//! No conditional statement, counter, filter, null or batch over partitions stands in a message's way; what follows
//! from the log is stamped with its position. In reading order:

mod options; // where the cluster is

mod db; // one statement's way: bounds, deadlines, retries

mod cells; // our types as cells

mod users; // accounts and names

mod sessions; // log-ins and revocations

mod conversations; // by id

mod members; // both ways

mod windows; // which partition holds a position

mod messages; // reading what was said

mod apply; // writing what the log said

mod reactions; // reactions and pins

mod relations; // blocks, bans, members' settings

mod markers; // how far members have read

mod statuses; // presence that lasts

mod jobs; // long work

mod purge; // removing for good

mod marks; // high-water marks, and whether the schema is ours

use std::sync::Arc;

use chat_protocol::Clock;
use scylla::client::session_builder::SessionBuilder;

use crate::{StoreError, migrate, window::Sizing};

use db::Db;
pub(crate) use db::applied;
pub use options::{Deadlines, InvalidUrl, ScyllaOptions};

/// A connection to one keyspace; every statement prepared. Cheap to share behind an `Arc`.
pub struct Scylla {
    db: Db,
    keyspace: String,
    clock: Arc<dyn Clock>,
    users: users::Statements,
    sessions: sessions::Statements,
    conversations: conversations::Statements,
    members: members::Statements,
    windows: windows::Windows,
    messages: messages::Statements,
    apply: apply::Statements,
    reactions: reactions::Statements,
    relations: relations::Statements,
    markers: markers::Statements,
    statuses: statuses::Statements,
    jobs: jobs::Statements,
    purge: purge::Statements,
    marks: marks::Statements,
}

impl Scylla {
    /// Connects and checks the schema, within some ten seconds. [`StoreError::Unavailable`] may be tried again;
    /// anything else needs a human: `chat migrate`, or another URL.
    pub async fn connect(options: &ScyllaOptions, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::connect_with(options, clock, Sizing::default()).await
    }

    /// The same with windows of another size than a cluster's: for tests.
    pub async fn connect_with(
        options: &ScyllaOptions,
        clock: Arc<dyn Clock>,
        sizing: Sizing,
    ) -> Result<Self, StoreError> {
        let session =
            options.dial(SessionBuilder::new(), db::read_profile(options.deadlines().read)).await.map_err(|error| {
                tracing::warn!(?options, %error, "store not reached");
                StoreError::Unavailable
            })?;
        let keyspace = options.keyspace().to_owned();
        migrate::check_version(&session, &keyspace).await?;
        session.use_keyspace(&keyspace, false).await.map_err(|error| {
            tracing::warn!(?options, %error, "keyspace not used");
            StoreError::Unavailable
        })?;
        let db = Db::new(session, options.deadlines());
        Ok(Self {
            users: users::Statements::prepare(&db).await?,
            sessions: sessions::Statements::prepare(&db).await?,
            conversations: conversations::Statements::prepare(&db).await?,
            members: members::Statements::prepare(&db).await?,
            windows: windows::Windows::prepare(&db, sizing).await?,
            messages: messages::Statements::prepare(&db).await?,
            apply: apply::Statements::prepare(&db).await?,
            reactions: reactions::Statements::prepare(&db).await?,
            relations: relations::Statements::prepare(&db).await?,
            markers: markers::Statements::prepare(&db).await?,
            statuses: statuses::Statements::prepare(&db).await?,
            jobs: jobs::Statements::prepare(&db).await?,
            purge: purge::Statements::prepare(&db).await?,
            marks: marks::Statements::prepare(&db).await?,
            keyspace,
            clock,
            db,
        })
    }
}
