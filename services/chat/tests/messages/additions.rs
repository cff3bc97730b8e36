//! Reactions and pins.

use serde_json::{Value, json};

use crate::{
    reads, says, two,
    world::{World, id},
};

#[tokio::test(flavor = "multi_thread")]
async fn reactions_are_counted_once_per_user_and_emoji() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob, room) = two(&world).await?;
    let message = says(&world, &alice, &room, "hi").await?;
    let party = format!("{message}/reactions/%F0%9F%8E%89");
    for by in [&bob, &bob, &alice] {
        world.does(by, "PUT", &party, Value::Null).await?;
    }
    let seen = reads(&world, &bob, &message).await?;
    assert_eq!(seen["reactions"], json!([{"emoji": "🎉", "count": 2, "users": [bob.id, alice.id], "mine": true}]));
    let page = reads(&world, &bob, &format!("{room}/messages")).await?;
    assert_eq!(page["items"][0], seen, "a page and a message say the same");
    let eve = world.user("eve").await?;
    assert_eq!(world.refused(&eve, "PUT", &party, Value::Null).await?, "404 not_found");

    let first = reads(&world, &bob, &format!("{message}/reactions?limit=1")).await?;
    let cursor = first["next"].as_str().expect("there is another");
    let second = reads(&world, &bob, &format!("{message}/reactions?limit=1&cursor={}", encoded(cursor))).await?;
    assert_ne!(first["items"][0]["user"], second["items"][0]["user"]);
    assert_eq!(second["next"], Value::Null);

    world.does(&bob, "DELETE", &party, Value::Null).await?;
    world.does(&bob, "DELETE", &party, Value::Null).await?;
    let seen = reads(&world, &bob, &message).await?;
    assert_eq!(seen["reactions"], json!([{"emoji": "🎉", "count": 1, "users": [alice.id], "mine": false}]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_different_emoji_are_the_most() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob, room) = two(&world).await?;
    let message = says(&world, &alice, &room, "hi").await?;
    for n in 0..20 {
        world.does(&alice, "PUT", &format!("{message}/reactions/e{n}"), Value::Null).await?;
    }
    let reaction = |emoji: &str| format!("{message}/reactions/{emoji}");
    assert_eq!(world.refused(&bob, "PUT", &reaction("one-more"), Value::Null).await?, "409 limit_reached");
    world.does(&bob, "PUT", &reaction("e3"), Value::Null).await?;
    assert_eq!(world.refused(&bob, "PUT", &reaction(&"x".repeat(33)), Value::Null).await?, "422 invalid");
    assert_eq!(world.refused(&bob, "PUT", &reaction("%07"), Value::Null).await?, "422 invalid");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_are_listed_last_pinned_first_and_are_a_hundred_at_most() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob, room) = two(&world).await?;
    let mut messages = Vec::new();
    for n in 0..101 {
        messages.push(says(&world, &alice, &room, &n.to_string()).await?);
    }
    let pin = |message: &str| format!("{room}/pins/{}", id(message));
    assert_eq!(world.refused(&bob, "PUT", &pin(&messages[0]), Value::Null).await?, "403 forbidden");
    for message in &messages[..100] {
        world.does(&alice, "PUT", &pin(message), Value::Null).await?;
    }
    assert_eq!(world.refused(&alice, "PUT", &pin(&messages[100]), Value::Null).await?, "409 limit_reached");
    assert_eq!(world.refused(&alice, "PUT", &pin(&messages[5]), Value::Null).await?, "204", "it is pinned already");

    let page = reads(&world, &bob, &format!("{room}/pins?limit=60")).await?;
    let cursor = page["next"].as_str().expect("there are more");
    let rest = reads(&world, &bob, &format!("{room}/pins?limit=60&cursor={cursor}")).await?;
    let count = |page: &Value| page["items"].as_array().map_or(0, Vec::len);
    assert_eq!((count(&page), count(&rest), &rest["next"]), (60, 40, &Value::Null));
    assert!(page["items"].as_array().unwrap().iter().all(|message| message["pinned"] == true));

    // What was deleted makes room.
    world.does(&alice, "DELETE", &messages[7], Value::Null).await?;
    world.does(&alice, "PUT", &pin(&messages[100]), Value::Null).await?;
    world.does(&alice, "DELETE", &pin(&messages[0]), Value::Null).await?;
    let page = reads(&world, &bob, &format!("{room}/pins?limit=200")).await?;
    assert_eq!(count(&page), 99);
    assert_eq!(page["items"][0]["text"], "100");
    Ok(())
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
