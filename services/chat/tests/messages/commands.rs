//! The same over a socket: each frame is answered with its `ref`.

use serde_json::{Value, json};

use crate::{
    reads, says, two,
    world::{World, hears, id},
};

#[tokio::test(flavor = "multi_thread")]
async fn frames_change_messages_and_are_answered() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob, room) = two(&world).await?;
    let message = says(&world, &alice, &room, "helo").await?;
    let (mut hers, mut his) = (world.socket(0, &alice).await?, world.socket(1, &bob).await?);
    let (of, m) = (id(&room), id(&message));

    hers.says(&json!({"type": "edit", "ref": 1, "conversation": of, "message": m, "text": "hello"})).await?;
    let ok = hers.until(|frame| frame["ref"] == 1).await?;
    assert_eq!(ok["type"], "ok");
    let event = hears(&mut his, "message.updated").await?;
    assert_eq!((&event["seq"], &event["data"]["text"]), (&ok["seq"], &json!("hello")));

    his.says(&json!({"type": "react", "ref": 2, "conversation": of, "message": m, "emoji": "👍", "op": "add"})).await?;
    let ok = his.until(|frame| frame["ref"] == 2).await?;
    assert!(ok["type"] == "ok" && ok["seq"].as_u64() > Some(0));
    hears(&mut hers, "reaction.changed").await?;
    his.says(&json!({"type": "react", "ref": 3, "conversation": of, "message": m, "emoji": "👍", "op": "add"})).await?;
    assert_eq!(his.until(|frame| frame["ref"] == 3).await?["seq"], 0, "nothing changed");

    his.says(&json!({"type": "delete", "ref": 4, "conversation": of, "messages": [m]})).await?;
    assert_eq!(his.until(|frame| frame["ref"] == 4).await?["code"], "forbidden");
    his.says(&json!({"type": "edit", "ref": 5, "conversation": of, "message": m, "text": 7})).await?;
    assert_eq!(his.until(|frame| frame["ref"] == 5).await?["code"], "invalid");
    his.says(&json!({"type": "delete", "ref": 6, "conversation": of, "messages": []})).await?;
    assert_eq!(his.until(|frame| frame["ref"] == 6).await?["code"], "invalid");
    hers.says(&json!({"type": "delete", "ref": 7, "conversation": of, "messages": [m]})).await?;
    assert_eq!(hers.until(|frame| frame["ref"] == 7).await?["type"], "ok");
    hears(&mut his, "message.deleted").await?;
    assert_eq!(reads(&world, &bob, &message).await?["deleted"], true);
    // Errors of frames without a `ref` are told all the same.
    his.says(&json!({"type": "edit", "conversation": of, "message": m, "text": "x"})).await?;
    let error = his.until(|frame| frame["type"] == "error").await?;
    assert_eq!((&error["code"], &error["ref"]), (&json!("not_found"), &Value::Null));
    Ok(())
}
