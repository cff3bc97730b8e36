use chat_testkit::play::{Cluster, Plan};

use super::harm::{BINARY, EACH, USERS, assert_lossless};

/// Live events that may wait for a gateway: a crowd sends many more at once.
const SMALL: &[&str] = &["--log-live-capacity", "1"];
const GAPS: &str = "chat_gateway_gaps_total";

/// F25
#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_overflows_and_every_gap_is_repaired() -> anyhow::Result<()> {
    let cluster = Cluster::start(BINARY, Plan { gateways: 2, log: SMALL, ..Plan::default() }).await?;
    let play = cluster.play();
    let crowd = play.crowd(USERS, 1).await?;

    crowd.talks(EACH).await?;

    assert_lossless(&crowd.verdict(&play).await?, USERS * EACH);
    assert!(Cluster::metric(&cluster.gateways, GAPS).await? > 0.0, "nothing overflowed");
    Ok(())
}

/// The negative control: gateways and clients that pass over gaps are found out.
#[tokio::test(flavor = "multi_thread")]
async fn without_repair_the_checker_finds_the_gaps() -> anyhow::Result<()> {
    let plan = Plan { gateways: 2, log: SMALL, gateway: &["--gateway-gap-repair", "false"], ..Plan::default() };
    let cluster = Cluster::start(BINARY, plan).await?;
    let play = cluster.play().without_client_repair();
    let crowd = play.crowd(USERS, 1).await?;

    crowd.talks(EACH / 5).await?;

    let verdict = crowd.verdict(&play).await?;
    assert!(!verdict.gaps.is_empty(), "the gaps went unnoticed: {verdict}");
    Ok(())
}
