use std::time::Duration;

use chat_protocol::{ClientId, Clock, time::SystemClock};
use chat_testkit::play::{Cluster, Plan, Play, Room, User};
use futures_util::future::try_join_all;

use super::harm::{BINARY, EACH, USERS, assert_lossless};

/// The log of these clusters forgets at once.
const FORGETFUL: &[&str] = &["--log-dedupe-window", "1s"];
/// Old enough that a gateway looks it up before it appends.
const LATE_MS: i64 = 70_000;
const LATE_EACH: usize = 10;

/// F26 and F27
#[tokio::test(flavor = "multi_thread")]
async fn each_message_is_sent_three_times_over_two_gateways() -> anyhow::Result<()> {
    let cluster = Cluster::start(BINARY, Plan { gateways: 2, ..Plan::default() }).await?;
    let play = cluster.play();
    let cast = Cast::of(&play, USERS).await?;

    try_join_all(cast.pairs.iter().map(async |(here, there)| {
        for number in 0..EACH {
            let client_id = here.client().mint();
            let text = format!("thrice {number}");
            let (room, text) = (&cast.room, text.as_str());
            let at_once = tokio::join!(here.says_as(client_id, room, text), there.says_as(client_id, room, text));
            let (first, second, third) = (at_once.0?, at_once.1?, there.says_as(client_id, room, text).await?);
            assert!(first.id == second.id && second.id == third.id, "{first:?} {second:?} {third:?}");
            assert!(first.duplicate != second.duplicate && third.duplicate, "{first:?} {second:?} {third:?}");
        }
        anyhow::Ok(())
    }))
    .await?;
    two_users_with_one_client_id(&cast).await?;

    let verdict = cast.verdict(&play).await?;
    assert_lossless(&verdict, USERS * EACH + 2);
    assert_eq!(verdict.counts.duplicates, 2 * USERS * EACH, "{verdict}");
    Ok(())
}

async fn two_users_with_one_client_id(cast: &Cast) -> anyhow::Result<()> {
    let [(alice, _), (bob, _), ..] = cast.pairs.as_slice() else { anyhow::bail!("two users are needed") };
    let client_id = alice.client().mint();
    let first = alice.says_as(client_id, &cast.room, "mine").await?;
    let second = bob.says_as(client_id, &cast.room, "mine too").await?;
    assert!(!first.duplicate && !second.duplicate && first.id != second.id, "{first:?} {second:?}");
    Ok(())
}

/// F26, after the log forgot; persisters are there at first, and then are not.
#[tokio::test(flavor = "multi_thread")]
async fn late_repeats_are_found_in_store_and_log() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(BINARY, Plan { gateways: 2, log: FORGETFUL, ..Plan::default() }).await?;
    let play = cluster.play();
    let cast = Cast::of(&play, 5).await?;

    cast.repeats_late().await?;
    cluster.persisters.iter_mut().for_each(|persister| persister.kill9());
    cast.repeats_late().await?;

    assert_lossless(&cast.verdict(&play).await?, 2 * 5 * LATE_EACH);
    Ok(())
}

/// The negative control: without the lookup a late repeat is a second message, and the checker says so.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_lookup_the_checker_finds_doubles() -> anyhow::Result<()> {
    let gateway = &["--gateway-late-lookup", "false"];
    let cluster = Cluster::start(BINARY, Plan { gateways: 2, log: FORGETFUL, gateway, ..Plan::default() }).await?;
    let play = cluster.play();
    let cast = Cast::of(&play, 5).await?;

    cast.repeats_late().await?;

    let verdict = cast.verdict(&play).await?;
    assert!(verdict.doubled.len() >= 5 * LATE_EACH, "doubles went unnoticed: {verdict}");
    Ok(())
}

/// Users with a device at each of two gateways, all in one room.
struct Cast {
    pairs: Vec<(User, User)>,
    room: Room,
}

impl Cast {
    async fn of(play: &Play, users: usize) -> anyhow::Result<Self> {
        let mut pairs = Vec::new();
        for number in 0..users {
            let user = play.user_at(&format!("user-{number}"), 0).await?;
            let device = play.device_of(&user, 1).await?;
            pairs.push((user, device));
        }
        let room = play.room(&pairs.iter().map(|(user, _)| user).collect::<Vec<_>>()).await?;
        Ok(Self { pairs, room })
    }

    async fn repeats_late(&self) -> anyhow::Result<()> {
        let at_ms = SystemClock.now().plus_ms(-LATE_MS).as_ms().unsigned_abs();
        let ids: Vec<ClientId> = (0..LATE_EACH).map(|_| ClientId::ulid(at_ms, rand::random())).collect();
        for client_id in &ids {
            try_join_all(self.pairs.iter().map(|(here, _)| here.says_as(*client_id, &self.room, "late"))).await?;
        }
        // Nothing tells when the log forgets; this is the time it was given, and as much again.
        tokio::time::sleep(Duration::from_secs(2)).await;
        for client_id in &ids {
            try_join_all(self.pairs.iter().map(|(_, there)| there.says_as(*client_id, &self.room, "late"))).await?;
        }
        Ok(())
    }

    async fn verdict(&self, play: &Play) -> anyhow::Result<chat_testkit::checker::Verdict> {
        let everybody: Vec<&User> = self.pairs.iter().flat_map(|(here, there)| [here, there]).collect();
        play.verdict(&everybody, &[&self.room]).await
    }
}
