//! F41: authenticated sockets that say nothing cost a gateway little, and go on doing so for as long as they stay.

#[path = "presence_at_scale/strangers.rs"]
mod strangers; // users with nothing but a token

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use chat_loadtest::connect::{Opening, Sources};
use chat_loadtest::crowd::Crowd;
use chat_loadtest::process::{check_files, resident_bytes};
use chat_loadtest::wire::{Opcode, masked};
use chat_testkit::env::thorough;
use chat_testkit::play::{Cluster, Plan};
use serde_json::json;

use strangers::{Stranger, Strangers};

const LIMITS: &[&str] = &["--gateway-sockets-per-address", "100000", "--gateway-limit-hellos", "100000/1s"];
/// With everything that belongs to a user: the feed and its subscription, the lease, the place in every list. Tasks of a
/// build that is not optimised are much larger.
const BYTES_EACH_MAX: u64 = if cfg!(debug_assertions) { 48 * 1024 } else { 20 * 1024 };
/// What an allocator keeps, and what a process holds of its own.
const SLACK: u64 = 8 << 20;
/// Well before a token ends, after a quarter of an hour.
const RENEWAL: Duration = Duration::from_secs(600);
/// Between two looks at the process.
const LOOK: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn idle_sockets_cost_little_and_stay() -> anyhow::Result<()> {
    let (sockets, time) =
        if thorough() { (10_000, Duration::from_secs(1_800)) } else { (1_000, Duration::from_secs(20)) };
    let plan = Plan { gateways: 1, persisters: 1, presence: 1, gateway: LIMITS, ..Plan::default() };
    let mut cluster = Cluster::start(env!("CARGO_BIN_EXE_chat"), plan).await?;
    let (strangers, gateway) = (Strangers::of(&cluster)?, cluster.gateways[0].public());
    let pid = cluster.gateways[0].pid()?;
    tokio::task::spawn_blocking(move || stay(&strangers, gateway, pid, sockets, time)).await?
}

fn stay(strangers: &Strangers, gateway: SocketAddr, pid: u32, sockets: usize, time: Duration) -> anyhow::Result<()> {
    check_files(sockets)?;
    let everybody: Vec<Stranger> = (0..sockets).map(|_| strangers.comes()).collect();

    let without = resident_bytes(pid)?;
    let (mut crowd, mut sources, mut ids) = (Crowd::new()?, Sources::new(250), Vec::new());
    for &user in &everybody {
        let mut opening = Opening::upgrade(gateway, sources.take())?;
        let hello = json!({ "type": "hello", "token": strangers.token(user), "device": "idle", "client": "idle" });
        opening.say(&hello.to_string())?;
        opening.wait_for("live")?;
        ids.push(crowd.join(opening)?);
        crowd.serve(Duration::ZERO)?;
    }
    crowd.serve(LOOK)?;
    let settled = resident_bytes(pid)?;
    let (mut renewed, began, mut most) = (Instant::now(), Instant::now(), settled);
    while began.elapsed() < time {
        crowd.serve(LOOK)?;
        ensure!(crowd.closed().is_empty(), "after {:?}: {:?}", began.elapsed(), crowd.closed().first());
        most = most.max(resident_bytes(pid)?);
        if renewed.elapsed() >= RENEWAL {
            for (id, user) in ids.iter().zip(&everybody) {
                let auth = json!({ "type": "auth", "token": strangers.token(*user) }).to_string();
                crowd.write(*id, &masked(Opcode::Text, auth.as_bytes()));
                crowd.serve(Duration::ZERO)?;
            }
            renewed = Instant::now();
        }
    }
    let each = settled.saturating_sub(without) / sockets as u64;
    println!(
        "{sockets} sockets: {each} bytes each; {} KiB without, {} with, at most {} in {:.0?}, nobody closed",
        without >> 10,
        settled >> 10,
        most >> 10,
        began.elapsed()
    );
    ensure!(each <= BYTES_EACH_MAX, "{each} bytes a socket");
    ensure!(most <= settled + settled / 10 + SLACK, "{settled} bytes became {most}");
    Ok(())
}
