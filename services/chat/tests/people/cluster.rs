//! The same over real servers: two gateways, a persister, NATS, CQL.

use chat_testkit::play::{Cluster, Plan};
use serde_json::{Value, json};

use crate::world::{World, hears, hears_left, is_closed};

#[tokio::test(flavor = "multi_thread")]
async fn people_are_right_on_every_gateway() -> anyhow::Result<()> {
    let plan = Plan { gateways: 2, persisters: 1, ..Plan::default() };
    let cluster = Cluster::start(env!("CARGO_BIN_EXE_chat"), plan).await?;
    let world = World::at(cluster.gateways.iter().map(|gateway| gateway.public()).collect());
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let room = world.makes(&alice, json!({"kind": "group", "visibility": "public", "members": [bob.id]})).await?;
    let direct = world.makes(&alice, json!({"kind": "direct", "members": [bob.id]})).await?;
    let mut device = world.socket(1, &bob).await?;

    // Roles and settings.
    world.does(&alice, "PATCH", &format!("{room}/members/{}", bob.id), json!({"role": "admin"})).await?;
    assert_eq!(hears(&mut device, "member.updated").await?["data"]["role"], "admin");
    world.soon(1, &bob, "PATCH", &room, json!({"title": "by bob"}), "200").await?;
    world.does(&bob, "PATCH", &format!("{room}/members/me"), json!({"archived": true})).await?;
    hears(&mut device, "settings.updated").await?;
    let archived = world.ask(1, Some(&bob), "GET", "/v1/conversations?archived=true", None).await?.good()?;
    assert_eq!(archived["items"][0]["title"], "by bob");

    // What changed.
    let list = world.ask(1, Some(&bob), "GET", "/v1/conversations", None).await?.good()?;
    let since = format!("/v1/conversations?since={}", list["since"].as_str().expect("a token"));
    assert_eq!(world.does(&bob, "GET", &since, Value::Null).await?["items"], json!([]));
    let said = world.does(&alice, "POST", &format!("{direct}/messages"), json!({"text": "hi"})).await?;
    let changed = world.ask(1, Some(&bob), "GET", &since, None).await?.good()?;
    assert_eq!(changed["items"][0]["last_message"]["id"], said["id"]);
    assert_eq!(changed["items"].as_array().map(Vec::len), Some(1));

    // A block.
    world.ask(1, Some(&bob), "POST", &format!("{direct}/messages"), Some(json!({"text": "hi"}))).await?.good()?;
    world.does(&alice, "PUT", &format!("/v1/users/me/blocks/{}", bob.id), Value::Null).await?;
    world.soon(1, &bob, "POST", &format!("{direct}/messages"), json!({"text": "hi"}), "403 blocked").await?;

    // A ban.
    let ban = format!("{room}/bans/{}", bob.id);
    world.does(&alice, "PUT", &ban, json!({"reason": "spam"})).await?;
    assert_eq!(hears_left(&mut device, &room).await?["reason"], "banned");
    world.soon(1, &bob, "GET", &room, Value::Null, "404 not_found").await?;
    world.soon(1, &bob, "PUT", &format!("{room}/members/me"), Value::Null, "403 forbidden").await?;
    world.does(&alice, "DELETE", &ban, Value::Null).await?;
    world.soon(1, &bob, "PUT", &format!("{room}/members/me"), Value::Null, "200").await?;
    hears(&mut device, "conversation.added").await?;

    // The end of the conversation, and of an account.
    let deleted = world.ask(0, Some(&alice), "DELETE", &room, None).await?;
    assert_eq!(deleted.status, 202);
    assert_eq!(hears_left(&mut device, &room).await?["reason"], "deleted");
    world.soon(1, &bob, "GET", &room, Value::Null, "404 not_found").await?;
    let closed = world.ask(0, Some(&bob), "DELETE", "/v1/users/me", None).await?;
    assert_eq!(closed.status, 202);
    assert_eq!(is_closed(&mut device).await?, 4503);
    world.soon(1, &bob, "GET", "/v1/users/me", Value::Null, "401 token_revoked").await?;
    Ok(())
}
