//! A process is started, ended, killed, paused and started again with the same words.

use std::time::Duration;

use chat_testkit::process::{Chat, run};

const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand_in.py");
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn it_has_a_public_listener_where_it_serves_users() -> anyhow::Result<()> {
    let gateway = Chat::start(STAND_IN, &["gateway", "--log", "nats://here"]).await?;
    let persister = Chat::start(STAND_IN, &["persister"]).await?;

    let (_, said) = gateway.get("/readyz").await?;
    let (public, ops) = (gateway.public(), gateway.ops());
    let told = format!("gateway --log nats://here --ops-listen {ops} --listen {public} --gateway-limit-");
    assert!(said.starts_with(&told), "limits that tests would meet are open: {said}");
    assert_eq!(persister.get("/readyz").await?.1, format!("persister --ops-listen {}", persister.ops()));
    assert_eq!(persister.get("/else").await?.0, 404);
    Ok(())
}

#[tokio::test]
async fn it_comes_back_at_the_same_address_after_a_kill() -> anyhow::Result<()> {
    let mut chat = Chat::start(STAND_IN, &["all"]).await?;
    let (said, pid) = (chat.get("/readyz").await?, chat.pid()?);

    chat.kill9();
    assert!(chat.get("/readyz").await.is_err(), "a killed process answers");
    chat.restart().await?;

    assert_eq!(chat.get("/readyz").await?, said);
    assert_ne!(chat.pid()?, pid);
    Ok(())
}

#[tokio::test]
async fn it_ends_with_its_own_status() -> anyhow::Result<()> {
    let mut chat = Chat::start(STAND_IN, &["all"]).await?;

    assert_eq!(chat.terminate(SOON).await?.code(), Some(7));
    assert!(chat.pause().is_err(), "a process that ended was paused");
    Ok(())
}

#[tokio::test]
async fn a_paused_one_does_not_end_and_is_killed() -> anyhow::Result<()> {
    let mut chat = Chat::start(STAND_IN, &["all"]).await?;
    chat.pause()?;

    let error = chat.terminate(Duration::from_millis(300)).await.expect_err("a paused process heard SIGTERM");

    assert!(error.to_string().contains("has not ended"), "{error}");
    assert!(chat.pid().is_err(), "it is still there");
    Ok(())
}

#[tokio::test]
async fn one_that_cannot_start_shows_why() {
    let error = Chat::start(STAND_IN, &["broken"]).await.expect_err("it started");

    assert!(error.to_string().contains("cannot start: no reason"), "{error}");
}

#[tokio::test]
async fn a_verb_runs_to_its_end_without_the_variables_of_the_tests() -> anyhow::Result<()> {
    let finished = run(STAND_IN, &["verb", "now"], SOON).await?;

    assert_eq!(finished.status.code(), Some(3));
    assert_eq!(finished.output, "said ['now'] []\n");
    Ok(())
}
