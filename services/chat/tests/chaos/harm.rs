//! Faults while a crowd talks.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chat_testkit::checker::Verdict;
use chat_testkit::env::thorough;
use chat_testkit::play::{Cluster, Crowd};
use chat_testkit::process::Chat;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep};

pub const BINARY: &str = env!("CARGO_BIN_EXE_chat");

/// Everybody in a crowd, and what each of them sends: 5,000 messages in all.
pub const USERS: usize = 20;
pub const ROOMS: usize = 5;
pub const EACH: usize = 250;

/// How often: as often as everybody can wait for, or as `make chaos` does it.
pub fn times(short: u32, full: u32) -> u32 {
    if thorough() { full } else { short }
}

/// Everybody says so much while harm is done at least so often; with `make chaos` they go on until it was.
/// How many messages that were.
pub async fn talk_and_harm(
    crowd: &Crowd,
    each: usize,
    at_least: u32,
    mut harm: impl AsyncFnMut(u32) -> anyhow::Result<()>,
) -> anyhow::Result<usize> {
    let harmed = AtomicBool::new(false);
    let turns = AtomicUsize::new(0);
    let talk = async {
        loop {
            crowd.talks(each).await?;
            turns.fetch_add(1, Ordering::Relaxed);
            if !thorough() || harmed.load(Ordering::Relaxed) {
                return anyhow::Ok(());
            }
        }
    };
    let rounds = during(talk, at_least, async |round| {
        harm(round).await?;
        harmed.store(round + 1 >= at_least, Ordering::Relaxed);
        Ok(())
    })
    .await?;
    let messages = turns.into_inner() * crowd.users.len() * each;
    println!("{rounds} rounds of harm, {messages} messages meanwhile");
    Ok(messages)
}

/// Harms again and again until `work` is done, at least so often; how often it was.
pub async fn during(
    work: impl Future<Output = anyhow::Result<()>>,
    at_least: u32,
    mut harm: impl AsyncFnMut(u32) -> anyhow::Result<()>,
) -> anyhow::Result<u32> {
    let over = AtomicBool::new(false);
    let work = async {
        let done = work.await;
        over.store(true, Ordering::Relaxed);
        done
    };
    let harms = async {
        let mut rounds = 0;
        while rounds < at_least || !over.load(Ordering::Relaxed) {
            harm(rounds).await?;
            rounds += 1;
        }
        anyhow::Ok(rounds)
    };
    // Whichever fails first ends it: talk may go on for ever.
    let ((), rounds) = tokio::try_join!(work, harms)?;
    Ok(rounds)
}

/// Faults come at no particular moment.
pub async fn a_while(chance: &mut StdRng, ms_max: u64) {
    sleep(Duration::from_millis(chance.random_range(0..ms_max))).await;
}

/// Looks until it is so.
pub async fn until(
    what: &str,
    within: Duration,
    mut so: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + within;
    while !so().await? {
        anyhow::ensure!(Instant::now() < deadline, "{what}: not within {within:?}");
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Everything that the log holds is in the store.
pub async fn lag_drains(persisters: &[Chat], within: Duration) -> anyhow::Result<()> {
    until("the lag drains", within, async || Ok(Cluster::metric(persisters, "chat_persister_lag_events").await? == 0.0))
        .await
}

/// Nothing lost, doubled, reordered or passed over, among at least so many messages.
pub fn assert_lossless(verdict: &Verdict, acked: usize) {
    println!("{verdict}");
    verdict.assert_good();
    assert!(verdict.counts.acked >= acked, "too little was judged: {verdict}");
}
