use chat_testkit::play::{Cluster, Plan};
use chat_testkit::seed::seeded;
use rand::Rng;

use super::harm::{BINARY, EACH, ROOMS, USERS, a_while, assert_lossless, talk_and_harm, times};

/// F1
#[tokio::test(flavor = "multi_thread")]
async fn gateways_are_killed_under_load() -> anyhow::Result<()> {
    let mut chance = seeded();
    let mut cluster = Cluster::start(BINARY, Plan::default()).await?;
    let play = cluster.play();
    let crowd = play.crowd(USERS, ROOMS).await?;

    let gateways = &mut cluster.gateways;
    let messages = talk_and_harm(&crowd, EACH, times(6, 20), async |_| {
        a_while(&mut chance, 500).await;
        let victim = chance.random_range(0..gateways.len());
        gateways[victim].kill9();
        a_while(&mut chance, 500).await;
        gateways[victim].restart().await
    })
    .await?;

    let sockets: u32 = crowd.users.iter().map(|user| user.sockets()).sum();
    assert!(sockets > USERS as u32, "nobody noticed");
    assert_lossless(&crowd.verdict(&play).await?, messages);
    Ok(())
}
