//! Users who watch each other, and times that are short.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use chat_client::Happened;
use chat_protocol::UserId;
use chat_protocol::model::{Presence, PresenceState};
use chat_testkit::play::{Cluster, Play, User};
use chat_testkit::process::Chat;
use tokio::time::{Instant, sleep};

pub const BINARY: &str = env!("CARGO_BIN_EXE_chat");

pub const LEASE_S: u64 = 6;
pub const GRACE_S: u64 = 3;
pub const AWAY_S: u64 = 8;
/// For processes that are told of leases.
pub const LEASE: [&str; 8] =
    ["--presence-lease", "6s", "--presence-beat", "2s", "--presence-grace", "3s", "--presence-pause", "1s"];
pub const WORKER: [&str; 4] = ["--presence-sign-interval", "1s", "--presence-seen-interval", "1s"];
/// The same where who does nothing is soon away.
pub const AWAY: [&str; 6] =
    ["--presence-sign-interval", "1s", "--presence-seen-interval", "1s", "--presence-away", "8s"];
pub const GATEWAY: [&str; 2] = ["--gateway-reconnect-base-ms", "50"];
/// Beside what the settings promise: frames are two seconds apart, and other tests run on this machine.
pub const SLACK: Duration = Duration::from_secs(12);

pub struct Stage {
    pub play: Play,
    pub gateways: usize,
    /// Where the first one is.
    pub base: String,
}

impl Stage {
    pub fn at(gateways: impl IntoIterator<Item = SocketAddr>) -> Self {
        let gateways: Vec<_> = gateways.into_iter().collect();
        let base = gateways.first().map(|first| format!("http://{first}")).unwrap_or_default();
        Self { gateways: gateways.len(), play: Play::at(gateways), base }
    }

    /// The last gateway, which is another one than the first if there is another one.
    pub fn elsewhere(&self) -> usize {
        self.gateways - 1
    }

    /// Waits until workers know everybody: before that they announce nothing.
    pub async fn until_warm(&self, workers: &[Chat]) -> anyhow::Result<()> {
        let warm = async |worker: &Chat| -> anyhow::Result<bool> {
            let (_, text) = worker.get("/metrics").await?;
            let line = text.lines().find(|line| line.starts_with(r#"chat_presence_partitions{is="warm"}"#));
            Ok(line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).is_some_and(|warm| warm > 0.0))
        };
        for worker in workers {
            let mut is_warm = false;
            for _ in 0..300 {
                is_warm = warm(worker).await?;
                if is_warm {
                    break;
                }
                sleep(Duration::from_millis(100)).await;
            }
            ensure!(is_warm, "a worker is not warm");
        }
        Ok(())
    }

    /// Two users of one conversation: the first at the first gateway, the other elsewhere.
    pub async fn pair(&self) -> anyhow::Result<(User, User)> {
        let (alice, bob) = (self.play.user_at("alice", 0).await?, self.play.user_at("bob", self.elsewhere()).await?);
        self.play.room(&[&alice, &bob]).await?;
        Ok((alice, bob))
    }
}

/// How a user says another one is, now.
pub async fn asked(by: &User, of: UserId) -> anyhow::Result<Presence> {
    let states = by.rest().presence(&[of]).await?;
    states.items.into_iter().next().context("an answer without a state")
}

/// The newest that a watcher was shown of a user.
pub fn shown(to: &User, of: UserId) -> Option<Presence> {
    states_of(to, of).pop()
}

/// Waits until the newest that a watcher was shown of a user is like this; how long it took.
pub async fn sees(
    watcher: &User,
    of: UserId,
    within: Duration,
    like: impl Fn(&Presence) -> bool,
) -> anyhow::Result<Duration> {
    let began = Instant::now();
    loop {
        let newest = shown(watcher, of);
        if newest.as_ref().is_some_and(&like) {
            return Ok(began.elapsed());
        }
        ensure!(began.elapsed() < within, "still {newest:?} after {within:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

pub fn is(state: PresenceState) -> impl Fn(&Presence) -> bool {
    move |presence| presence.state == state
}

/// How often a watcher was shown that a user is gone.
pub fn gone(to: &User, of: UserId) -> usize {
    states_of(to, of).into_iter().filter(is(PresenceState::Offline)).count()
}

fn states_of(to: &User, of: UserId) -> Vec<Presence> {
    let states = to.signals().into_iter().filter_map(|what| match what {
        Happened::Presence(states) => states.into_iter().find(|state| state.user == of),
        _ => None,
    });
    states.collect()
}

/// What workers count.
pub async fn metric(processes: &[Chat], name: &str) -> anyhow::Result<f64> {
    Cluster::metric(processes, name).await
}
