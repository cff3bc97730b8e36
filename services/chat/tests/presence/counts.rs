//! Big conversations: how many are there, for those who have them on screen.

use std::time::Duration;

use anyhow::{Context, ensure};
use chat_client::{Happened, Rest};
use chat_protocol::limits::COUNTS_FROM;
use chat_protocol::{ConversationId, UserId};
use chat_testkit::play::User;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::{Instant, sleep};

use super::stage::{GRACE_S, SLACK, Stage};

/// Between two counts, as documented.
const EVERY: Duration = Duration::from_secs(5);
/// Users named in one request.
const AT_ONCE: usize = 100;

pub async fn all(stage: &Stage) -> anyhow::Result<()> {
    let owner = stage.play.user_at("owner", 0).await?;
    let (bob, carol) = (stage.play.user_at("bob", stage.elsewhere()).await?, stage.play.user_at("carol", 0).await?);
    let eve = stage.play.user_at("eve", 0).await?;
    let hall = stage.play.room(&[&owner, &bob, &carol]).await?.id;
    let absent = absent(stage, COUNTS_FROM - 2).await?;
    let (last, others) = absent.split_first().context("somebody who is absent")?;
    for some in others.chunks(AT_ONCE) {
        add(&owner, hall, some).await.context("fill the hall")?;
    }
    bob.client().focus(vec![hall]).await;
    eve.client().focus(vec![hall]).await;

    // With as many as can be named nobody is counted; with one more they are.
    sleep(EVERY + Duration::from_secs(1)).await;
    ensure!(counted(&bob, hall).is_empty(), "{COUNTS_FROM} members are counted: {:?}", counted(&bob, hall));
    add(&owner, hall, &[*last]).await.context("add one more")?;
    sees(&bob, hall, 3).await?;
    owner.client().stop().await;
    sees(&bob, hall, 2).await?;
    ensure!(counted(&carol, hall).is_empty(), "told without having it on screen");
    ensure!(counted(&eve, hall).is_empty(), "told without being in it");
    Ok(())
}

/// Adds everybody: who meets another change of the conversation is asked for again.
async fn add(owner: &User, hall: ConversationId, users: &[UserId]) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut left = users.to_vec();
    while !left.is_empty() {
        let outcomes = owner.rest().add_members(hall, &left).await?.items;
        let refused = outcomes.into_iter().filter_map(|outcome| outcome.code.map(|code| (outcome.user, code)));
        let refused: Vec<_> = refused.collect();
        ensure!(refused.is_empty() || began.elapsed() < SLACK, "not added: {refused:?}");
        if !refused.is_empty() {
            println!("{} asked for again: {}", refused.len(), refused[0].1.code());
        }
        left = refused.into_iter().map(|(user, _)| user).collect();
    }
    Ok(())
}

/// Accounts whose users are not there.
async fn absent(stage: &Stage, count: usize) -> anyhow::Result<Vec<UserId>> {
    let rest = Rest::new(&stage.base);
    let made = stream::iter(0..count).map(|number| {
        let rest = rest.clone();
        async move {
            let name = format!("absent{number}-{:08x}", rand::random::<u32>());
            let login = rest.register(&name, "correct horse battery staple", "none").await.context("register")?;
            Ok::<_, anyhow::Error>(login.user.user.id)
        }
    });
    made.buffered(4).try_collect().await
}

/// Waits until the newest number that somebody was told is this one.
async fn sees(who: &User, hall: ConversationId, online: u64) -> anyhow::Result<()> {
    let began = Instant::now();
    while counted(who, hall).last() != Some(&online) {
        let within = EVERY * 2 + Duration::from_secs(GRACE_S) + SLACK;
        ensure!(began.elapsed() < within, "not {online} after {within:?}: {:?}", counted(who, hall));
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// What somebody was told.
fn counted(who: &User, hall: ConversationId) -> Vec<u64> {
    let counts = who.signals().into_iter().filter_map(|what| match what {
        Happened::Counts(counts) if counts.conversation == hall => Some(counts.online),
        _ => None,
    });
    counts.collect()
}
