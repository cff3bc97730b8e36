//! What docs/operations.md says about restoring the store: an old backup and the log's three days make it whole again.

use std::time::Duration;

use anyhow::ensure;
use chat_testkit::play::{Cluster, Play};
use chat_testkit::process::Chat;
use chat_testkit::servers::Cql;
use tokio::time::{Instant, sleep};

use super::world::World;

const SOON: Duration = Duration::from_secs(60);
const STOPS_WITHIN: Duration = Duration::from_secs(30);
const MESSAGES: usize = 30;
/// What talk leaves in the store; accounts and sessions are in no log, and a backup must have them.
const OF_TALK: [&str; 7] = ["messages", "windows", "conversations", "members", "memberships", "dedupe", "marks"];

#[tokio::test(flavor = "multi_thread")]
async fn a_store_restored_from_before_a_conversation_learns_it_again_from_the_log() -> anyhow::Result<()> {
    let world = World::open().await?;
    let quick = ["--gateway-drain-window", "1s"];
    let (mut gateway, mut persister) = tokio::try_join!(
        world.starts("gateway", &quick),
        world.starts("persister", &["--persister-check-interval", "500ms"])
    )?;
    let play = Play::at([gateway.public()]);
    let (alice, bob) = (play.user("alice").await?, play.user("bob").await?);
    let room = play.room(&[&alice, &bob]).await?;
    for number in 0..MESSAGES {
        alice.says(&room, &format!("message {number}")).await?;
    }
    nothing_waits(&persister).await?;

    // 1 and 2: all stop, and the store is as it was before they met.
    gateway.terminate(STOPS_WITHIN).await?;
    persister.terminate(STOPS_WITHIN).await?;
    for table in OF_TALK {
        Cql::shared().await?.query(&format!("TRUNCATE {}.{table}", world.keyspace())).await?;
    }
    // 3: the log tells everything again.
    let nats = world.nats()?;
    for shard in 0..2 {
        nats.api(&format!("$JS.API.CONSUMER.DELETE.CHAT_{shard}.persister"), "").await?;
    }
    // 4 and 5.
    persister.restart().await?;
    nothing_waits(&persister).await?;
    // So that the log cannot help: what is read now, the store has.
    for shard in 0..2 {
        nats.api(&format!("$JS.API.STREAM.PURGE.CHAT_{shard}"), "").await?;
    }
    gateway.restart().await?;

    let page = alice.rest().messages(room.id, chat_protocol::Seq::ZERO, 200).await?;
    let texts = page
        .items
        .iter()
        .filter(|message| message.content.text.as_deref().is_some_and(|text| text.starts_with("message ")));
    assert_eq!(texts.count(), MESSAGES);
    bob.says(&room, "and it goes on").await?;
    alice.hears("and it goes on").await?;
    Ok(())
}

async fn nothing_waits(persister: &Chat) -> anyhow::Result<()> {
    let deadline = Instant::now() + SOON;
    loop {
        let (_, text) = persister.get("/metrics").await?;
        let waits = Cluster::metric(std::slice::from_ref(persister), "chat_persister_lag_events").await?;
        if text.contains("chat_persister_lag_events{") && waits == 0.0 {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{waits} events wait");
        sleep(Duration::from_millis(100)).await;
    }
}
