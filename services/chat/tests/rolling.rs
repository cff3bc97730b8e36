//! F2: gateways are replaced one after the other under load, as every deploy does it. A program of its own, so that no
//! other test runs beside it: what it looks at is who is away, and for how long.

#![expect(unreachable_pub, reason = "there is no crate outside")]

#[path = "chaos/harm.rs"]
#[expect(dead_code, reason = "chaos needs the rest of it")]
mod harm; // faults while a crowd talks

use std::time::Duration;

use chat_testkit::env::thorough;
use chat_testkit::play::{Cluster, Crowd, Plan};
use tokio::time::Instant;

use harm::{BINARY, assert_lossless, talk_and_harm, times, until};

const CLIENTS: usize = 200;
const ROOMS: usize = 20;
const EACH: usize = 40;
/// Who asks for more than the processor has measures the queue.
const PAUSE: Duration = Duration::from_secs(1);
/// The delay and the window of the test's gateways, and what is under way after them.
const EXIT_WITHIN: Duration = Duration::from_secs(30);
/// Without a socket, p99, on a machine that does nothing else; elsewhere it is only printed.
const AWAY_MAX: Duration = Duration::from_secs(2);
/// Until a signal is heard.
const SIGNAL_WITHIN: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn gateways_are_replaced_one_after_the_other_under_load() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(BINARY, Plan::default()).await?;
    let play = cluster.play();
    let crowd = play.crowd(CLIENTS, ROOMS).await?.pausing(PAUSE);
    let before: u32 = crowd.users.iter().map(|user| user.sockets()).sum();

    let gateways = &mut cluster.gateways;
    let count = u32::try_from(gateways.len())?;
    let messages = talk_and_harm(&crowd, EACH, count * times(1, 3), async |round| {
        let gateway = &mut gateways[usize::try_from(round % count)?];
        let began = Instant::now();
        gateway.ask_to_end()?;
        until("it is not ready", SIGNAL_WITHIN, async || Ok(gateway.get("/readyz").await?.0 == 503)).await?;
        let ended = gateway.end(EXIT_WITHIN).await?;
        anyhow::ensure!(ended.success(), "{ended}");
        println!("gone after {:?}", began.elapsed());
        gateway.restart().await
    })
    .await?;

    let after: u32 = crowd.users.iter().map(|user| user.sockets()).sum();
    assert!(after - before >= u32::try_from(CLIENTS)?, "everybody moved at least once: {before}, {after}");
    let lost: Vec<Option<u16>> = crowd.users.iter().flat_map(|user| user.lost()).collect();
    let away = longest_away(&crowd, 99);
    println!(
        "{} moves, {} of them after the old socket was gone; {away:?} away (p99 of all moves)",
        after - before,
        lost.len()
    );
    assert!(away < AWAY_MAX || !thorough(), "{away:?}");
    assert!(lost.iter().flatten().all(|code| (4000..=4499).contains(code)), "{lost:?}");
    assert!(lost.iter().all(Option::is_some), "a socket was cut: {lost:?}");
    assert_lossless(&crowd.verdict(&play).await?, messages);
    Ok(())
}

/// A percentile, over all moves, of the time without a live socket: zero where the next one was live before the old one
/// closed.
fn longest_away(crowd: &Crowd, percent: usize) -> Duration {
    let mut away: Vec<Duration> = crowd.users.iter().flat_map(|user| user.away()).collect();
    let sockets: u32 = crowd.users.iter().map(|user| user.sockets()).sum();
    away.resize((sockets as usize - crowd.users.len()).max(away.len()), Duration::ZERO);
    away.sort_unstable();
    away.get((away.len() * percent / 100).min(away.len().saturating_sub(1))).copied().unwrap_or_default()
}
