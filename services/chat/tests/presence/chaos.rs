//! Gateways and workers are killed, stopped and added, and nobody is wrong for long.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::ensure;
use chat_protocol::model::{PresenceState, Status, StatusState};
use chat_testkit::play::User;
use chat_testkit::process::Chat;
use tokio::time::{Instant, sleep};

use super::stage::{GRACE_S, LEASE_S, SLACK, Stage, asked, gone, is, metric, sees, shown};

/// F1: the ghosts of a killed gateway are gone after lease and grace.
pub async fn ghosts(stage: &Stage, gateways: &mut [Chat]) -> anyhow::Result<()> {
    let (alice, bob) = stage.pair().await?;
    bob.client().watch(vec![alice.id()], Vec::new()).await?;
    sees_there(&bob, &alice).await?;
    let died = Instant::now();
    gateways[0].kill9();
    // She does not come back: this client ends without having had a chance to say so.
    alice.client().stop().await;
    let promised = Duration::from_secs(LEASE_S + GRACE_S);
    sees(&bob, alice.id(), promised + SLACK, is(PresenceState::Offline)).await?;
    println!(
        "F1: a ghost was gone {:.1} s after the kill; lease and grace are {promised:?}",
        died.elapsed().as_secs_f64()
    );
    ensure!(died.elapsed() > Duration::from_secs(GRACE_S), "nobody is gone within the grace");
    gateways[0].restart().await
}

/// F4: one worker killed, then all: nobody is shown as gone, and changes are seen again.
pub async fn workers_killed(stage: &Stage, workers: &mut [Chat]) -> anyhow::Result<()> {
    let (alice, bob) = stage.pair().await?;
    let carol = stage.play.user_at("carol", 0).await?;
    stage.play.room(&[&alice, &bob, &carol]).await?;
    bob.client().watch(vec![alice.id(), carol.id()], Vec::new()).await?;
    sees_there(&bob, &alice).await?;
    sees_there(&bob, &carol).await?;

    workers[0].kill9();
    let took = sees_leave(stage, &bob, &carol).await?;
    println!("F4: with one of {} workers killed a change was seen after {:.1} s", workers.len(), took.as_secs_f64());

    workers.iter_mut().for_each(Chat::kill9);
    sleep(Duration::from_secs(LEASE_S)).await;
    for worker in workers.iter_mut() {
        worker.restart().await?;
    }
    let restarted = Instant::now();
    stage.until_warm(workers).await?;
    let carol = stage.play.device_of(&carol, stage.elsewhere()).await?;
    sees(&bob, carol.id(), Duration::from_secs(60), not_gone).await?;
    println!("F4: right again {:.1} s after all workers were killed and started", restarted.elapsed().as_secs_f64());
    ensure!(gone(&bob, alice.id()) == 0, "who was there all the time was shown as gone");
    Ok(())
}

/// Waits until a user who stops is shown as gone: then the changes arrive.
async fn sees_leave(_: &Stage, watcher: &User, who: &User) -> anyhow::Result<Duration> {
    who.client().stop().await;
    sees(watcher, who.id(), Duration::from_secs(GRACE_S) + SLACK, is(PresenceState::Offline)).await
}

/// F11: a gateway that stood still past its lease closes its sockets at once, and they are back.
pub async fn gateway_paused(stage: &Stage, gateways: &mut [Chat]) -> anyhow::Result<()> {
    let (alice, bob) = stage.pair().await?;
    bob.client().watch(vec![alice.id()], Vec::new()).await?;
    sees_there(&bob, &alice).await?;
    let sockets = alice.sockets();
    gateways[0].pause()?;
    let promised = Duration::from_secs(LEASE_S + GRACE_S);
    sees(&bob, alice.id(), promised + SLACK, is(PresenceState::Offline)).await?;
    gateways[0].resume()?;
    let woke = Instant::now();
    while alice.sockets() == sockets {
        ensure!(woke.elapsed() < SLACK, "its socket was not closed");
        sleep(Duration::from_millis(20)).await;
    }
    println!("F11: closed and opened again {:.1} s after it ran again", woke.elapsed().as_secs_f64());
    let closes = metric(&gateways[..1], "chat_gateway_closes_total").await?;
    ensure!(closes >= 1.0, "it did not close anything");
    sees(&bob, alice.id(), SLACK, not_gone).await?;
    Ok(())
}

/// One process that stood still for less than a lease, but for longer than a worker may be silent: it forgot nobody, and
/// changes are told at once.
pub async fn paused_shortly(stage: &Stage, chat: &mut Chat) -> anyhow::Result<()> {
    let (alice, bob) = stage.pair().await?;
    bob.client().watch(vec![alice.id()], Vec::new()).await?;
    sees_there(&bob, &alice).await?;
    chat.pause()?;
    sleep(Duration::from_secs(LEASE_S - 2)).await;
    chat.resume()?;
    alice.client().set_status(Status { state: StatusState::Dnd, ..Status::default() }).await?;
    sees(&bob, alice.id(), SLACK, is(PresenceState::Dnd)).await?;
    let resets = metric(std::slice::from_ref(chat), "chat_presence_worker_resets_total").await?;
    ensure!(resets == 0.0, "a worker that nobody else can have replaced began anew");
    ensure!(gone(&bob, alice.id()) == 0, "a pause was shown as a leaving");
    Ok(())
}

