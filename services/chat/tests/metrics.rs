//! What every role shows at `/metrics` is what docs/metrics.md says, both ways, on real servers.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use chat_testkit::play::{Cluster, Plan};
use chat_testkit::process::Chat;
use tokio::time::{Instant, sleep};

const BINARY: &str = env!("CARGO_BIN_EXE_chat");

/// Counted only when something is wrong, or at the end: tests that break things see them.
const RARE: [&str; 32] = [
    "chat_bus_append_errors_total",
    "chat_bus_conflicts_total",
    "chat_bus_rebased_total",
    "chat_bus_reconnects_total",
    "chat_bus_slow_consumer_total",
    "chat_canary_failures_total",
    "chat_gateway_closes_total",
    "chat_gateway_connects_rejected_total",
    "chat_gateway_drain_remaining",
    "chat_gateway_duplicates_total",
    "chat_gateway_gap_repair_seconds",
    "chat_gateway_gaps_total",
    "chat_gateway_goaways_total",
    "chat_gateway_page_cache_fills_total",
    "chat_gateway_rate_limited_total",
    "chat_gateway_reads_coalesced_total",
    "chat_gateway_shed_frames_total",
    "chat_gateway_tail_hits_total",
    "chat_gateway_token_refreshes_total",
    "chat_gateway_unwanted_deliveries_total",
    "chat_persister_job_steps_total",
    "chat_persister_jobs_total",
    "chat_persister_quarantined_total",
    "chat_persister_redeliveries_total",
    // Nothing is announced for a lease time after a start.
    "chat_presence_announced_total",
    "chat_presence_partitions",
    "chat_presence_shed_total",
    "chat_presence_suppressed_total",
    "chat_presence_transitions_total",
    "chat_presence_worker_resets_total",
    "chat_store_errors_total",
    "chat_store_window_rows",
];

fn documented() -> anyhow::Result<BTreeSet<String>> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md"))?;
    let names = page.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned()));
    Ok(names.collect())
}

/// The families of one process, as the exporter declares them.
async fn shown(process: &Chat) -> anyhow::Result<BTreeSet<String>> {
    let (status, text) = process.get("/metrics").await?;
    ensure!(status == 200, "/metrics answers {status}");
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    Ok(types.map(str::to_owned).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_documented_and_every_documented_one_is_there() -> anyhow::Result<()> {
    let cluster = Cluster::start(BINARY, Plan { gateways: 2, persisters: 1, presence: 1, ..Plan::default() }).await?;
    let play = cluster.play();
    let (alice, bob) = (play.user("alice").await?, play.user("bob").await?);
    let room = play.room(&[&alice, &bob]).await?;
    alice.says(&room, "one").await?;
    bob.hears("one").await?;
    bob.moves_on().await?;
    alice.rest().sessions().await?;
    let server = format!("http://{}", cluster.gateways.first().context("a gateway")?.public());
    let flags = ["canary", "--canary-server", &server, "--canary-password", "an old song of mine"];
    let canary = Chat::start(BINARY, &[&flags[..], &["--canary-interval", "200ms"]].concat()).await?;
    alice.rest().log_out().await?;

    let documented = documented()?;
    let rare: BTreeSet<&str> = RARE.into_iter().collect();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let mut seen = BTreeSet::new();
        for process in cluster.gateways.iter().chain(&cluster.persisters).chain(&cluster.presence).chain([&canary]) {
            seen.extend(shown(process).await?);
        }
        let unknown: Vec<_> = seen.difference(&documented).collect();
        ensure!(unknown.is_empty(), "not in docs/metrics.md: {unknown:?}");
        let missing: Vec<_> = documented.difference(&seen).filter(|name| !rare.contains(name.as_str())).collect();
        if missing.is_empty() {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "documented and not there: {missing:?}");
        sleep(Duration::from_millis(200)).await;
    }
}
