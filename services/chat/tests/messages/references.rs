//! Mentions, replies, forwards.

use serde_json::{Value, json};

use crate::{
    reads, says, two,
    world::{World, id},
};

#[tokio::test(flavor = "multi_thread")]
async fn members_are_mentioned_and_all_by_who_may() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob, room) = two(&world).await?;
    let eve = world.user("eve").await?;
    let text = format!("<@{}> <@{}> <@all> <@here>", bob.id, eve.id);
    let send = |text: &str| json!({"text": text});
    let messages = format!("{room}/messages");
    let by_owner = world.does(&alice, "POST", &messages, send(&text)).await?;
    assert_eq!(by_owner["mentions"], json!([bob.id, "all", "here"]), "eve is no member");
    let by_member = world.does(&bob, "POST", &messages, send(&text)).await?;
    assert_eq!(by_member["mentions"], json!([bob.id]), "the words stay text");

    let list = reads(&world, &bob, "/v1/conversations").await?;
    assert_eq!((&list["items"][0]["unread"], &list["items"][0]["mentions"]), (&json!(1), &json!(1)));

    let path = format!("{messages}/{}", by_owner["id"].as_str().unwrap());
    let edited = world.does(&alice, "PATCH", &path, send("nobody")).await?;
    assert_eq!(edited["mentions"], Value::Null);
    let ids = (0..51_u128).map(|n| format!("<@{}>", chat_protocol::UserId::from_u128(n)));
    let many: String = ids.collect();
    assert_eq!(world.refused(&alice, "POST", &messages, send(&many)).await?, "422 invalid");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_message_refers_to_is_there() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob, room) = two(&world).await?;
    let private = world.makes(&alice, json!({"kind": "group"})).await?;
    let (open, hidden) = (says(&world, &alice, &room, "open").await?, says(&world, &alice, &private, "hidden").await?);
    let forward = |message: &str, from: &str| json!({"text": "x", "forward_of": {"conversation": id(from), "message": id(message)}});
    let messages = format!("{room}/messages");

    let reply = world.does(&bob, "POST", &messages, json!({"text": "x", "reply_to": id(&open)})).await?;
    assert_eq!(reply["reply_to"].as_str(), Some(id(&open)));
    world.does(&bob, "POST", &messages, forward(&open, &room)).await?;
    world.does(&alice, "POST", &messages, forward(&hidden, &private)).await?;
    for body in [
        json!({"text": "x", "reply_to": "0000000000001"}),
        json!({"text": "x", "reply_to": id(&hidden)}),
        forward(&hidden, &private),
        forward(&hidden, &room),
        json!({"text": "x", "attachments": ["01M814RENV16CKDXKNSJ0YEKQN"]}),
    ] {
        assert_eq!(world.refused(&bob, "POST", &messages, body.clone()).await?, "404 not_found", "{body}");
    }
    Ok(())
}
