//! Readers of a broadcast: they come and go without an event, and are in nobody's list.

use serde_json::{Value, json};

use crate::world::{World, hears, hears_left};

#[tokio::test(flavor = "multi_thread")]
async fn readers_join_read_and_are_removed_without_an_event() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob, carol) = (world.user("alice").await?, world.user("bob").await?, world.user("carol").await?);
    let made = json!({"kind": "broadcast", "visibility": "public", "members": [bob.id]});
    let room = world.makes(&alice, made).await?;
    world.does(&carol, "PUT", &format!("{room}/members/me"), Value::Null).await?;
    let mut reader = world.socket(1, &carol).await?;

    world.does(&alice, "POST", &format!("{room}/messages"), json!({"text": "news"})).await?;
    assert_eq!(hears(&mut reader, "message.created").await?["data"]["text"], "news");
    for by in [&bob, &carol] {
        let messages = format!("{room}/messages");
        assert_eq!(world.refused(by, "POST", &messages, json!({"text": "me too"})).await?, "403 forbidden");
        assert_eq!(world.refused(by, "GET", &format!("{room}/members"), Value::Null).await?, "403 forbidden");
        world.does(by, "GET", &format!("{room}/members/me"), Value::Null).await?;
    }
    let listed = world.does(&alice, "GET", &format!("{room}/members"), Value::Null).await?;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "readers are not listed: {listed}");

    // One leaves, one is removed; nobody else hears of either.
    world.does(&bob, "DELETE", &format!("{room}/members/me"), Value::Null).await?;
    world.does(&alice, "DELETE", &format!("{room}/members/{}", carol.id), Value::Null).await?;
    assert_eq!(hears_left(&mut reader, &room).await?["reason"], "removed");
    for site in [0, 1] {
        for by in [&bob, &carol] {
            world.soon(site, by, "GET", &format!("{room}/messages"), Value::Null, "403 not_a_member").await?;
        }
    }
    let events = world.does(&alice, "GET", &format!("{room}/events?after=0"), Value::Null).await?;
    let names: Vec<_> = events["items"].as_array().into_iter().flatten().map(|event| event["event"].clone()).collect();
    assert_eq!(names, [json!("conversation.created"), json!("message.created")]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_becomes_more_and_a_reader_again() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let made = json!({"kind": "broadcast", "members": [bob.id], "history": "joined"});
    let room = world.makes(&alice, made).await?;
    let (messages, member) = (format!("{room}/messages"), format!("{room}/members/{}", bob.id));
    let count = async |site: usize| {
        let page = world.ask(site, Some(&bob), "GET", &messages, None).await?.good()?;
        anyhow::Ok(page["items"].as_array().map_or(0, Vec::len))
    };
    world.does(&alice, "POST", &messages, json!({"text": "one"})).await?;
    assert_eq!((count(0).await?, count(1).await?), (1, 1));

    world.does(&alice, "PATCH", &member, json!({"role": "member"})).await?;
    for site in [0, 1] {
        world.soon(site, &bob, "POST", &messages, json!({"text": "thanks"}), "201").await?;
        assert_eq!(count(site).await?, 2 + site, "what a reader could read stays readable");
    }
    let listed = world.does(&bob, "GET", &format!("{room}/members"), Value::Null).await?;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2));

    world.does(&alice, "PATCH", &member, json!({"role": "reader"})).await?;
    for site in [0, 1] {
        world.soon(site, &bob, "POST", &messages, json!({"text": "more"}), "403 forbidden").await?;
        assert_eq!(count(site).await?, 3);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_banned_reader_is_out_and_cannot_come_back() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let room = world.makes(&alice, json!({"kind": "broadcast", "visibility": "public"})).await?;
    world.does(&bob, "PUT", &format!("{room}/members/me"), Value::Null).await?;
    let mut reader = world.socket(1, &bob).await?;
    world.does(&alice, "PUT", &format!("{room}/bans/{}", bob.id), json!({})).await?;
    assert_eq!(hears_left(&mut reader, &room).await?["reason"], "banned");
    for site in [0, 1] {
        world.soon(site, &bob, "GET", &room, Value::Null, "404 not_found").await?;
        world.soon(site, &bob, "PUT", &format!("{room}/members/me"), Value::Null, "403 forbidden").await?;
    }
    Ok(())
}
