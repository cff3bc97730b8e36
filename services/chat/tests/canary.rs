//! The canary sings while all is well, and says so when it is not.

use std::time::Duration;

use anyhow::ensure;
use chat_testkit::process::{self, Chat};
use tokio::time::{Instant, sleep};

const BINARY: &str = env!("CARGO_BIN_EXE_chat");

async fn metric(canary: &Chat, line: &str) -> anyhow::Result<f64> {
    let (_, metrics) = canary.get("/metrics").await?;
    let found = metrics.lines().find_map(|shown| shown.strip_prefix(line)?.trim().parse().ok());
    Ok(found.unwrap_or(0.0))
}

async fn until(what: &str, mut so: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !so().await? {
        ensure!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_measures_a_messages_way_and_notices_when_there_is_none() -> anyhow::Result<()> {
    let mut chat = Chat::start(BINARY, &["all"]).await?;
    let server = format!("http://{}", chat.public());
    let flags = ["canary", "--canary-server", &server, "--canary-password", "an old song of mine"];
    let quick = ["--canary-interval", "100ms", "--canary-patience", "2s"];
    let canary = Chat::start(BINARY, &[&flags[..], &quick].concat()).await?;

    for step in ["connect", "ack", "deliver", "history"] {
        let line = format!(r#"chat_canary_seconds_count{{step="{step}"}}"#);
        until(step, async || Ok(metric(&canary, &line).await? >= 1.0)).await?;
    }
    assert_eq!(canary.get("/readyz").await?.0, 200);

    chat.kill9();
    until("a failure is counted", async || {
        let (_, metrics) = canary.get("/metrics").await?;
        Ok(metrics.lines().any(|line| line.starts_with("chat_canary_failures_total{")))
    })
    .await?;
    until("not ready", async || Ok(canary.get("/readyz").await?.0 == 503)).await?;

    chat.restart().await?;
    until("ready again", async || Ok(canary.get("/readyz").await?.0 == 200)).await?;
    let mut canary = canary;
    assert!(canary.terminate(Duration::from_secs(10)).await?.success());
    let log = std::fs::read_to_string(canary.log())?;
    ensure!(!log.contains("an old song"), "the password is in the log");
    Ok(())
}

#[tokio::test]
async fn without_a_password_it_says_what_it_needs() -> anyhow::Result<()> {
    let ended = process::run(BINARY, &["canary", "--ops-listen", "127.0.0.1:0"], Duration::from_secs(20)).await?;
    ensure!(!ended.status.success());
    ensure!(format!("{ended:?}").contains("CHAT_CANARY_PASSWORD"), "{ended:?}");
    Ok(())
}
