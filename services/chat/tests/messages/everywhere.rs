//! Live is history: whatever two users do to messages through two gateways, both see it as it can be read afterwards.

use chat_testkit::play::{Cluster, Plan};
use serde_json::{Value, json};

use crate::{
    says, two,
    world::{World, hears, id},
};

async fn what_is_live_is_what_is_read(world: &World) -> anyhow::Result<()> {
    let (alice, bob, room) = two(world).await?;
    let mut device = world.socket(1, &bob).await?;
    let first = says(world, &alice, &room, "first").await?;
    let second = says(world, &alice, &room, "second").await?;
    let third = says(world, &alice, &room, "third").await?;

    world.does(&alice, "PATCH", &first, json!({"text": format!("first, <@{}>", bob.id)})).await?;
    assert_eq!(hears(&mut device, "message.updated").await?["data"]["mentions"], json!([bob.id]));
    world.ask(1, Some(&bob), "PUT", &format!("{first}/reactions/%F0%9F%91%8D"), None).await?.good()?;
    hears(&mut device, "reaction.changed").await?;
    world.does(&alice, "PUT", &format!("{room}/pins/{}", id(&second)), Value::Null).await?;
    hears(&mut device, "pin.added").await?;
    world.does(&alice, "DELETE", &third, Value::Null).await?;
    assert_eq!(hears(&mut device, "message.deleted").await?["data"]["messages"], json!([id(&third)]));

    // Bob's gateway has seen all of it by now; alice's has what bob did as soon as it arrives there.
    let theirs = world.ask(1, Some(&bob), "GET", &format!("{room}/messages"), None).await?.good()?;
    let [last, middle, oldest] = &theirs["items"].as_array().expect("items")[..] else { panic!("three: {theirs}") };
    assert_eq!((&last["deleted"], &last["text"]), (&json!(true), &Value::Null));
    assert_eq!((&middle["pinned"], &middle["text"]), (&json!(true), &json!("second")));
    assert_eq!((&oldest["mentions"], &oldest["reactions"][0]["mine"]), (&json!([bob.id]), &json!(true)));
    for around in [format!("{room}/messages?around={}", id(&second)), format!("{room}/messages?after=0")] {
        let page = world.ask(1, Some(&bob), "GET", &around, None).await?.good()?;
        let found = page["items"].as_array().expect("items").iter().find(|item| item["id"] == middle["id"]);
        assert_eq!(found, Some(middle), "{around}");
    }
    let pins = world.ask(1, Some(&bob), "GET", &format!("{room}/pins"), None).await?.good()?;
    assert_eq!(pins["items"], json!([middle]));
    let mut hers = Value::Null;
    for _ in 0..50 {
        hers = world.does(&alice, "GET", &first, Value::Null).await?;
        if hers["reactions"][0]["count"] == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!((&hers["reactions"][0]["users"], &hers["version"]), (&json!([bob.id]), &oldest["version"]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_one_process() -> anyhow::Result<()> {
    what_is_live_is_what_is_read(&World::start().await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_real_servers() -> anyhow::Result<()> {
    let plan = Plan { gateways: 2, persisters: 1, ..Plan::default() };
    let cluster = Cluster::start(env!("CARGO_BIN_EXE_chat"), plan).await?;
    what_is_live_is_what_is_read(&World::at(cluster.gateways.iter().map(|gateway| gateway.public()).collect())).await
}
