//! Edits and deletions.

use serde_json::{Value, json};

use crate::{
    reads, says, two,
    world::{World, id},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_replaces_what_it_names() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob, room) = two(&world).await?;
    let styled = json!({"text": "helo", "spans": [{"start": 0, "len": 2, "style": "bold"}], "payload": {"n": 1}});
    let sent = world.does(&alice, "POST", &format!("{room}/messages"), styled).await?;
    let message = format!("{room}/messages/{}", sent["id"].as_str().unwrap());

    let edited = world.does(&alice, "PATCH", &message, json!({"text": "hello"})).await?;
    assert_eq!(
        (&edited["text"], &edited["spans"], &edited["payload"]["n"]),
        (&json!("hello"), &Value::Null, &json!(1))
    );
    assert!(edited["version"].as_u64() > sent["version"].as_u64() && edited["edited_at"].is_string());
    assert_eq!(reads(&world, &bob, &message).await?, edited);
    // What changes nothing is no event.
    let same = world.does(&alice, "PATCH", &message, json!({"text": "hello"})).await?;
    assert_eq!(same["version"], edited["version"]);

    for (by, body, answer) in [
        (&bob, json!({"text": "mine"}), "403 forbidden"),
        (&alice, json!({"text": ""}), "200"), // its payload is still something
        (&alice, json!({"text": "x".repeat(8_001)}), "413 too_large"),
        (&alice, json!({"text": "a\u{0}"}), "422 invalid"),
        (&alice, json!({"spans": [{"start": 90, "len": 1, "style": "bold"}]}), "422 invalid"),
        (&alice, json!({"title": "x"}), "422 invalid"),
    ] {
        assert_eq!(world.refused(by, "PATCH", &message, body.clone()).await?, answer, "{body}");
    }
    let absent = format!("{room}/messages/0000000000001");
    assert_eq!(world.refused(&alice, "PATCH", &absent, json!({"text": "x"})).await?, "404 not_found");
    let stranger = world.user("eve").await?;
    assert_eq!(world.refused(&stranger, "PATCH", &message, json!({"text": "x"})).await?, "404 not_found");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_message_is_a_tombstone_for_everybody() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob, room) = two(&world).await?;
    let message = says(&world, &alice, &room, "a secret").await?;
    world.does(&alice, "PATCH", &message, json!({"text": "another secret"})).await?;
    world.does(&bob, "PUT", &format!("{message}/reactions/%F0%9F%91%8D"), Value::Null).await?;
    assert_eq!(world.refused(&bob, "DELETE", &message, Value::Null).await?, "403 forbidden");
    world.does(&alice, "DELETE", &message, Value::Null).await?;
    assert_eq!(world.refused(&alice, "DELETE", &message, Value::Null).await?, "204", "again is no event");

    let tomb = reads(&world, &bob, &message).await?;
    assert_eq!((&tomb["deleted"], &tomb["text"], &tomb["reactions"]), (&json!(true), &Value::Null, &Value::Null));
    assert_eq!(tomb["by"].as_str(), Some(alice.id.as_str()));
    for (method, path, body) in [
        ("PATCH", message.clone(), json!({"text": "x"})),
        ("PUT", format!("{message}/reactions/x"), Value::Null),
        ("PUT", format!("{room}/pins/{}", id(&message)), Value::Null),
    ] {
        assert_eq!(world.refused(&alice, method, &path, body).await?, "404 not_found", "{path}");
    }
    // Nothing that was written is left in what can be read.
    let events = reads(&world, &bob, &format!("{room}/events")).await?;
    assert!(!events.to_string().contains("secret"), "{events}");
    let page = reads(&world, &bob, &format!("{room}/messages")).await?;
    assert!(!page.to_string().contains("secret"), "{page}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_deleted_at_once_each_with_its_own_answer() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob, room) = two(&world).await?;
    let (hers, his) = (says(&world, &alice, &room, "hers").await?, says(&world, &bob, &room, "his").await?);
    let many = format!("{room}/messages/delete");
    let ids = json!({"messages": [id(&his), id(&hers), "0000000000001", id(&hers)]});
    let answer = world.does(&bob, "POST", &many, ids.clone()).await?;
    let expected = json!([
        {"message": id(&his), "status": "ok"},
        {"message": id(&hers), "code": "forbidden"},
        {"message": "0000000000001", "code": "not_found"},
    ]);
    assert_eq!(answer["items"], expected);
    // Who moderates deletes what others wrote.
    let answer = world.does(&alice, "POST", &many, ids).await?;
    assert_eq!((&answer["items"][0]["status"], &answer["items"][1]["status"]), (&json!("ok"), &json!("ok")));
    assert_eq!(world.refused(&alice, "POST", &many, json!({"messages": []})).await?, "422 invalid");
    let too_many: Vec<&str> = vec!["0000000000001"; 101];
    assert_eq!(world.refused(&alice, "POST", &many, json!({"messages": too_many})).await?, "422 invalid");
    Ok(())
}
