//! What a member sets for a conversation of their own.

use chat_protocol::{Clock, time::SystemClock};
use serde_json::{Value, json};

use crate::world::{World, hears, id};

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_ones_own_and_reach_every_device() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let room = world.makes(&alice, json!({"kind": "group", "members": [bob.id]})).await?;
    let own = format!("{room}/members/me");
    let mut device = world.socket(1, &bob).await?;

    let until = SystemClock.now().plus_ms(60_000);
    let set = world.does(&bob, "PATCH", &own, json!({"muted_until": until, "archived": true})).await?;
    assert_eq!((&set["muted_until"], &set["archived"], &set["notify"]), (&json!(until), &json!(true), &json!("all")));
    let event = hears(&mut device, "settings.updated").await?;
    assert_eq!((&event["data"]["conversation"], &event["data"]["archived"]), (&json!(id(&room)), &json!(true)));

    // What is not named stays; `null` unmutes; the same again is no news.
    for _ in 0..2 {
        let set = world.does(&bob, "PATCH", &own, json!({"muted_until": null, "notify": "mentions"})).await?;
        assert_eq!(
            (&set["muted_until"], &set["archived"], &set["notify"]),
            (&Value::Null, &json!(true), &json!("mentions"))
        );
    }
    let feed = world.does(&bob, "GET", "/v1/users/me/events", Value::Null).await?;
    let updates = feed["items"].as_array().into_iter().flatten().filter(|event| event["event"] == "settings.updated");
    assert_eq!(updates.count(), 2);

    let shown = world.does(&alice, "GET", &format!("{room}/members/{}", bob.id), Value::Null).await?;
    assert!(shown["archived"].is_null(), "nobody else sees them: {shown}");
    let shown = world.does(&alice, "GET", &format!("{room}/members"), Value::Null).await?;
    let settings = shown["items"].as_array().into_iter().flatten().filter(|member| !member["archived"].is_null());
    assert_eq!(settings.count(), 1, "one's own: {shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_at_once_lose_nothing() -> anyhow::Result<()> {
    let world = World::start().await?;
    let alice = world.user("alice").await?;
    let room = world.makes(&alice, json!({"kind": "group"})).await?;
    let own = format!("{room}/members/me");
    let set = |site, what: Value| world.ask(site, Some(&alice), "PATCH", &own, Some(what));
    let (one, other) = tokio::try_join!(set(0, json!({"pinned": true})), set(1, json!({"archived": true})))?;
    assert_eq!((one.status, other.status), (200, 200));
    let shown = world.does(&alice, "GET", &own, Value::Null).await?;
    assert_eq!((&shown["pinned"], &shown["archived"]), (&json!(true), &json!(true)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_not_a_setting_and_a_stranger_has_none() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let room = world.makes(&alice, json!({"kind": "group"})).await?;
    let own = format!("{room}/members/me");
    assert_eq!(world.refused(&alice, "PATCH", &own, json!({"role": "member"})).await?, "422 invalid");
    assert_eq!(world.refused(&alice, "PATCH", &own, json!({"notify": "never"})).await?, "422 invalid");
    assert_eq!(world.refused(&bob, "PATCH", &own, json!({"pinned": true})).await?, "404 not_found");
    let by_id = format!("{room}/members/{}", alice.id);
    assert_eq!(world.refused(&alice, "PATCH", &by_id, json!({"pinned": true})).await?, "422 invalid");
    Ok(())
}
