//! Presence as large as the issue of it asks for: a storm of 5,000 sockets, and workers that come and go under 2,000
//! changes a second. On real servers; the times are in proportion to the defaults, and shorter.

#[path = "presence_at_scale/crowd.rs"]
mod crowd; // bare sockets on threads of their own
#[path = "presence_at_scale/storm.rs"]
mod storm; // all of them cut at once, and back within the grace
#[path = "presence_at_scale/strangers.rs"]
mod strangers; // users with nothing but a token
#[path = "presence_at_scale/takeover.rs"]
mod takeover; // workers killed and added under load
#[path = "presence_at_scale/town.rs"]
mod town; // users who come and go, as their gateways say it, and the truth about them

use chat_testkit::play::{Cluster, Plan};

const BINARY: &str = env!("CARGO_BIN_EXE_chat");

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_five_thousand_sockets_is_silent() -> anyhow::Result<()> {
    let plan = Plan {
        gateways: 2,
        persisters: 1,
        presence: 2,
        log: &storm::TIMES,
        gateway: &storm::LIMITS,
        ..Plan::default()
    };
    let cluster = Cluster::start(BINARY, plan).await?;
    storm::is_silent(&cluster, 5_000).await
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_lost_and_added_under_two_thousand_changes_a_second() -> anyhow::Result<()> {
    let plan = Plan {
        gateways: 0,
        persisters: 0,
        presence: 3,
        log: &takeover::TIMES,
        worker: &takeover::WORKER,
        ..Plan::default()
    };
    let mut cluster = Cluster::start(BINARY, plan).await?;
    takeover::nobody_is_wrong(&mut cluster).await
}