/// F11 in one process: the watcher's socket is closed too, and both are back.
pub async fn paused_alone(stage: &Stage, chat: &mut Chat) -> anyhow::Result<()> {
    let (alice, bob) = stage.pair().await?;
    let sockets = (alice.sockets(), bob.sockets());
    chat.pause()?;
    sleep(Duration::from_secs(LEASE_S + 2)).await;
    chat.resume()?;
    let woke = Instant::now();
    while alice.sockets() == sockets.0 || bob.sockets() == sockets.1 {
        ensure!(woke.elapsed() < SLACK, "a socket was not closed");
        sleep(Duration::from_millis(20)).await;
    }
    println!("F11: closed and opened again {:.1} s after it ran again", woke.elapsed().as_secs_f64());
    sees_there(&bob, &alice).await
}

/// A storm: everybody moves to another gateway at once, several times, within the grace.
pub async fn a_storm_is_silent(stage: &Stage, workers: &[Chat], sockets: usize) -> anyhow::Result<()> {
    let mut users = Vec::new();
    for number in 0..sockets {
        users.push(stage.play.user_at(&format!("storm{number}"), number % stage.gateways).await?);
    }
    let watcher = stage.play.user_at("watcher", 0).await?;
    let all: Vec<&User> = users.iter().chain([&watcher]).collect();
    stage.play.room(&all).await?;
    watcher.client().watch(users.iter().map(User::id).collect(), Vec::new()).await?;
    for user in &users {
        sees_there(&watcher, user).await?;
    }
    // Away comes by time, and counts as a change: what is counted is who was shown as gone.
    let offline = async || metric_of(workers, r#"chat_presence_transitions_total{to="offline"}"#).await;
    let before = offline().await?;
    for _ in 0..2 {
        let moves = users.iter().map(User::moves_on);
        futures_util::future::try_join_all(moves).await?;
    }
    sleep(Duration::from_secs(GRACE_S + 2)).await;
    ensure!(offline().await? == before, "some of {sockets} were announced as gone");
    ensure!(users.iter().all(|user| gone(&watcher, user.id()) == 0), "some were shown as gone");
    Ok(())
}

/// Three workers, one killed and one added, while users come and go: in the end everybody is as the test knows.
pub async fn workers_come_and_go(
    stage: &Stage,
    workers: &mut Vec<Chat>,
    another: Chat,
    users: usize,
) -> anyhow::Result<()> {
    let mut here: HashMap<usize, User> = HashMap::new();
    for number in 0..users {
        here.insert(number, stage.play.user_at(&format!("walker{number}"), number % stage.gateways).await?);
    }
    let watcher = stage.play.user_at("watcher", 0).await?;
    let all: Vec<&User> = here.values().chain([&watcher]).collect();
    stage.play.room(&all).await?;
    let ids: HashMap<usize, _> = here.iter().map(|(number, user)| (*number, user.id())).collect();
    watcher.client().watch(ids.values().copied().collect(), Vec::new()).await?;

    let mut another = another;
    let mut there: HashMap<usize, bool> = ids.keys().map(|number| (*number, true)).collect();
    for round in 0..3 {
        match round {
            0 => workers[0].kill9(),
            1 => another.restart().await?,
            _ => {}
        }
        // A third of them changes in each round, half of those by leaving.
        for number in (0..users).filter(|number| number % 3 == round) {
            if number % 2 == 0 {
                here[&number].client().stop().await;
                there.insert(number, false);
            } else {
                let user = stage.play.device_of(&here[&number], (number + 1) % stage.gateways).await?;
                here.insert(number, user);
            }
        }
        sleep(Duration::from_secs(2)).await;
    }
    let quiet = Instant::now();
    let wrong = async || -> anyhow::Result<Vec<String>> {
        let mut wrong = Vec::new();
        for (number, id) in &ids {
            let (told, asked) = (shown(&watcher, *id), asked(&watcher, *id).await?);
            let seems = told.as_ref().map_or(asked.state, |told| told.state) != PresenceState::Offline;
            if seems != there[number] || (asked.state != PresenceState::Offline) != there[number] {
                wrong.push(format!("{number}: told {told:?}, asked {asked:?}, there {}", there[number]));
            }
        }
        Ok(wrong)
    };
    let bound = Duration::from_secs(15 + GRACE_S);
    loop {
        let left = wrong().await?;
        if left.is_empty() {
            break;
        }
        ensure!(quiet.elapsed() < bound, "{} of {users} are wrong: {left:#?}", left.len());
        sleep(Duration::from_millis(500)).await;
    }
    println!("take-over: all {users} right {:.1} s after the last change", quiet.elapsed().as_secs_f64());
    workers.push(another);
    Ok(())
}

fn not_gone(presence: &chat_protocol::model::Presence) -> bool {
    presence.state != PresenceState::Offline
}

async fn sees_there(watcher: &User, of: &User) -> anyhow::Result<()> {
    let began = Instant::now();
    while asked(watcher, of.id()).await?.state == PresenceState::Offline {
        ensure!(began.elapsed() < SLACK, "never there");
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// The sum of one line of the metrics.
async fn metric_of(processes: &[Chat], line: &str) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for process in processes {
        let (_, text) = process.get("/metrics").await?;
        let values = text.lines().filter_map(|found| found.strip_prefix(line)?.trim().parse::<f64>().ok());
        sum += values.sum::<f64>();
    }
    Ok(sum)
}
