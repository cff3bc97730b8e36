use std::sync::Arc;

use chat_protocol::time::SystemClock;
use chat_store::{
    Marks, Scylla, ScyllaOptions, StoreError,
    migrate::{Migrated, Replication, SCHEMA_VERSION, SchemaError, migrate},
};
use chat_testkit::servers::Cql;

use crate::support::{connect, migrated};

const ALONE: Replication = Replication::Simple(1);

async fn refusal(options: &ScyllaOptions) -> String {
    match Scylla::connect(options, Arc::new(SystemClock)).await {
        Err(StoreError::Other(why)) => why,
        Err(error) => panic!("refused as {error}"),
        Ok(_) => panic!("not refused"),
    }
}

#[tokio::test]
async fn of_two_migrations_at_once_one_does_it_and_one_waits() {
    let cql = Cql::shared().await.unwrap();
    let keyspace = cql.keyspace().await.unwrap();
    let options = ScyllaOptions::from_url(keyspace.url()).unwrap();
    let (one, other) = tokio::join!(migrate(&options, &ALONE), migrate(&options, &ALONE));
    let mut from = [one.unwrap().from, other.unwrap().from];
    from.sort_unstable();
    assert_eq!(from, [0, SCHEMA_VERSION]);
    connect(&options).await.check().await.unwrap();

    let again = migrate(&options, &ALONE).await.unwrap();
    assert_eq!(again, Migrated { from: SCHEMA_VERSION, to: SCHEMA_VERSION }, "migrating again changes nothing");
}

#[tokio::test]
async fn a_service_refuses_a_keyspace_without_a_schema() {
    let cql = Cql::shared().await.unwrap();
    let keyspace = cql.keyspace().await.unwrap();
    let empty = ScyllaOptions::from_url(keyspace.url()).unwrap();
    assert!(refusal(&empty).await.contains("chat migrate"));
    let nowhere = ScyllaOptions::from_url(&cql.url("no_such_keyspace")).unwrap();
    assert!(refusal(&nowhere).await.contains("chat migrate"));
}

#[tokio::test]
async fn a_newer_schema_is_refused_unless_it_serves_this_version() {
    let cql = Cql::shared().await.unwrap();
    let (keyspace, options) = migrated(cql).await;
    let newer = |serves: i32| {
        let (keyspace, version) = (keyspace.name(), SCHEMA_VERSION + 1);
        format!(
            "INSERT INTO {keyspace}.schema_version (id, version, name, checksum, serves) \
             VALUES (0, {version}, 'later', '', {serves})"
        )
    };

    cql.query(&newer(SCHEMA_VERSION)).await.unwrap();
    connect(&options).await.check().await.unwrap();
    assert!(matches!(migrate(&options, &ALONE).await, Err(SchemaError::Ahead { .. })));

    let running = connect(&options).await;
    cql.query(&newer(SCHEMA_VERSION + 1)).await.unwrap();
    assert!(refusal(&options).await.contains("upgrade"));
    assert!(matches!(running.check().await, Err(StoreError::Other(_))));
}

#[tokio::test]
async fn a_migration_that_was_edited_after_it_was_applied_is_refused() {
    let cql = Cql::shared().await.unwrap();
    let (keyspace, options) = migrated(cql).await;
    let edited =
        format!("UPDATE {}.schema_version SET checksum = 'other' WHERE id = 0 AND version = 1", keyspace.name());
    cql.query(&edited).await.unwrap();
    assert!(refusal(&options).await.contains("another form"));
    assert!(matches!(migrate(&options, &ALONE).await, Err(SchemaError::Changed(1))));
}
