//! `crowd HOST:PORT USERS ROOMS STOP_FILE`: people who talk through a load balancer until a file appears, then a verdict.
//!
//! For clusters that somebody else set up and harms meanwhile. It succeeds if nothing was lost, doubled or out of order.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use chat_testkit::play::Play;
use tokio::net::lookup_host;

/// Between two messages of one user.
const PAUSE: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut words = std::env::args().skip(1);
    let mut word = |what: &'static str| words.next().context(what);
    let address = word("where: HOST:PORT")?;
    let users = word("how many users")?.parse().context("parse how many users")?;
    let rooms = word("how many rooms")?.parse().context("parse how many rooms")?;
    let stop = PathBuf::from(word("which file ends it")?);
    let gateway = lookup_host(&address).await.context("look up")?.next().context("no such address")?;

    let play = Play::at([gateway]);
    let crowd = play.crowd(users, rooms).await?;
    println!("{users} users are live in {rooms} rooms");
    let (mut turns, mut slowest) = (0, Duration::ZERO);
    while !stop.exists() {
        let started = Instant::now();
        crowd.talks(1).await?;
        turns += 1;
        slowest = slowest.max(started.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    let sockets: u32 = crowd.users.iter().map(|user| user.sockets()).sum();
    let verdict = crowd.verdict(&play).await?;
    println!("{turns} turns of {users} messages, the slowest took {slowest:?}; {sockets} sockets in all\n{verdict}");
    Ok(if verdict.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
