use std::time::Duration;

use chat_testkit::play::{Cluster, Plan};
use chat_testkit::seed::seeded;
use rand::Rng;

use super::harm::{BINARY, EACH, ROOMS, USERS, a_while, assert_lossless, lag_drains, talk_and_harm, times};

/// F3
#[tokio::test(flavor = "multi_thread")]
async fn persisters_are_killed_mid_batch() -> anyhow::Result<()> {
    let mut chance = seeded();
    let mut cluster = Cluster::start(BINARY, Plan { gateways: 2, ..Plan::default() }).await?;
    let play = cluster.play();
    let crowd = play.crowd(USERS, ROOMS).await?;

    let persisters = &mut cluster.persisters;
    let messages = talk_and_harm(&crowd, EACH, times(6, 20), async |_| {
        a_while(&mut chance, 300).await;
        let victim = chance.random_range(0..persisters.len());
        persisters[victim].kill9();
        a_while(&mut chance, 300).await;
        persisters[victim].restart().await
    })
    .await?;

    lag_drains(&cluster.persisters, Duration::from_secs(60)).await?;
    assert_eq!(Cluster::metric(&cluster.persisters, "chat_persister_quarantined_total").await?, 0.0);
    assert_lossless(&crowd.verdict(&play).await?, messages);
    Ok(())
}
