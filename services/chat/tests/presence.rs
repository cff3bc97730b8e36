//! Who is there: in one process, and over gateways and workers on real servers. Leases and graces are short here; the
//! bounds are those of the settings.

#[path = "presence/chaos.rs"]
mod chaos; // gateways and workers are killed, stopped, added
#[path = "presence/counts.rs"]
mod counts; // numbers in place of names, in big conversations
#[path = "presence/limits.rs"]
mod limits; // what is refused, and what nobody may know
#[path = "presence/stage.rs"]
mod stage; // users who watch each other
#[path = "presence/states.rs"]
mod states; // online, away, dnd, invisible, text, last seen

use chat_testkit::play::{Cluster, Plan};
use chat_testkit::process::Chat;

use stage::{AWAY, BINARY, GATEWAY, LEASE, Stage, WORKER};

/// One process with everything in it.
async fn alone(worker: &[&str]) -> anyhow::Result<(Chat, Stage)> {
    let chat = Chat::start(BINARY, &[&LEASE[..], worker, &GATEWAY[..]].concat()).await?;
    let stage = Stage::at([chat.public()]);
    Ok((chat, stage))
}

/// Two gateways and two workers on real servers.
async fn cluster(workers: usize, worker: &'static [&'static str]) -> anyhow::Result<(Cluster, Stage)> {
    let plan = Plan { gateways: 2, persisters: 1, presence: workers, log: &LEASE, worker, ..Plan::default() };
    let cluster = Cluster::start(BINARY, plan).await?;
    let stage = Stage::at(cluster.gateways.iter().map(Chat::public));
    stage.until_warm(&cluster.presence).await?;
    Ok((cluster, stage))
}

#[tokio::test(flavor = "multi_thread")]
async fn states_in_one_process() -> anyhow::Result<()> {
    let (_chat, stage) = alone(&AWAY).await?;
    states::all(&stage).await
}

#[tokio::test(flavor = "multi_thread")]
async fn states_on_real_servers() -> anyhow::Result<()> {
    let (_cluster, stage) = cluster(2, &AWAY).await?;
    states::all(&stage).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_in_one_process() -> anyhow::Result<()> {
    let (_chat, stage) = alone(&WORKER).await?;
    limits::all(&stage).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_on_real_servers() -> anyhow::Result<()> {
    let (_cluster, stage) = cluster(1, &WORKER).await?;
    limits::all(&stage).await
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_in_one_process() -> anyhow::Result<()> {
    let (_chat, stage) = alone(&AWAY).await?;
    counts::all(&stage).await
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_on_real_servers() -> anyhow::Result<()> {
    let (_cluster, stage) = cluster(2, &AWAY).await?;
    counts::all(&stage).await
}

/// A storm in one process: clients reconnect to the only gateway there is.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_in_one_process_is_silent() -> anyhow::Result<()> {
    let (chat, stage) = alone(&AWAY).await?;
    chaos::a_storm_is_silent(&stage, std::slice::from_ref(&chat), 100).await
}

/// F11 where everything is in one process: it is its own worker.
#[tokio::test(flavor = "multi_thread")]
async fn one_process_that_stood_still_closes_its_sockets() -> anyhow::Result<()> {
    let (mut chat, stage) = alone(&AWAY).await?;
    chaos::paused_shortly(&stage, &mut chat).await?;
    chaos::paused_alone(&stage, &mut chat).await
}

/// F1, F4, F11, storms and take-overs on one cluster, one after the other: servers take longer to start than these.
#[tokio::test(flavor = "multi_thread")]
async fn faults_on_real_servers() -> anyhow::Result<()> {
    let (mut cluster, stage) = cluster(3, &AWAY).await?;
    chaos::a_storm_is_silent(&stage, &cluster.presence, 60).await?;
    chaos::gateway_paused(&stage, &mut cluster.gateways).await?;
    chaos::ghosts(&stage, &mut cluster.gateways).await?;
    let another = cluster.another_worker()?;
    chaos::workers_come_and_go(&stage, &mut cluster.presence, another, 60).await?;
    cluster.presence[0].restart().await?;
    stage.until_warm(&cluster.presence).await?;
    chaos::workers_killed(&stage, &mut cluster.presence).await
}
