//! Slow mode: one message in so long of each who may not skip the pause, whatever gateway it goes through.

use chat_protocol::{ClientId, Clock, time::SystemClock};
use chat_testkit::play::{Cluster, Plan};
use serde_json::{Value, json};

use crate::{
    says, two,
    world::{Answer, User, World, id},
};

const AN_HOUR_S: u64 = 3_600;

fn minted() -> String {
    ClientId::ulid(SystemClock.now().as_ms().unsigned_abs(), rand::random()).to_string()
}

async fn sends(world: &World, site: usize, by: &User, room: &str, client_id: &str) -> anyhow::Result<Answer> {
    let message = json!({"text": "me again", "client_id": client_id});
    world.ask(site, Some(by), "POST", &format!("{room}/messages"), Some(message)).await
}

/// Refused, with the time that is left.
fn waits(answer: &Answer) {
    assert_eq!(answer.refusal(), "429 slow_mode");
    let left_ms = answer.body["retry_after_ms"].as_u64().expect("when to come again");
    assert!((1..=AN_HOUR_S * 1_000).contains(&left_ms), "{left_ms}");
}

async fn one_message_an_hour(world: &World) -> anyhow::Result<()> {
    let (alice, bob, room) = two(world).await?;
    let (early, first) = (minted(), minted());
    let earlier = sends(world, 0, &bob, &room, &early).await?.good()?;
    let said = sends(world, 0, &bob, &room, &first).await?.good()?;
    world.does(&alice, "PATCH", &room, json!({"slow_mode_s": AN_HOUR_S})).await?;

    // What was said before it was slow counts too; also where nobody has asked for this conversation before.
    waits(&sends(world, 0, &bob, &room, &minted()).await?);
    waits(&sends(world, 1, &bob, &room, &minted()).await?);
    // A retry is no second message: neither of the last one nor of an earlier one.
    for site in [0, 1] {
        for (client_id, message) in [(&first, &said), (&early, &earlier)] {
            let again = sends(world, site, &bob, &room, client_id).await?;
            assert_eq!((again.status, &again.body["duplicate"]), (200, &json!(true)));
            assert_eq!(again.body["id"], message["id"]);
        }
    }
    // The same over a socket, which stays.
    let mut device = world.socket(1, &bob).await?;
    let (of, late) = (id(&room), minted());
    device.says(&json!({"type": "send", "client_id": late, "conversation": of, "text": "hi"})).await?;
    let refused = device.until(|frame| frame["type"] == "error").await?;
    assert_eq!((&refused["code"], &refused["client_id"]), (&json!("slow_mode"), &json!(late)));
    assert!((1..=AN_HOUR_S * 1_000).contains(&refused["retry_after_ms"].as_u64().expect("when to come again")));
    device.says(&json!({"type": "send", "client_id": first, "conversation": of, "text": "hi"})).await?;
    let ack = device.until(|frame| frame["type"] == "ack").await?;
    assert_eq!((&ack["id"], &ack["duplicate"]), (&said["id"], &json!(true)));

    // Who has the right needs no patience; who is given it, none from then on.
    for _ in 0..2 {
        says(world, &alice, &room, "order").await?;
    }
    world.does(&alice, "PATCH", &format!("{room}/members/{}", bob.id), json!({"role": "moderator"})).await?;
    device.until(|frame| frame["data"]["role"] == "moderator").await?;
    for site in [0, 1, 1] {
        sends(world, site, &bob, &room, &minted()).await?.good()?;
    }
    world.does(&alice, "PATCH", &format!("{room}/members/{}", bob.id), json!({"role": "member"})).await?;
    device.until(|frame| frame["data"]["role"] == "member").await?;
    // What went through the one gateway is known at the other at once.
    for site in [0, 1] {
        waits(&sends(world, site, &bob, &room, &minted()).await?);
    }
    world.does(&alice, "PATCH", &room, json!({"slow_mode_s": 0})).await?;
    device.until(|frame| frame["event"] == "conversation.updated" && frame["data"]["slow_mode_s"] == 0).await?;
    for site in [0, 1] {
        sends(world, site, &bob, &room, &minted()).await?.good()?;
    }
    Ok(())
}

/// Again and again between two gateways: the second one always knows of the first message.
async fn there_is_no_way_round(world: &World) -> anyhow::Result<()> {
    let alice = world.user("carol").await?;
    let bob = world.user("dave").await?;
    for round in 0..10 {
        let wanted = json!({"kind": "group", "members": [bob.id], "slow_mode_s": AN_HOUR_S});
        let room = world.makes(&alice, wanted).await?;
        // Both gateways know of the conversation, and that bob may send there.
        for site in [0, 1] {
            world.soon(site, &bob, "GET", &room, Value::Null, "200").await?;
        }
        sends(world, round % 2, &bob, &room, &minted()).await?.good()?;
        waits(&sends(world, (round + 1) % 2, &bob, &room, &minted()).await?);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_an_hour_in_one_process() -> anyhow::Result<()> {
    let world = World::start().await?;
    one_message_an_hour(&world).await?;
    there_is_no_way_round(&world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_an_hour_on_real_servers() -> anyhow::Result<()> {
    let plan = Plan { gateways: 2, persisters: 1, ..Plan::default() };
    let cluster = Cluster::start(env!("CARGO_BIN_EXE_chat"), plan).await?;
    let world = World::at(cluster.gateways.iter().map(|gateway| gateway.public()).collect());
    one_message_an_hour(&world).await?;
    there_is_no_way_round(&world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_once_one_passes() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob, room) = two(&world).await?;
    world.does(&alice, "PATCH", &room, json!({"slow_mode_s": AN_HOUR_S})).await?;
    let ids: Vec<String> = (0..20).map(|_| minted()).collect();
    let tries = ids.iter().map(|client_id| sends(&world, 0, &bob, &room, client_id));
    let answers = futures_util::future::try_join_all(tries).await?;
    let passed = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(passed, 1, "of {}", answers.len());
    answers.iter().filter(|answer| answer.status != 201).for_each(waits);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_fails_costs_no_turn() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob, room) = two(&world).await?;
    world.does(&alice, "PATCH", &room, json!({"slow_mode_s": AN_HOUR_S})).await?;
    let wrong = json!({"text": "hi", "reply_to": "0000000000001"});
    assert_eq!(world.refused(&bob, "POST", &format!("{room}/messages"), wrong).await?, "404 not_found");
    says(&world, &bob, &room, "hi").await?;
    let direct = json!({"kind": "direct", "members": [bob.id], "slow_mode_s": 5});
    assert_eq!(world.refused(&alice, "POST", "/v1/conversations", direct).await?, "422 invalid");
    Ok(())
}
