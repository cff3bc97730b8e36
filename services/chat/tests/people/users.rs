//! Profiles, devices, and the end of an account.

use serde_json::{Value, json};

use crate::world::{PASSWORD, World, hears, is_closed};

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_changes_on_every_device_and_a_name_is_one_users() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let mut device = world.socket(1, &alice).await?;
    let change = json!({"name": "alice.2", "display_name": "Alice", "private": {"seen": true}, "receipts": false});
    let changed = world.does(&alice, "PATCH", "/v1/users/me", change).await?;
    assert_eq!((&changed["name"], &changed["receipts"]), (&json!("alice.2"), &json!(false)));
    let told = hears(&mut device, "user.updated").await?;
    let what = json!({"name": "alice.2", "display_name": "Alice", "private": {"seen": true}, "receipts": false});
    assert_eq!(told["data"], what, "what changed, and nothing else");

    let public = world.does(&bob, "GET", &format!("/v1/users/{}", alice.id), Value::Null).await?;
    assert_eq!((&public["name"], &public["private"]), (&json!("alice.2"), &Value::Null));
    let found = world.does(&bob, "GET", "/v1/users?name_prefix=alice.", Value::Null).await?;
    assert_eq!(found["items"][0]["id"], json!(alice.id));
    let ids = format!("/v1/users?ids={},{}", bob.id, alice.id);
    let found = world.does(&bob, "GET", &ids, Value::Null).await?;
    assert_eq!(found["items"].as_array().map(Vec::len), Some(2));

    assert_eq!(world.refused(&alice, "PATCH", "/v1/users/me", json!({"name": "bob"})).await?, "409 name_taken");
    // The old name is free at once.
    world.does(&bob, "PATCH", "/v1/users/me", json!({"name": "alice"})).await?;
    for wrong in [json!({"name": "A"}), json!({"name": null, "x": 1}), json!({"display_name": "x".repeat(65)})] {
        assert_eq!(world.refused(&alice, "PATCH", "/v1/users/me", wrong.clone()).await?, "422 invalid", "{wrong}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_the_other_devices() -> anyhow::Result<()> {
    let world = World::start().await?;
    let alice = world.registered("alice").await?;
    let log_in = json!({"name": "alice", "password": PASSWORD, "device": "phone"});
    let phone = world.ask(1, None, "POST", "/v1/sessions", Some(log_in)).await?.good()?;
    let token = phone["access_token"].as_str().expect("a token").to_owned();
    let phone = crate::world::User { id: alice.id.clone(), token };
    let devices = world.does(&alice, "GET", "/v1/sessions", Value::Null).await?;
    assert_eq!(devices["items"].as_array().map(Vec::len), Some(2));
    let mut socket = world.socket(1, &phone).await?;

    let wrong = json!({"old": "not this one", "new": "another-password"});
    assert_eq!(world.refused(&alice, "PUT", "/v1/users/me/password", wrong).await?, "403 forbidden");
    let right = json!({"old": PASSWORD, "new": "another-password"});
    world.does(&alice, "PUT", "/v1/users/me/password", right).await?;
    assert_eq!(is_closed(&mut socket).await?, 4503);
    world.soon(1, &phone, "GET", "/v1/users/me", Value::Null, "401 token_revoked").await?;
    world.does(&alice, "GET", "/v1/users/me", Value::Null).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_account_is_out_everywhere_at_once_and_erased_later() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.registered("alice").await?, world.user("bob").await?);
    let room = world.makes(&bob, json!({"kind": "group", "members": [alice.id]})).await?;
    // A group of one's own without others is no reason to stay.
    world.makes(&alice, json!({"kind": "group"})).await?;
    let mut sockets = [world.socket(0, &alice).await?, world.socket(1, &alice).await?];

    let answer = world.ask(0, Some(&alice), "DELETE", "/v1/users/me", None).await?;
    assert_eq!((answer.status, &answer.body["kind"]), (202, &json!("erase")));
    assert_eq!(answer.body["state"], "waiting");
    assert!(answer.location.is_some_and(|at| at.starts_with("/v1/jobs/")));
    for socket in &mut sockets {
        assert_eq!(is_closed(socket).await?, 4503);
    }
    for site in [0, 1] {
        world.soon(site, &alice, "GET", "/v1/users/me", Value::Null, "401 token_revoked").await?;
    }
    let log_in = json!({"name": "alice", "password": PASSWORD, "device": "phone"});
    let refused = world.ask(1, None, "POST", "/v1/sessions", Some(log_in)).await?;
    assert_eq!(refused.refusal(), "401 unauthenticated");
    // Not before a month has passed: until then the account is only closed.
    world.does(&bob, "GET", &format!("{room}/members/{}", alice.id), Value::Null).await?;
    Ok(())
}
