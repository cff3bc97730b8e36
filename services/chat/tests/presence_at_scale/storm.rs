//! A reconnect storm: 5,000 sockets of 5,000 users are cut at once and come back within the grace, and nobody is told.
//!
//! Some of them have accounts and are watched. The others exist only by their tokens: presence does not tell them apart,
//! and five thousand passwords would cost more than the rest. A few never come back, and these are announced: so what
//! counts announcements can count.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use chat_client::{Happened, NewConversation, Rest};
use chat_protocol::UserId;
use chat_protocol::model::{Kind, PresenceState};
use chat_testkit::play::{Cluster, User};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::{Instant, sleep};

use super::crowd::{Bare, Ticket};
use super::strangers::Strangers;

/// Two beats may be lost, as by default.
pub const TIMES: [&str; 6] = ["--presence-lease", "9s", "--presence-beat", "3s", "--presence-grace", "30s"];
const GRACE: Duration = Duration::from_secs(30);
/// The storm comes from one machine.
pub const LIMITS: [&str; 6] = [
    "--gateway-limit-hellos",
    "1000000/1s",
    "--gateway-limit-resumes",
    "1000000/1s",
    "--gateway-sockets-per-address",
    "1000000",
];

/// Users with accounts, who are watched.
const WATCHED: usize = 60;
/// Of whom so many stay away.
const GONE: usize = 5;
const REGISTRATIONS: usize = 4;
/// For what has no bound of its own, on a machine where others compile.
const SOON: Duration = Duration::from_secs(120);

pub async fn is_silent(cluster: &Cluster, sockets: usize) -> anyhow::Result<()> {
    let play = cluster.play();
    let watcher = play.user_at("watcher", 0).await?;
    let base = format!("http://{}", cluster.gateways[0].public());
    let (watched, mut tickets) = accounts(&base).await?;
    meet(&watcher, &watched).await?;
    let strangers = Strangers::of(cluster)?;
    let more = sockets - tickets.len();
    tickets.extend((0..more).map(|_| Ticket { token: strangers.token(strangers.comes()), returns: true }));
    let gateways = cluster.gateways.iter().map(chat_testkit::process::Chat::public).collect();
    let bare = Bare::enter(gateways, &tickets);
    let entered = bare.are(sockets, SOON).await?;
    watcher.client().watch(watched.clone(), Vec::new()).await?;
    until_all_are_there(cluster, sockets).await?;
    until_quiet(cluster).await?;

    let announced = told(cluster).await?;
    let shown = frames(&watcher);
    let cut = Instant::now();
    bare.cut();
    bare.are(0, SOON).await?;
    bare.come_back();
    bare.are(sockets - GONE, SOON).await?;
    let back = cut.elapsed();
    ensure!(back < GRACE, "the storm took {back:?}: longer than the grace, which nothing is promised for");
    println!("storm: {sockets} sockets open after {entered:.1?}, cut, and back after {back:.1?}");
    ensure!(told(cluster).await? == announced, "a storm within the grace was announced");
    ensure!(frames(&watcher) == shown, "a storm within the grace was shown");

    // The negative control, and the time in which a late announcement would come.
    let gone: BTreeSet<UserId> = watched[..GONE].iter().copied().collect();
    while seen_gone(&watcher) != gone {
        ensure!(seen_gone(&watcher).is_subset(&gone), "somebody was shown as gone who came back");
        ensure!(cut.elapsed() < GRACE + SOON, "{} of {GONE} are shown as gone", seen_gone(&watcher).len());
        sleep(Duration::from_millis(100)).await;
    }
    sleep(GRACE.saturating_sub(cut.elapsed()) + Duration::from_secs(2)).await;
    bare.check()?;
    let announced_now = told(cluster).await?;
    ensure!(announced_now == announced + GONE as f64, "{announced} → {announced_now}: {GONE} were gone");
    ensure!(seen_gone(&watcher) == gone, "somebody was shown as gone who came back");
    println!("storm: announced of {sockets} users within the grace 0, after it the {GONE} who stayed away");
    Ok(())
}

/// Those who are watched; the first of them stay away.
async fn accounts(base: &str) -> anyhow::Result<(Vec<UserId>, Vec<Ticket>)> {
    let rest = Rest::new(base);
    let made = stream::iter(0..WATCHED).map(|number| {
        let rest = rest.clone();
        async move {
            let name = format!("storm{number}-{:08x}", rand::random::<u32>());
            let login = rest.register(&name, "correct horse battery staple", "storm").await.context("register")?;
            let ticket = Ticket { token: login.access_token.expose().to_owned(), returns: number >= GONE };
            Ok::<_, anyhow::Error>((login.user.user.id, ticket))
        }
    });
    let made: Vec<(UserId, Ticket)> = made.buffered(REGISTRATIONS).try_collect().await?;
    Ok(made.into_iter().unzip())
}

async fn meet(watcher: &User, watched: &[UserId]) -> anyhow::Result<()> {
    let group = NewConversation {
        kind: Kind::Group,
        members: watched.to_vec(),
        title: None,
        visibility: None,
        client_id: watcher.client().mint(),
    };
    watcher.rest().create(&group).await.context("create the group that all are in")?;
    Ok(())
}

/// Changes that workers told.
async fn told(cluster: &Cluster) -> anyhow::Result<f64> {
    Cluster::metric(&cluster.presence, "chat_presence_announced_total").await
}

/// Every worker counts the devices of the parts that it owns.
async fn until_all_are_there(cluster: &Cluster, sockets: usize) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let leases = Cluster::metric(&cluster.presence, "chat_presence_leases").await?;
        // The watcher's is one of them.
        if leases == (sockets + 1) as f64 {
            return Ok(());
        }
        ensure!(began.elapsed() < SOON, "{leases} of {sockets} devices are known");
        sleep(Duration::from_millis(200)).await;
    }
}

/// Until everybody has been announced who came, and some time longer.
async fn until_quiet(cluster: &Cluster) -> anyhow::Result<()> {
    let (mut before, mut since, began) = (told(cluster).await?, Instant::now(), Instant::now());
    while since.elapsed() < Duration::from_secs(3) {
        ensure!(began.elapsed() < SOON, "there is no end of announcements");
        sleep(Duration::from_millis(200)).await;
        let now = told(cluster).await?;
        if now != before {
            (before, since) = (now, Instant::now());
        }
    }
    Ok(())
}

/// How many presence frames the watcher was shown.
fn frames(watcher: &User) -> usize {
    watcher.signals().iter().filter(|what| matches!(what, Happened::Presence(_))).count()
}

fn seen_gone(watcher: &User) -> BTreeSet<UserId> {
    let states = watcher.signals().into_iter().filter_map(|what| match what {
        Happened::Presence(states) => Some(states),
        _ => None,
    });
    states.flatten().filter(|state| state.state == PresenceState::Offline).map(|state| state.user).collect()
}
