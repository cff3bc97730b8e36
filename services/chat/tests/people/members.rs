//! Roles, who may give them, and who may leave.

use serde_json::{Value, json};

use crate::world::{World, hears, hears_left};

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_given_downwards_and_told() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob, carol) = (world.user("alice").await?, world.user("bob").await?, world.user("carol").await?);
    let room = world.makes(&alice, json!({"kind": "group", "members": [bob.id, carol.id]})).await?;
    let member = |user: &crate::world::User| format!("{room}/members/{}", user.id);
    let mut listener = world.socket(1, &carol).await?;

    let changed = world.does(&alice, "PATCH", &member(&bob), json!({"role": "admin"})).await?;
    assert_eq!((&changed["user"], &changed["role"]), (&json!(bob.id), &json!("admin")));
    let event = hears(&mut listener, "member.updated").await?;
    assert_eq!(event["data"], json!({"user": bob.id, "role": "admin"}));

    // An equal or higher role, and a right that one lacks, are out of reach.
    for (by, of, role) in [(&bob, &alice, "member"), (&bob, &carol, "owner"), (&carol, &bob, "member")] {
        assert_eq!(world.refused(by, "PATCH", &member(of), json!({"role": role})).await?, "403 forbidden", "{role}");
    }
    world.does(&bob, "PATCH", &member(&carol), json!({"role": "moderator"})).await?;
    let moderators = world.does(&alice, "GET", &format!("{room}/members?role=moderator"), Value::Null).await?;
    assert_eq!(moderators["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(moderators["items"][0]["user"], json!(carol.id));
    assert_eq!(world.refused(&bob, "GET", &format!("{room}/members?role=king"), Value::Null).await?, "422 invalid");

    // Downwards by oneself; never up again.
    world.does(&bob, "PATCH", &member(&bob), json!({"role": "member"})).await?;
    assert_eq!(world.refused(&bob, "PATCH", &member(&bob), json!({"role": "admin"})).await?, "403 forbidden");
    let nobody = format!("{room}/members/{}", "0".repeat(26));
    assert_eq!(world.refused(&alice, "PATCH", &nobody, json!({"role": "member"})).await?, "404 not_found");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_owner_neither_leaves_nor_steps_down() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let room = world.makes(&alice, json!({"kind": "group", "members": [bob.id]})).await?;
    let own = format!("{room}/members/{}", alice.id);
    assert_eq!(world.refused(&alice, "PATCH", &own, json!({"role": "admin"})).await?, "409 conflict");
    assert_eq!(world.refused(&alice, "DELETE", &format!("{room}/members/me"), Value::Null).await?, "409 conflict");
    assert_eq!(world.refused(&alice, "DELETE", "/v1/users/me", Value::Null).await?, "409 conflict");

    world.does(&alice, "PATCH", &format!("{room}/members/{}", bob.id), json!({"role": "owner"})).await?;
    world.does(&alice, "PATCH", &own, json!({"role": "guest"})).await?;
    world.does(&alice, "DELETE", &format!("{room}/members/me"), Value::Null).await?;
    assert_eq!(world.refused(&alice, "GET", &room, Value::Null).await?, "404 not_found");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_hears_nothing_more_on_any_gateway() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let room = world.makes(&alice, json!({"kind": "group", "members": [bob.id]})).await?;
    let mut sockets = [world.socket(0, &bob).await?, world.socket(1, &bob).await?];
    let started = std::time::Instant::now();
    world.does(&alice, "DELETE", &format!("{room}/members/{}", bob.id), Value::Null).await?;
    for socket in &mut sockets {
        assert_eq!(hears_left(socket, &room).await?["reason"], "removed");
    }
    assert!(started.elapsed().as_secs() < 5);
    world.does(&alice, "POST", &format!("{room}/messages"), json!({"text": "secret"})).await?;
    for site in [0, 1] {
        let answer = world.ask(site, Some(&bob), "GET", &format!("{room}/messages"), None).await?;
        assert_eq!(answer.refusal(), "404 not_found");
    }
    // Anything that comes after `left` is a pong: the message never came.
    for socket in &mut sockets {
        socket.says(&json!({"type": "ping", "ref": 1})).await?;
        let next = socket.until(|frame| frame["event"] == "message.created" || frame["type"] == "pong").await?;
        assert_eq!(next["type"], "pong", "{next}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_conversation_is_joined_and_the_newcomer_is_told_on_every_device() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let room = world.makes(&alice, json!({"kind": "group", "visibility": "public", "history": "joined"})).await?;
    world.does(&alice, "POST", &format!("{room}/messages"), json!({"text": "before"})).await?;
    let mut devices = [world.socket(0, &bob).await?, world.socket(1, &bob).await?];

    assert_eq!(world.refused(&bob, "GET", &format!("{room}/messages"), Value::Null).await?, "403 not_a_member");
    let member = world.does(&bob, "PUT", &format!("{room}/members/me"), Value::Null).await?;
    assert_eq!(
        (&member["role"], &member["notify"], &member["archived"]),
        (&json!("member"), &json!("all"), &json!(false))
    );
    for device in &mut devices {
        hears(device, "conversation.added").await?;
    }
    world.does(&alice, "POST", &format!("{room}/messages"), json!({"text": "after"})).await?;
    for device in &mut devices {
        let heard = hears(device, "message.created").await?;
        assert_eq!(heard["data"]["text"], "after", "nothing from before the joining");
    }
    for site in [0, 1] {
        let page = world.ask(site, Some(&bob), "GET", &format!("{room}/messages"), None).await?.good()?;
        let texts: Vec<_> = page["items"].as_array().into_iter().flatten().map(|item| item["text"].clone()).collect();
        assert_eq!(texts, [json!("after")]);
        let events = world.ask(site, Some(&bob), "GET", &format!("{room}/events?after=0"), None).await?.good()?;
        let names: Vec<_> =
            events["items"].as_array().into_iter().flatten().map(|item| item["event"].clone()).collect();
        assert_eq!(names, [json!("member.joined"), json!("message.created")]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_are_added_whatever_else_changes_meanwhile() -> anyhow::Result<()> {
    let world = World::start().await?;
    let alice = world.user("alice").await?;
    let room = world.makes(&alice, json!({"kind": "group"})).await?;
    let mut newcomers = Vec::new();
    for number in 0..100 {
        newcomers.push(world.user(&format!("user{number}")).await?.id);
    }
    let done = std::sync::atomic::AtomicBool::new(false);
    // Through the other gateway, for as long as it takes.
    let changes = async {
        let mut changed = 0;
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            let change = json!({"title": format!("title {changed}")});
            let answer = world.ask(1, Some(&alice), "PATCH", &room, Some(change)).await?;
            // One that always comes second may be told so.
            anyhow::ensure!(["200", "409 conflict"].contains(&answer.refusal().as_str()), "{}", answer.body);
            changed += 1;
        }
        anyhow::Ok(changed)
    };
    let added = async {
        let added = world.does(&alice, "POST", &format!("{room}/members"), json!({"users": newcomers})).await;
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        added
    };
    let (changed, added) = tokio::join!(changes, added);
    assert!(changed? > 0);
    let expected: Vec<Value> = newcomers.iter().map(|user| json!({"user": user, "status": "ok"})).collect();
    assert_eq!(added?["items"], json!(expected));
    assert_eq!(world.does(&alice, "GET", &room, Value::Null).await?["members_count"], 101);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_made_however_much_is_said_meanwhile() -> anyhow::Result<()> {
    let world = World::start().await?;
    let alice = world.user("alice").await?;
    let room = world.makes(&alice, json!({"kind": "group"})).await?;
    let done = std::sync::atomic::AtomicBool::new(false);
    let (path, done) = (format!("{room}/messages"), &done);
    let talk = async {
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            world.ask(1, Some(&alice), "POST", &path, Some(json!({"text": "and so on"}))).await?.good()?;
        }
        anyhow::Ok(())
    };
    let changes = async {
        for number in 0..30 {
            world.does(&alice, "PATCH", &room, json!({"title": format!("title {number}")})).await?;
        }
        anyhow::Ok(())
    };
    let changes = async {
        let changed = changes.await;
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        changed
    };
    let (talked, changed) = tokio::join!(talk, changes);
    changed.and(talked)
}
