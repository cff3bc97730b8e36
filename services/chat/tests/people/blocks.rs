//! What a block stops.

use serde_json::{Value, json};

use crate::world::{World, hears};

#[tokio::test(flavor = "multi_thread")]
async fn the_two_of_a_direct_conversation_are_silent_until_it_is_lifted() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let room = world.makes(&alice, json!({"kind": "direct", "members": [bob.id]})).await?;
    let (messages, block) = (format!("{room}/messages"), format!("/v1/users/me/blocks/{}", bob.id));
    // Both gateways know by now that there is no block.
    for site in [0, 1] {
        world.ask(site, Some(&bob), "POST", &messages, Some(json!({"text": "hi"}))).await?.good()?;
    }
    let mut device = world.socket(1, &alice).await?;

    world.does(&alice, "PUT", &block, Value::Null).await?;
    assert_eq!(hears(&mut device, "block.added").await?["data"]["user"], json!(bob.id));
    for (site, by) in [(0, &alice), (0, &bob)] {
        let answer = world.ask(site, Some(by), "POST", &messages, Some(json!({"text": "hi"}))).await?;
        assert_eq!(answer.refusal(), "403 blocked", "at once where it was done");
    }
    for by in [&alice, &bob] {
        world.soon(1, by, "POST", &messages, json!({"text": "hi"}), "403 blocked").await?;
        world.does(by, "GET", &messages, Value::Null).await?;
    }
    let blocks = world.does(&alice, "GET", "/v1/users/me/blocks", Value::Null).await?;
    assert_eq!(blocks["items"][0]["user"], json!(bob.id));
    assert!(blocks["items"][0]["at"].is_string(), "{blocks}");

    // Both of them: one lifting it is not enough.
    world.does(&bob, "PUT", &format!("/v1/users/me/blocks/{}", alice.id), Value::Null).await?;
    world.does(&alice, "DELETE", &block, Value::Null).await?;
    assert_eq!(hears(&mut device, "block.removed").await?["data"]["user"], json!(bob.id));
    assert_eq!(world.refused(&alice, "POST", &messages, json!({"text": "hi"})).await?, "403 blocked");
    world.does(&bob, "DELETE", &format!("/v1/users/me/blocks/{}", alice.id), Value::Null).await?;
    for site in [0, 1] {
        world.soon(site, &alice, "POST", &messages, json!({"text": "hi"}), "201").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_cannot_draw_the_blocker_in() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob, carol) = (world.user("alice").await?, world.user("bob").await?, world.user("carol").await?);
    world.does(&alice, "PUT", &format!("/v1/users/me/blocks/{}", bob.id), Value::Null).await?;
    for kind in ["direct", "group"] {
        let wanted = json!({"kind": kind, "members": [alice.id]});
        assert_eq!(world.refused(&bob, "POST", "/v1/conversations", wanted).await?, "403 blocked", "{kind}");
    }
    let room = world.makes(&bob, json!({"kind": "group"})).await?;
    let wanted = json!({"users": [alice.id, carol.id, "0".repeat(26)]});
    let added = world.does(&bob, "POST", &format!("{room}/members"), wanted).await?;
    let nobody = "0".repeat(26);
    let expected = json!([
        {"user": alice.id, "code": "blocked"}, {"user": carol.id, "status": "ok"}, {"user": nobody, "code": "not_found"}
    ]);
    assert_eq!(added["items"], expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_calls_nobody() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob, carol) = (world.user("alice").await?, world.user("bob").await?, world.user("carol").await?);
    let room = world.makes(&carol, json!({"kind": "group", "members": [alice.id, bob.id]})).await?;
    let block = format!("/v1/users/me/blocks/{}", bob.id);
    world.does(&alice, "PUT", &block, Value::Null).await?;
    for by in [&bob, &carol] {
        let text = format!("<@{}>, are you there?", alice.id);
        world.does(by, "POST", &format!("{room}/messages"), json!({"text": text})).await?;
    }
    let counts = async || -> anyhow::Result<(Value, Value)> {
        let list = world.does(&alice, "GET", "/v1/conversations", Value::Null).await?;
        Ok((list["items"][0]["unread"].clone(), list["items"][0]["mentions"].clone()))
    };
    assert_eq!(counts().await?, (json!(2), json!(1)), "carol's");
    world.does(&alice, "DELETE", &block, Value::Null).await?;
    assert_eq!(counts().await?, (json!(2), json!(2)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_idempotent_and_of_somebody_else() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let block = |id: &str| format!("/v1/users/me/blocks/{id}");
    for _ in 0..2 {
        world.does(&alice, "PUT", &block(&bob.id), Value::Null).await?;
    }
    let feed = world.does(&alice, "GET", "/v1/users/me/events", Value::Null).await?;
    assert_eq!(feed["items"].as_array().map(Vec::len), Some(1), "{feed}");
    for _ in 0..2 {
        world.does(&alice, "DELETE", &block(&bob.id), Value::Null).await?;
    }
    assert_eq!(world.does(&alice, "GET", "/v1/users/me/blocks", Value::Null).await?["items"], json!([]));
    assert_eq!(world.refused(&alice, "PUT", &block(&alice.id), Value::Null).await?, "422 invalid");
    assert_eq!(world.refused(&alice, "PUT", &block(&"0".repeat(26)), Value::Null).await?, "404 not_found");
    Ok(())
}
