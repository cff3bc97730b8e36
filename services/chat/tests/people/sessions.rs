//! Devices: listed, renewed, logged out one by one and all at once.

use serde_json::{Value, json};

use crate::world::{PASSWORD, User, World, is_closed};

/// A log-in on another device, and its refresh token.
async fn logs_in(world: &World, name: &str, device: &str) -> anyhow::Result<(User, String, Value)> {
    let log_in = json!({"name": name, "password": PASSWORD, "device": device});
    let session = world.ask(1, None, "POST", "/v1/sessions", Some(log_in)).await?.good()?;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let user = User { id: word(&session["user"]["id"]), token: word(&session["access_token"]) };
    Ok((user, word(&session["refresh_token"]), session["id"].clone()))
}

async fn refresh(world: &World, token: &str) -> anyhow::Result<(String, Value)> {
    let answer = world.ask(0, None, "POST", "/v1/sessions/refresh", Some(json!({"refresh_token": token}))).await?;
    Ok((answer.refusal(), answer.body))
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_listed_and_ended_one_by_one_and_all_others_at_once() -> anyhow::Result<()> {
    let world = World::start().await?;
    let alice = world.registered("alice").await?;
    let (phone, phone_refresh, phone_id) = logs_in(&world, "alice", "phone").await?;
    let (tablet, ..) = logs_in(&world, "alice", "tablet").await?;
    let listed = world.does(&alice, "GET", "/v1/sessions", Value::Null).await?;
    let devices: Vec<_> = listed["items"].as_array().into_iter().flatten().map(|item| &item["device"]).collect();
    assert_eq!(devices.len(), 3, "{listed}");
    let current: Vec<_> =
        listed["items"].as_array().into_iter().flatten().filter(|item| item["current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["device"], "test");
    assert!(!listed.to_string().contains("token"), "tokens are in the list");

    let (mut on_phone, mut on_tablet) = (world.socket(1, &phone).await?, world.socket(0, &tablet).await?);
    let path = format!("/v1/sessions/{}", phone_id.as_str().unwrap_or_default());
    world.does(&alice, "DELETE", &path, Value::Null).await?;
    assert_eq!(is_closed(&mut on_phone).await?, 4503);
    world.soon(1, &phone, "GET", "/v1/users/me", Value::Null, "401 token_revoked").await?;
    assert_eq!(refresh(&world, &phone_refresh).await?.0, "401 token_revoked");
    assert_eq!(world.refused(&alice, "DELETE", &path, Value::Null).await?, "404 not_found");
    let bob = world.user("bob").await?;
    let (.., others) = logs_in(&world, "alice", "watch").await?;
    let others = format!("/v1/sessions/{}", others.as_str().unwrap_or_default());
    assert_eq!(world.refused(&bob, "DELETE", &others, Value::Null).await?, "404 not_found", "it is not bob's");

    world.does(&alice, "DELETE", "/v1/sessions", Value::Null).await?;
    assert_eq!(is_closed(&mut on_tablet).await?, 4503);
    let left = world.does(&alice, "GET", "/v1/sessions", Value::Null).await?;
    assert_eq!(left["items"].as_array().map(Vec::len), Some(1), "{left}");

    world.does(&alice, "DELETE", "/v1/sessions/current", Value::Null).await?;
    world.soon(0, &alice, "GET", "/v1/users/me", Value::Null, "401 token_revoked").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_works_once_and_its_second_use_ends_the_session() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.registered("alice").await?;
    let (phone, first, _) = logs_in(&world, "alice", "phone").await?;
    let (status, renewed) = refresh(&world, &first).await?;
    assert_eq!(status, "200", "{renewed}");
    let second = renewed["refresh_token"].as_str().unwrap_or_default().to_owned();
    assert_ne!(first, second);

    let mut socket = world.socket(1, &phone).await?;
    assert_eq!(refresh(&world, &first).await?.0, "401 token_revoked", "somebody has a copy");
    assert_eq!(is_closed(&mut socket).await?, 4503);
    assert_eq!(refresh(&world, &second).await?.0, "401 token_revoked", "and nobody knows who");
    assert_eq!(refresh(&world, "rt_nonsense").await?.0, "401 unauthenticated");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_socket_goes_on_with_a_new_token_of_its_session_and_no_other() -> anyhow::Result<()> {
    let world = World::start().await?;
    world.registered("alice").await?;
    let (phone, token, _) = logs_in(&world, "alice", "phone").await?;
    let (tablet, ..) = logs_in(&world, "alice", "tablet").await?;
    let mut socket = world.socket(0, &phone).await?;
    let (_, renewed) = refresh(&world, &token).await?;
    socket.says(&json!({"type": "auth", "ref": 1, "token": renewed["access_token"]})).await?;
    socket.until(|frame| frame["type"] == "ok" && frame["ref"] == 1).await?;
    socket.says(&json!({"type": "auth", "ref": 2, "token": tablet.token})).await?;
    let refused = socket.until(|frame| frame["ref"] == 2).await?;
    assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("forbidden")));
    socket.says(&json!({"type": "auth", "ref": 3, "token": "nonsense"})).await?;
    let refused = socket.until(|frame| frame["ref"] == 3).await?;
    assert_eq!(refused["code"], "unauthenticated");
    socket.says(&json!({"type": "ping", "ref": 4})).await?;
    socket.until(|frame| frame["type"] == "pong" && frame["ref"] == 4).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_twenty_sockets_of_a_user_the_oldest_gives_way() -> anyhow::Result<()> {
    let world = World::start().await?;
    let alice = world.user("alice").await?;
    let mut sockets = Vec::new();
    for _ in 0..21 {
        sockets.push(world.socket(0, &alice).await?);
    }
    assert_eq!(is_closed(&mut sockets[0]).await?, 4506);
    sockets[1].says(&json!({"type": "ping", "ref": 1})).await?;
    sockets[1].until(|frame| frame["type"] == "pong").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_want_signals_gets_none_and_every_event() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let room = world.makes(&alice, json!({"kind": "group", "members": [bob.id]})).await?;
    let conversation = crate::world::id(&room).to_owned();
    let mut quiet = crate::raw::Socket::open(world.sites[0], chat_protocol::codec::Codec::Json).await?;
    quiet.says(&json!({"type": "hello", "token": bob.token, "device": "d", "want": []})).await?;
    quiet.until(|frame| frame["type"] == "live").await?;
    let mut keen = world.socket(0, &bob).await?;
    for socket in [&mut quiet, &mut keen] {
        socket.says(&json!({"type": "focus", "conversations": [conversation]})).await?;
        // Answered behind it.
        socket.says(&json!({"type": "ping", "ref": 9})).await?;
        socket.until(|frame| frame["ref"] == 9).await?;
    }
    let mut speaker = world.socket(0, &alice).await?;
    speaker.says(&json!({"type": "typing", "conversation": conversation, "state": "start"})).await?;
    keen.until(|frame| frame["type"] == "typing").await?;
    world.does(&alice, "POST", &format!("{room}/messages"), json!({"text": "hi"})).await?;
    let next = quiet.until(|frame| frame["type"] == "typing" || frame["event"] == "message.created").await?;
    assert_eq!(next["event"], "message.created", "{next}");
    Ok(())
}
