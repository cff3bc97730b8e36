//! Conversations that change, and end.

use serde_json::{Value, json};

use crate::world::{World, hears, hears_left, id};

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_changed_by_who_may_and_told_whole() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let room = world.makes(&alice, json!({"kind": "group", "members": [bob.id], "title": "old"})).await?;
    let mut listener = world.socket(1, &bob).await?;

    let change = json!({"title": "new", "topic": "t", "data": {"a": 1}, "visibility": "public", "slow_mode_s": 5});
    let changed = world.does(&alice, "PATCH", &room, change).await?;
    assert_eq!((&changed["title"], &changed["visibility"]), (&json!("new"), &json!("public")));
    let event = hears(&mut listener, "conversation.updated").await?;
    assert_eq!((&event["data"]["title"], &event["data"]["slow_mode_s"]), (&json!("new"), &json!(5)));

    let removed = world.does(&alice, "PATCH", &room, json!({"title": null, "slow_mode_s": null})).await?;
    assert_eq!((&removed["title"], &removed["topic"], &removed["slow_mode_s"]), (&Value::Null, &json!("t"), &json!(0)));

    assert_eq!(world.refused(&bob, "PATCH", &room, json!({"title": "mine"})).await?, "403 forbidden");
    let stranger = world.user("stranger").await?;
    assert_eq!(world.refused(&stranger, "PATCH", &room, json!({"title": "x"})).await?, "403 forbidden");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_read_an_older_version_is_told() -> anyhow::Result<()> {
    let world = World::start().await?;
    let alice = world.user("alice").await?;
    let room = world.makes(&alice, json!({"kind": "group"})).await?;
    let seen = world.ask(1, Some(&alice), "GET", &room, None).await?.etag.expect("a tag");

    let change = |site: usize, title: &str, tag: String| {
        let (world, alice, room, body) = (&world, &alice, room.clone(), json!({"title": title}));
        async move { world.ask_with(site, Some(alice), "PATCH", &room, Some(body), &[("if-match", &tag)]).await }
    };
    let first = change(0, "one", seen.clone()).await?;
    let tag = first.etag.clone().expect("a tag");
    assert!(first.status == 200 && tag != seen);
    assert_eq!(change(1, "two", seen).await?.refusal(), "412 precondition_failed");
    assert_eq!(change(1, "two", format!("\"x\", {tag}")).await?.status, 200);
    assert_eq!(change(0, "three", "*".into()).await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_are_named() -> anyhow::Result<()> {
    let world = World::start().await?;
    let alice = world.user("alice").await?;
    let room = world.makes(&alice, json!({"kind": "group"})).await?;
    for (body, answer) in [
        (json!({"title": "x".repeat(129)}), "422 invalid"),
        (json!({"topic": "x".repeat(1_025)}), "422 invalid"),
        (json!({"avatar_url": "x".repeat(513)}), "422 invalid"),
        (json!({"slow_mode_s": 21_601}), "422 invalid"),
        (json!({"retention_days": -1}), "422 invalid"),
        (json!({"visibility": null}), "422 invalid"),
        (json!({"kind": "direct"}), "422 invalid"),
        (json!({"overrides": {"owner": {"deny": ["send"]}}}), "422 invalid"),
        (json!({"overrides": {"member": {"allow": ["fly"]}}}), "422 invalid"),
        (json!({"overrides": {"king": {}}}), "422 invalid"),
        (json!({"data": "x".repeat(4_097)}), "413 too_large"),
    ] {
        assert_eq!(world.refused(&alice, "PATCH", &room, body.clone()).await?, answer, "{body}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_gets_only_rights_that_its_giver_has() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let room = world.makes(&alice, json!({"kind": "group", "members": [bob.id]})).await?;
    world.does(&alice, "PATCH", &format!("{room}/members/{}", bob.id), json!({"role": "admin"})).await?;

    let pin = json!({"overrides": {"member": {"allow": ["pin"]}}});
    world.does(&bob, "PATCH", &room, pin.clone()).await?;
    for (role, right) in [("member", "delete_conversation"), ("admin", "pin")] {
        let overrides =
            json!({"overrides": {"member": {"allow": ["pin"]}, role: {"allow": [right], "deny": ["send"]}}});
        assert_eq!(world.refused(&bob, "PATCH", &room, overrides).await?, "403 forbidden", "{role} {right}");
    }
    // What somebody else gave stays without asking again.
    let more = json!({"overrides": {"member": {"allow": ["delete_conversation"]}, "guest": {"deny": ["send"]}}});
    world.does(&alice, "PATCH", &room, more).await?;
    let same = json!({"overrides": {"member": {"allow": ["delete_conversation"]}}});
    world.does(&bob, "PATCH", &room, same).await?;
    let member = world.does(&alice, "GET", &format!("{room}/members/{}", bob.id), Value::Null).await?;
    assert!(member["rights"].as_array().is_some_and(|rights| rights.contains(&json!("manage"))), "{member}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_conversation_is_not_managed() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let room = world.makes(&alice, json!({"kind": "direct", "members": [bob.id]})).await?;
    let member = format!("{room}/members/{}", bob.id);
    assert_eq!(world.refused(&alice, "PATCH", &room, json!({"title": "x"})).await?, "403 forbidden");
    assert_eq!(world.refused(&alice, "DELETE", &room, Value::Null).await?, "403 forbidden");
    assert_eq!(world.refused(&alice, "PATCH", &member, json!({"role": "owner"})).await?, "403 forbidden");
    assert_eq!(world.refused(&alice, "DELETE", &member, Value::Null).await?, "403 forbidden");
    assert_eq!(world.refused(&alice, "GET", &format!("{room}/bans"), Value::Null).await?, "403 forbidden");
    let ban = format!("{room}/bans/{}", bob.id);
    assert_eq!(world.refused(&alice, "PUT", &ban, json!({})).await?, "403 forbidden");
    let oneself = json!({"kind": "direct", "members": [alice.id]});
    assert_eq!(world.refused(&alice, "POST", "/v1/conversations", oneself).await?, "422 invalid");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_conversation_is_gone_everywhere_and_then_purged() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let room = world.makes(&alice, json!({"kind": "group", "members": [bob.id]})).await?;
    world.does(&bob, "POST", &format!("{room}/messages"), json!({"text": "last words"})).await?;
    let mut listener = world.socket(1, &bob).await?;
    assert_eq!(world.refused(&bob, "DELETE", &room, Value::Null).await?, "403 forbidden");

    let answer = world.ask(0, Some(&alice), "DELETE", &room, None).await?;
    assert_eq!((answer.status, &answer.body["kind"]), (202, &json!("purge")));
    let job = answer.location.expect("where the job is");

    hears(&mut listener, "conversation.deleted").await?;
    assert_eq!(hears_left(&mut listener, &room).await?["reason"], "deleted");
    for site in [0, 1] {
        for path in [room.clone(), format!("{room}/messages"), format!("{room}/members")] {
            world.soon(site, &bob, "GET", &path, Value::Null, "404 not_found").await?;
        }
        let list = world.ask(site, Some(&bob), "GET", "/v1/conversations", None).await?.good()?;
        assert_eq!(list["items"], json!([]));
    }
    let feed = world.does(&bob, "GET", "/v1/users/me/events", Value::Null).await?;
    let removed = feed["items"].as_array().and_then(|items| items.last()).expect("an event");
    assert_eq!((&removed["event"], &removed["data"]["reason"]), (&json!("conversation.removed"), &json!("deleted")));
    assert_eq!(removed["data"]["conversation"], id(&room));

    let shown = world.does(&alice, "GET", &job, Value::Null).await?;
    assert_eq!((&shown["kind"], &shown["started_by"]), (&json!("purge"), &json!(alice.id)));
    assert_eq!(world.refused(&bob, "GET", &job, Value::Null).await?, "404 not_found");
    assert_eq!(world.refused(&alice, "GET", "/v1/jobs/nothing", Value::Null).await?, "404 not_found");
    Ok(())
}
