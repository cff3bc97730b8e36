//! What is refused, and what nobody may know.

use std::time::Duration;

use anyhow::ensure;
use chat_client::CommandError;
use chat_protocol::model::{Presence, PresenceState, Status, StatusState};
use chat_protocol::{Clock, ErrorCode, UserId, time::SystemClock};
use tokio::time::sleep;

use super::stage::{SLACK, Stage, asked, is, sees, shown};

pub async fn all(stage: &Stage) -> anyhow::Result<()> {
    too_much(stage).await?;
    strangers_and_blocked_users(stage).await
}

fn strangers(count: u128) -> Vec<UserId> {
    (0..count).map(|n| UserId::ulid(1_700_000_000_000, n)).collect()
}

fn code<T>(answer: Result<T, CommandError>) -> Option<ErrorCode> {
    match answer {
        Err(CommandError::Refused { code, .. }) => Some(code),
        _ => None,
    }
}

async fn too_much(stage: &Stage) -> anyhow::Result<()> {
    let alice = stage.play.user_at("alice", 0).await?;
    let watch = |add| alice.client().watch(add, Vec::new());
    ensure!(code(watch(strangers(501)).await) == Some(ErrorCode::Invalid), "501 at once");
    let states = watch(strangers(500)).await?;
    ensure!(states.len() == 500 && states.iter().all(|state| state.state == PresenceState::Offline));
    ensure!(code(watch(vec![alice.id()]).await) == Some(ErrorCode::LimitReached), "the 501st");
    let nobody = alice.client().watch(Vec::new(), strangers(1)).await?;
    ensure!(nobody.is_empty());
    ensure!(watch(vec![alice.id()]).await?.len() == 1, "there is room for one");
    let queried = alice.rest().presence(&strangers(501)).await;
    ensure!(queried.err().and_then(|err| err.code()) == Some(ErrorCode::Invalid), "501 queried");
    ensure!(alice.rest().presence(&strangers(500)).await?.items.len() == 500);
    ensure!(alice.rest().presence(&[]).await?.items.is_empty());

    let wrong = [
        Status { text: Some("x".repeat(129)), ..Status::default() },
        Status { text: Some("a\0b".into()), ..Status::default() },
        Status { until: Some(SystemClock.now().plus_ms(-1_000)), ..Status::default() },
    ];
    for status in wrong {
        let by_request = alice.rest().set_status(&status).await;
        ensure!(by_request.err().and_then(|err| err.code()) == Some(ErrorCode::Invalid), "{status:?}");
        ensure!(code(alice.client().set_status(status.clone()).await) == Some(ErrorCode::Invalid), "{status:?}");
    }
    alice.client().set_status(Status { text: Some("é".repeat(128)), ..Status::default() }).await?;
    Ok(())
}

/// Who is hidden, who is offline and who does not exist read alike; a block hides at once, and lifting it shows again.
async fn strangers_and_blocked_users(stage: &Stage) -> anyhow::Result<()> {
    let (alice, bob) = stage.pair().await?;
    let eve = stage.play.user_at("eve", stage.elsewhere()).await?;
    let here = |user| Presence { user, state: PresenceState::Offline, text: None, last_seen: None };
    alice.client().set_status(Status { text: Some("secret".into()), ..Status::default() }).await?;
    bob.client().watch(vec![alice.id()], Vec::new()).await?;
    while asked(&bob, alice.id()).await?.state == PresenceState::Offline {
        sleep(Duration::from_millis(100)).await;
    }
    ensure!(asked(&eve, alice.id()).await? == here(alice.id()), "a stranger is told something");
    let watched = eve.client().watch(vec![alice.id(), UserId::from_u128(7)], Vec::new()).await?;
    let mut expected = vec![here(alice.id()), here(UserId::from_u128(7))];
    expected.sort_by_key(|state| watched.iter().position(|watched| watched.user == state.user));
    ensure!(watched == expected, "{watched:?}");

    alice.rest().block(bob.id()).await?;
    sees(&bob, alice.id(), SLACK, is(PresenceState::Offline)).await?;
    ensure!(shown(&bob, alice.id()) == Some(here(alice.id())), "{:?}", shown(&bob, alice.id()));
    ensure!(asked(&bob, alice.id()).await? == here(alice.id()), "a blocked user is told something");
    ensure!(asked(&alice, bob.id()).await?.state == PresenceState::Online, "who blocks sees as before");
    alice.rest().unblock(bob.id()).await?;
    sees(&bob, alice.id(), SLACK, is(PresenceState::Online)).await?;

    // Eve is nobody's stranger any longer once she is in a conversation with alice.
    stage.play.room(&[&alice, &eve]).await?;
    sees(&eve, alice.id(), SLACK, is(PresenceState::Online)).await?;
    let hidden = Status { state: StatusState::Invisible, ..Status::default() };
    alice.client().set_status(hidden).await?;
    sees(&eve, alice.id(), SLACK, is(PresenceState::Offline)).await?;
    Ok(())
}
