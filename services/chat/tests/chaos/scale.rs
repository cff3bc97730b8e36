//! Out and in again while a crowd talks: processes come and go without a restart of the others, and nobody keeps a list.

use std::time::Duration;

use chat_testkit::play::{Cluster, Plan, Play};
use chat_testkit::process::Chat;

use super::harm::{BINARY, EACH, ROOMS, USERS, assert_lossless, lag_drains, talk_and_harm, times, until};

const EXIT_WITHIN: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(60);
const DRAINED: Duration = Duration::from_secs(60);

/// 1 → 3 → 1 gateways.
#[tokio::test(flavor = "multi_thread")]
async fn gateways_are_added_and_removed_under_load() -> anyhow::Result<()> {
    let cluster = Cluster::start(BINARY, Plan { gateways: 1, persisters: 1, ..Plan::default() }).await?;
    let mut more = cluster.more_gateways(2)?;
    // As behind a balancer: a client that has to go elsewhere finds whoever is there.
    let everywhere = cluster.gateways.iter().chain(&more).map(Chat::public);
    let play = Play::at(everywhere).beginning_at(1);
    let crowd = play.crowd(USERS, ROOMS).await?;

    let messages = talk_and_harm(&crowd, EACH, times(1, 5), async |_| {
        for gateway in &mut more {
            gateway.restart().await?;
        }
        for user in crowd.users.iter().step_by(2) {
            user.client().reconnect().await;
        }
        until("the new ones have clients", SOON, async || Ok(sockets(&more).await? >= USERS as f64 / 4.0)).await?;
        for gateway in &mut more {
            let ended = gateway.terminate(EXIT_WITHIN).await?;
            anyhow::ensure!(ended.success(), "{ended}");
        }
        until("the first has all clients", SOON, async || Ok(sockets(&cluster.gateways).await? == USERS as f64)).await
    })
    .await?;

    let lost: Vec<Option<u16>> = crowd.users.iter().flat_map(|user| user.lost()).flatten().map(Some).collect();
    assert!(lost.iter().flatten().all(|code| (4000..=4499).contains(code)), "{lost:?}");
    assert_lossless(&crowd.verdict(&play).await?, messages);
    lag_drains(&cluster.persisters, DRAINED).await
}

/// 1 → 3 → 1 persisters, and the one that is left is not the one that was first.
#[tokio::test(flavor = "multi_thread")]
async fn persisters_are_added_and_removed_under_load() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(BINARY, Plan { gateways: 1, persisters: 1, ..Plan::default() }).await?;
    let play = cluster.play();
    let crowd = play.crowd(USERS, ROOMS).await?;
    let more = cluster.more_persisters(2)?;
    cluster.persisters.extend(more);

    let persisters = &mut cluster.persisters;
    let mut stays = 0;
    let messages = talk_and_harm(&crowd, EACH, times(1, 5), async |_| {
        for number in (0..persisters.len()).filter(|number| *number != stays) {
            persisters[number].restart().await?;
        }
        stays = (stays + 1) % persisters.len();
        until("the one that stays has work", SOON, async || Ok(written(&persisters[stays]).await? > 0.0)).await?;
        for number in (0..persisters.len()).filter(|number| *number != stays) {
            let ended = persisters[number].terminate(EXIT_WITHIN).await?;
            anyhow::ensure!(ended.success(), "{ended}");
        }
        Ok(())
    })
    .await?;

    lag_drains(std::slice::from_ref(&cluster.persisters[stays]), DRAINED).await?;
    assert_lossless(&crowd.verdict(&play).await?, messages);
    Ok(())
}

async fn sockets(gateways: &[Chat]) -> anyhow::Result<f64> {
    Cluster::metric(gateways, "chat_gateway_sockets").await
}

async fn written(persister: &Chat) -> anyhow::Result<f64> {
    Cluster::metric(std::slice::from_ref(persister), "chat_persister_batch_rows_count").await
}
