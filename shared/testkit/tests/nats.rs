//! A real NATS server is killed, paused and started again, and keeps what it stored.

use std::time::Duration;

use chat_testkit::servers::{Fsync, Nats, NatsCluster, NatsOptions};
use serde_json::{Value, json};

#[tokio::test]
async fn a_killed_server_comes_back_with_its_messages() -> anyhow::Result<()> {
    let mut nats = Nats::start(NatsOptions { fsync: Fsync::Always, ..NatsOptions::default() }).await?;
    let url = nats.url();
    make_stream(&nats, 1).await?;
    store(&nats, 3).await?;

    nats.kill9();
    assert!(nats.api("$JS.API.INFO", "").await.is_err(), "a killed server answers");
    nats.restart().await?;

    assert_eq!(messages(&nats).await?, 3);
    assert_eq!(nats.url(), url);
    Ok(())
}

#[tokio::test]
async fn an_ended_server_comes_back_with_its_messages() -> anyhow::Result<()> {
    let mut nats = Nats::start(NatsOptions::default()).await?;
    make_stream(&nats, 1).await?;
    store(&nats, 2).await?;

    nats.terminate().await?;
    nats.restart().await?;

    assert_eq!(messages(&nats).await?, 2);
    Ok(())
}

#[tokio::test]
async fn a_wiped_server_has_forgotten() -> anyhow::Result<()> {
    let mut nats = Nats::start(NatsOptions::default()).await?;
    make_stream(&nats, 1).await?;
    assert!(nats.wipe().is_err(), "the data of a running server was removed");

    nats.kill9();
    nats.wipe()?;
    nats.restart().await?;

    let error = messages(&nats).await.expect_err("a wiped stream is there");
    assert!(error.to_string().contains("stream not found"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_paused_server_is_silent_until_it_goes_on() -> anyhow::Result<()> {
    let mut nats = Nats::start(NatsOptions::default()).await?;

    nats.pause()?;
    let answer = tokio::time::timeout(Duration::from_secs(1), nats.api("$JS.API.INFO", "")).await;
    assert!(!matches!(answer, Ok(Ok(_))), "a paused server answers");

    nats.resume()?;
    nats.until_ready().await
}

#[tokio::test]
async fn options_reach_the_server() -> anyhow::Result<()> {
    let options = NatsOptions { max_payload: Some(1_000), store_bytes_max: Some(5_000), ..NatsOptions::default() };
    let nats = Nats::start(options).await?;
    make_stream(&nats, 1).await?;

    nats.api("t.x", &"x".repeat(1_000)).await?;
    assert!(nats.api("t.x", &"x".repeat(1_001)).await.is_err(), "a payload above the limit was taken");

    let mut full = false;
    for _ in 0..5 {
        full = nats.api("t.x", &"x".repeat(1_000)).await.is_err();
    }
    assert!(full, "5,000 bytes of room took 6,000");
    Ok(())
}

#[tokio::test]
async fn a_server_that_cannot_start_shows_its_log() -> anyhow::Result<()> {
    let mut nats = Nats::start(NatsOptions::default()).await?;
    nats.kill9();
    let _squatter = std::net::TcpListener::bind(nats.address())?;

    let error = nats.restart().await.expect_err("two listeners share a port");

    assert!(error.to_string().contains("address already in use"), "{error}");
    Ok(())
}

#[tokio::test]
async fn three_servers_lose_their_leader_and_no_message() -> anyhow::Result<()> {
    let mut cluster = NatsCluster::start(NatsOptions::default()).await?;
    make_stream(&cluster[0], 3).await?;
    store(&cluster[1], 5).await?;
    let leader = cluster.leader_of("T").await?;

    cluster[leader].kill9();
    let other = (leader + 1) % 3;
    let successor = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            match cluster.leader_of("T").await {
                Ok(successor) if successor != leader => break successor,
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    })
    .await?;
    assert_ne!(successor, leader);
    assert_eq!(messages(&cluster[other]).await?, 5);

    cluster[leader].restart().await?;
    cluster.until_ready().await?;
    assert_eq!(messages(&cluster[leader]).await?, 5);
    Ok(())
}

async fn make_stream(nats: &Nats, replicas: u8) -> anyhow::Result<()> {
    let stream = json!({ "name": "T", "subjects": ["t.>"], "storage": "file", "num_replicas": replicas });
    nats.api("$JS.API.STREAM.CREATE.T", &stream.to_string()).await.map(drop)
}

async fn store(nats: &Nats, count: u64) -> anyhow::Result<()> {
    for stored in 1..=count {
        let ack = nats.api("t.x", "hello").await?;
        assert_eq!(ack.get("seq").and_then(Value::as_u64), Some(stored));
    }
    Ok(())
}

async fn messages(nats: &Nats) -> anyhow::Result<u64> {
    let info = nats.api("$JS.API.STREAM.INFO.T", "").await?;
    Ok(info.pointer("/state/messages").and_then(Value::as_u64).expect("a stream says how many messages it holds"))
}
