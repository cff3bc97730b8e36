//! F43: an earlier version and this one side by side under load, forwards and back. `make chaos` builds the earlier one.

use std::path::Path;
use std::time::Duration;

use chat_testkit::env;
use chat_testkit::play::{Cluster, Plan};
use chat_testkit::process::Chat;

use super::harm::{BINARY, EACH, ROOMS, USERS, assert_lossless, lag_drains, talk_and_harm};

const EXIT_WITHIN: Duration = Duration::from_secs(30);

/// Every mixture of one roll-out is under load: the first gateway, the first persister, and so on; then all go back.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it needs the binary of an earlier version: make chaos"]
async fn an_earlier_version_and_this_one_serve_side_by_side() -> anyhow::Result<()> {
    let earlier = env::previous()?;
    let mut cluster = Cluster::start(&earlier, Plan { presence: 1, ..Plan::default() }).await?;
    let play = cluster.play();
    let crowd = play.crowd(USERS, ROOMS).await?;

    let messages = talk_and_harm(&crowd, EACH, 2, async |round| {
        let to = if round % 2 == 0 { Path::new(BINARY) } else { &earlier };
        if round == 0 {
            cluster.migrate(to).await?;
        }
        for number in 0..cluster.gateways.len() {
            replace(&mut cluster.gateways[number], to).await?;
            if let Some(persister) = cluster.persisters.get_mut(number) {
                replace(persister, to).await?;
            }
            if let Some(worker) = cluster.presence.get_mut(number) {
                replace(worker, to).await?;
            }
        }
        Ok(())
    })
    .await?;

    let lost: Vec<Option<u16>> = crowd.users.iter().flat_map(|user| user.lost()).collect();
    assert!(lost.iter().all(|code| code.is_some_and(|code| (4000..=4499).contains(&code))), "{lost:?}");
    lag_drains(&cluster.persisters, Duration::from_secs(60)).await?;
    assert_eq!(Cluster::metric(&cluster.persisters, "chat_persister_quarantined_total").await?, 0.0);
    assert_lossless(&crowd.verdict(&play).await?, messages);
    Ok(())
}

async fn replace(process: &mut Chat, binary: &Path) -> anyhow::Result<()> {
    let ended = process.terminate(EXIT_WITHIN).await?;
    anyhow::ensure!(ended.success(), "{ended}");
    process.becomes(binary);
    process.restart().await
}
