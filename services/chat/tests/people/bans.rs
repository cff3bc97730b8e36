//! Bans: everything is as if the conversation were not there, except that joining is forbidden.

use chat_protocol::{Clock, time::SystemClock};
use serde_json::{Value, json};

use crate::world::{World, hears, hears_left};

#[tokio::test(flavor = "multi_thread")]
async fn a_banned_member_is_out_at_once_and_stays_out_until_it_is_lifted() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let room = world.makes(&alice, json!({"kind": "group", "visibility": "public", "members": [bob.id]})).await?;
    let (bans, ban) = (format!("{room}/bans"), format!("{room}/bans/{}", bob.id));
    let mut devices = [world.socket(0, &bob).await?, world.socket(1, &bob).await?];
    let mut witness = world.socket(1, &alice).await?;

    world.does(&alice, "PUT", &ban, json!({"reason": "spam"})).await?;
    for device in &mut devices {
        assert_eq!(hears_left(device, &room).await?["reason"], "banned");
    }
    let left = hears(&mut witness, "member.left").await?;
    assert_eq!(left["data"], json!({"user": bob.id, "role": "member", "reason": "banned"}), "the terms are no event's");

    for site in [0, 1] {
        for (method, path) in [("GET", ""), ("GET", "/messages"), ("GET", "/members"), ("GET", "/events")] {
            let path = format!("{room}{path}");
            world.soon(site, &bob, method, &path, Value::Null, "404 not_found").await?;
        }
        world.soon(site, &bob, "PUT", &format!("{room}/members/me"), Value::Null, "403 forbidden").await?;
    }
    let listed = world.does(&alice, "GET", &bans, Value::Null).await?;
    let (entry, count) = (&listed["items"][0], listed["items"].as_array().map(Vec::len));
    assert_eq!((&entry["user"], &entry["by"], count), (&json!(bob.id), &json!(alice.id), Some(1)));
    assert_eq!(entry["reason"], "spam");
    let added = world.does(&alice, "POST", &format!("{room}/members"), json!({"users": [bob.id]})).await?;
    assert_eq!(added["items"], json!([{"user": bob.id, "code": "forbidden"}]));

    world.does(&alice, "DELETE", &ban, Value::Null).await?;
    hears(&mut witness, "ban.lifted").await?;
    world.does(&alice, "DELETE", &ban, Value::Null).await?;
    assert_eq!(world.does(&alice, "GET", &bans, Value::Null).await?["items"], json!([]));
    world.does(&bob, "PUT", &format!("{room}/members/me"), Value::Null).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_ends_by_itself() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let room = world.makes(&alice, json!({"kind": "group", "visibility": "public"})).await?;
    let ban = format!("{room}/bans/{}", bob.id);
    let (past, soon) = (SystemClock.now().plus_ms(-1), SystemClock.now().plus_ms(1_500));
    assert_eq!(world.refused(&alice, "PUT", &ban, json!({"until": past})).await?, "422 invalid");
    let long = json!({"reason": "x".repeat(501)});
    assert_eq!(world.refused(&alice, "PUT", &ban, long).await?, "422 invalid");
    world.does(&alice, "PUT", &ban, json!({"until": soon})).await?;
    assert_eq!(world.refused(&bob, "GET", &room, Value::Null).await?, "404 not_found");
    for site in [0, 1] {
        world.soon(site, &bob, "GET", &room, Value::Null, "200").await?;
    }
    assert_eq!(world.does(&alice, "GET", &format!("{room}/bans"), Value::Null).await?["items"], json!([]));
    world.does(&bob, "PUT", &format!("{room}/members/me"), Value::Null).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_bans_an_equal_and_only_who_may_sees_bans() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob, carol) = (world.user("alice").await?, world.user("bob").await?, world.user("carol").await?);
    let room = world.makes(&alice, json!({"kind": "group", "members": [bob.id, carol.id]})).await?;
    let ban = |user: &crate::world::User| format!("{room}/bans/{}", user.id);
    assert_eq!(world.refused(&carol, "PUT", &ban(&bob), json!({})).await?, "403 forbidden");
    assert_eq!(world.refused(&carol, "GET", &format!("{room}/bans"), Value::Null).await?, "403 forbidden");
    for user in [&bob, &carol] {
        let member = format!("{room}/members/{}", user.id);
        world.does(&alice, "PATCH", &member, json!({"role": "moderator"})).await?;
    }
    for user in [&alice, &bob, &carol] {
        assert_eq!(world.refused(&bob, "PUT", &ban(user), json!({})).await?, "403 forbidden");
    }
    let nobody = format!("{room}/bans/{}", "0".repeat(26));
    assert_eq!(world.refused(&bob, "PUT", &nobody, json!({})).await?, "404 not_found");
    Ok(())
}
