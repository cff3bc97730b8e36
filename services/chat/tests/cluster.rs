//! Three gateways and two persisters on real servers: any gateway serves any client at any time.

use std::sync::Arc;
use std::time::Duration;

use chat_bus::{Log, Nats, NatsOptions, Nonce};
use chat_protocol::event::{Body, Event, MemberChanged};
use chat_protocol::frame::Ack;
use chat_protocol::rights::Role;
use chat_protocol::{ClientId, Clock, codec::Codec, time::SystemClock};
use chat_testkit::play::{Cluster, Plan, Room, User};

/// Old enough that a gateway looks it up before it appends.
const LATE_MS: i64 = 70_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_on_one_gateway_is_live_on_another_and_a_resume_goes_on_on_a_third() -> anyhow::Result<()> {
    let cluster = Cluster::start(env!("CARGO_BIN_EXE_chat"), Plan::default()).await?;
    for codec in Codec::ALL {
        let play = cluster.play().speaking(codec);
        let (alice, bob) = (play.user_at("alice", 0).await?, play.user_at("bob", 1).await?);
        let room = play.room(&[&alice, &bob]).await?;

        alice.says(&room, "over two gateways").await?;
        bob.hears("over two gateways").await?;

        let talk = async {
            for number in 0..50 {
                alice.says(&room, &format!("while bob moves {number}")).await?;
            }
            anyhow::Ok(())
        };
        let (talked, moved) = tokio::join!(talk, bob.moves_on());
        talked.and(moved)?;
        alice.says(&room, "to the third").await?;
        bob.hears("to the third").await?;

        let verdict = play.verdict(&[&alice, &bob], &[&room]).await?;
        verdict.assert_good();
        assert_eq!(verdict.counts.acked, 52, "{verdict}");
    }
    a_retry_through_another_gateway_is_the_first_message(&cluster).await
}

async fn a_retry_through_another_gateway_is_the_first_message(cluster: &Cluster) -> anyhow::Result<()> {
    let play = cluster.play();
    let alice = play.user_at("alice", 0).await?;
    let elsewhere = play.device_of(&alice, 1).await?;
    let room = play.room(&[&alice]).await?;
    let client_id = alice.client().mint();

    let first = alice.says_as(client_id, &room, "once").await?;
    let again = elsewhere.says_as(client_id, &room, "once").await?;

    is_the_same(&first, &again);
    play.verdict(&[&alice], &[&room]).await?.assert_good();
    Ok(())
}

/// The log forgets after a second here. Then the rows of the store know it, or the log's tail while persisters are away.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_the_first_message_long_after_the_log_forgot_it() -> anyhow::Result<()> {
    let plan = Plan { log: &["--log-dedupe-window", "1s"], ..Plan::default() };
    let mut cluster = Cluster::start(env!("CARGO_BIN_EXE_chat"), plan).await?;
    let play = cluster.play();
    let alice = play.user_at("alice", 0).await?;
    let elsewhere = play.device_of(&alice, 1).await?;
    let room = play.room(&[&alice]).await?;

    sent_late_twice(&alice, &elsewhere, &room).await?;
    cluster.persisters.iter_mut().for_each(|persister| persister.kill9());
    sent_late_twice(&alice, &elsewhere, &room).await?;

    let verdict = play.verdict(&[&alice], &[&room]).await?;
    verdict.assert_good();
    assert_eq!((verdict.counts.sent, verdict.counts.duplicates), (2, 2), "{verdict}");
    Ok(())
}

async fn sent_late_twice(alice: &User, elsewhere: &User, room: &Room) -> anyhow::Result<()> {
    let client_id = minted_ms_ago(LATE_MS);
    let first = alice.says_as(client_id, room, "late").await?;
    // Nothing tells when the log forgets; this is the time it was given, and as much again.
    tokio::time::sleep(Duration::from_secs(2)).await;
    is_the_same(&first, &elsewhere.says_as(client_id, room, "late").await?);
    Ok(())
}

fn is_the_same(first: &Ack, again: &Ack) {
    assert!(!first.duplicate, "the first try is new");
    assert_eq!(again, &Ack { duplicate: true, ..first.clone() });
}

fn minted_ms_ago(ms: i64) -> ClientId {
    ClientId::ulid(SystemClock.now().plus_ms(-ms).as_ms().unsigned_abs(), rand::random())
}

/// What a gateway leaves that dies between the event and the feed: an append, and nobody told of it.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_added_by_a_gateway_that_died_hears_of_it() -> anyhow::Result<()> {
    let plan = Plan { gateways: 1, persisters: 1, ..Plan::default() };
    let cluster = Cluster::start(env!("CARGO_BIN_EXE_chat"), plan).await?;
    let play = cluster.play();
    let (alice, bob) = (play.user_at("alice", 0).await?, play.user_at("bob", 0).await?);
    let room = play.room(&[&alice]).await?;
    alice.says(&room, "without bob").await?;

    let options = NatsOptions { shards: 4, max_bytes: 64 << 20, ..NatsOptions::new([cluster.nats.url()]) };
    let log = Nats::connect(options, Arc::new(SystemClock)).await?;
    let head = log.heads(&[room.id], true).await?.first().copied().flatten();
    let body = Body::MemberJoined(MemberChanged { user: bob.id(), role: Role::Member });
    let joined = Event { at: SystemClock.now(), by: alice.id(), body };
    log.append(room.id, Nonce::hash(&[b"a gateway that dies"]), joined.encode(), head).await?;

    alice.says(&room, "with bob").await?;
    bob.hears("with bob").await?;
    assert_eq!(Cluster::metric(&cluster.persisters, "chat_persister_feed_news_total{outcome=\"told\"}").await?, 1.0);
    play.verdict(&[&alice, &bob], &[&room]).await?.assert_good();
    Ok(())
}
