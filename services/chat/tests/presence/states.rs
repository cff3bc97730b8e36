//! How a user is, as others are shown it.

use std::time::Duration;

use anyhow::ensure;
use chat_protocol::model::{PresenceState, Status, StatusState};
use chat_protocol::{Clock, time::SystemClock};
use tokio::time::{Instant, sleep};

use super::stage::{AWAY_S, GRACE_S, LEASE_S, SLACK, Stage, asked, gone, is, sees, shown};

pub async fn all(stage: &Stage) -> anyhow::Result<()> {
    tokio::try_join!(
        comes_and_goes(stage),
        of_two_devices_one_is_enough(stage),
        a_return_within_the_grace_is_told_to_nobody(stage),
        statuses(stage),
        away(stage),
    )?;
    Ok(())
}

/// Online at once, offline after the grace, last seen from then on.
async fn comes_and_goes(stage: &Stage) -> anyhow::Result<()> {
    let (alice, bob) = stage.pair().await?;
    let answer = bob.client().watch(vec![alice.id()], Vec::new()).await?;
    ensure!(answer.len() == 1, "{answer:?}");
    if answer[0].state != PresenceState::Online {
        sees(&bob, alice.id(), SLACK, is(PresenceState::Online)).await?;
    }
    let left = SystemClock.now();
    alice.client().stop().await;
    let took = sees(&bob, alice.id(), Duration::from_secs(GRACE_S) + SLACK, is(PresenceState::Offline)).await?;
    ensure!(took >= Duration::from_secs(GRACE_S), "gone after {took:?}, the grace is longer");
    let seen = shown(&bob, alice.id()).and_then(|state| state.last_seen);
    let off = seen.map(|seen| (seen.as_ms() - left.as_ms()).abs());
    ensure!(off.is_some_and(|off| off < 3_000), "last seen {seen:?}, left {left:?}");
    // Everybody is told the same who asks later, also of what the store remembers.
    let later = asked(&bob, alice.id()).await?;
    ensure!((later.state, later.last_seen) == (PresenceState::Offline, seen), "{later:?}");
    let again = stage.play.device_of(&alice, stage.elsewhere()).await?;
    sees(&bob, alice.id(), SLACK, is(PresenceState::Online)).await?;
    drop(again);
    Ok(())
}

async fn of_two_devices_one_is_enough(stage: &Stage) -> anyhow::Result<()> {
    let (alice, bob) = stage.pair().await?;
    let phone = stage.play.device_of(&alice, stage.elsewhere()).await?;
    bob.client().watch(vec![alice.id()], Vec::new()).await?;
    until_online(&bob, &alice).await?;
    phone.client().stop().await;
    sleep(Duration::from_secs(LEASE_S + GRACE_S + 1)).await;
    ensure!(gone(&bob, alice.id()) == 0, "closing one device was shown");
    ensure!(asked(&bob, alice.id()).await?.state != PresenceState::Offline, "the other one is still there");
    Ok(())
}

async fn a_return_within_the_grace_is_told_to_nobody(stage: &Stage) -> anyhow::Result<()> {
    let (alice, bob) = stage.pair().await?;
    bob.client().watch(vec![alice.id()], Vec::new()).await?;
    until_online(&bob, &alice).await?;
    for _ in 0..3 {
        alice.moves_on().await?;
    }
    sleep(Duration::from_secs(GRACE_S + 1)).await;
    ensure!(gone(&bob, alice.id()) == 0, "a reconnect was shown");
    Ok(())
}

/// `dnd`, a text that ends, `invisible`, and back; each by frame or request.
async fn statuses(stage: &Stage) -> anyhow::Result<()> {
    let (alice, bob) = stage.pair().await?;
    bob.client().watch(vec![alice.id()], Vec::new()).await?;
    until_online(&bob, &alice).await?;
    let until = SystemClock.now().plus_ms(6_000);
    let status = Status { state: StatusState::Dnd, text: Some("in a meeting".into()), until: Some(until) };
    alice.client().set_status(status).await?;
    let busy = |presence: &chat_protocol::model::Presence| {
        presence.state == PresenceState::Dnd && presence.text.as_deref() == Some("in a meeting")
    };
    sees(&bob, alice.id(), SLACK, busy).await?;
    let over = |presence: &chat_protocol::model::Presence| presence.text.is_none();
    sees(&bob, alice.id(), Duration::from_secs(6) + SLACK, over).await?;

    let hidden = Status { state: StatusState::Invisible, text: Some("nobody reads this".into()), until: None };
    let answered = alice.rest().set_status(&hidden).await?;
    ensure!(answered == hidden, "{answered:?}");
    sees(&bob, alice.id(), SLACK, is(PresenceState::Offline)).await?;
    sleep(Duration::from_secs(LEASE_S)).await;
    let seen = asked(&bob, alice.id()).await?;
    ensure!((seen.state, &seen.text) == (PresenceState::Offline, &None), "{seen:?}");
    let hid_for = SystemClock.now().as_ms() - seen.last_seen.map_or(0, |at| at.as_ms());
    ensure!(hid_for > 3_000, "somebody who hides is seen to be there: {seen:?}");
    alice.rest().set_status(&Status { text: Some("back".into()), ..Status::default() }).await?;
    let back = |presence: &chat_protocol::model::Presence| {
        presence.state != PresenceState::Offline && presence.text.as_deref() == Some("back")
    };
    sees(&bob, alice.id(), SLACK, back).await?;
    Ok(())
}

/// Away after doing nothing anywhere, and back with the first act; a reconnect is none.
async fn away(stage: &Stage) -> anyhow::Result<()> {
    let (alice, bob) = stage.pair().await?;
    let room = stage.play.room(&[&alice, &bob]).await?;
    bob.client().watch(vec![alice.id()], Vec::new()).await?;
    sees(&bob, alice.id(), Duration::from_secs(AWAY_S) + SLACK, is(PresenceState::Away)).await?;
    alice.moves_on().await?;
    sleep(Duration::from_secs(3)).await;
    ensure!(shown(&bob, alice.id()).is_some_and(|state| state.state == PresenceState::Away), "a reconnect is no act");
    let acted = Instant::now();
    alice.says(&room, "here I am").await?;
    sees(&bob, alice.id(), SLACK, is(PresenceState::Online)).await?;
    println!("back {:?} after an act", acted.elapsed());
    Ok(())
}

async fn until_online(watcher: &chat_testkit::play::User, of: &chat_testkit::play::User) -> anyhow::Result<()> {
    let began = Instant::now();
    while asked(watcher, of.id()).await?.state == PresenceState::Offline {
        ensure!(began.elapsed() < SLACK, "never there");
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
