use chat_testkit::play::{Cluster, Plan};
use chat_testkit::seed::seeded;
use chat_testkit::servers::Fsync;

use super::harm::{BINARY, EACH, ROOMS, USERS, a_while, assert_lossless, talk_and_harm, times};

/// F5: one server, which syncs before it acknowledges.
#[tokio::test(flavor = "multi_thread")]
async fn the_logs_server_is_killed_under_load() -> anyhow::Result<()> {
    let mut chance = seeded();
    let plan = Plan { gateways: 2, fsync: Fsync::Always, log: &["--log-sync", "always"], ..Plan::default() };
    let mut cluster = Cluster::start(BINARY, plan).await?;
    let play = cluster.play();
    let crowd = play.crowd(USERS, ROOMS).await?;

    let nats = &mut cluster.nats;
    let messages = talk_and_harm(&crowd, EACH, times(4, 20), async |_| {
        a_while(&mut chance, 3_000).await;
        nats.kill9();
        a_while(&mut chance, 1_000).await;
        nats.restart().await
    })
    .await?;

    assert_lossless(&crowd.verdict(&play).await?, messages);
    Ok(())
}
