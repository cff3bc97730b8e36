//! A real CQL server is killed, paused and started again, and keeps what it acknowledged.

use std::time::Duration;

use chat_testkit::servers::Cql;

#[tokio::test]
async fn a_killed_server_comes_back_with_every_acknowledged_row() -> anyhow::Result<()> {
    let mut cql = Cql::start().await?;
    let keyspace = cql.keyspace().await?;
    let table = format!("{}.t", keyspace.name());
    cql.query(&format!("CREATE TABLE {table} (k int PRIMARY KEY)")).await?;
    for k in 0..20 {
        cql.query(&format!("INSERT INTO {table} (k) VALUES ({k})")).await?;
    }

    cql.kill9();
    assert!(cql.query("SELECT key FROM system.local").await.is_err(), "a killed server answers");
    cql.restart().await?;
    assert_eq!(count(&cql, &table).await?, 20);

    cql.pause()?;
    let answer = tokio::time::timeout(Duration::from_secs(1), count(&cql, &table)).await;
    assert!(!matches!(answer, Ok(Ok(_))), "a paused server answers");
    cql.resume()?;
    assert_eq!(count(&cql, &table).await?, 20);

    cql.terminate().await?;
    cql.restart().await?;
    assert_eq!(count(&cql, &table).await?, 20);
    Ok(())
}

#[tokio::test]
async fn those_who_share_a_server_are_apart() -> anyhow::Result<()> {
    let (alice, bob) = (Cql::shared().await?, Cql::shared().await?);
    assert_eq!(alice.address(), bob.address());
    let (hers, his) = (alice.keyspace().await?, bob.keyspace().await?);
    for keyspace in [&hers, &his] {
        alice.query(&format!("CREATE TABLE {}.t (k int PRIMARY KEY)", keyspace.name())).await?;
    }

    alice.query(&format!("INSERT INTO {}.t (k) VALUES (1)", hers.name())).await?;

    assert_eq!(count(bob, &format!("{}.t", hers.name())).await?, 1);
    assert_eq!(count(bob, &format!("{}.t", his.name())).await?, 0);
    let gone = hers.name().to_owned();
    drop(hers);
    assert!(count(bob, &format!("{gone}.t")).await.is_err(), "a dropped keyspace answers");
    Ok(())
}

async fn count(cql: &Cql, table: &str) -> anyhow::Result<i64> {
    let rows = cql.query(&format!("SELECT count(*) FROM {table}")).await?;
    let cell = rows[0][0].as_deref().expect("a count is a number");
    Ok(i64::from_be_bytes(cell.try_into()?))
}
