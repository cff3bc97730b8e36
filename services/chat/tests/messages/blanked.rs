//! What was written in a deleted message is told to nobody, however long ago it was deleted and however one asks.

use chat_protocol::codec::Codec;
use chat_testkit::play::{Cluster, Plan};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use crate::{
    raw::Socket,
    reads, says, two,
    world::{User, World, id},
};

/// More than a gateway has in memory of one conversation, and fewer than a socket may catch up with.
const SINCE: usize = 220;

async fn nothing_is_left(world: &World) -> anyhow::Result<()> {
    let (alice, bob, room) = two(world).await?;
    let message = says(world, &alice, &room, "a secret").await?;
    let seq = reads(world, &alice, &message).await?["seq"].as_u64().expect("a position");
    world.does(&alice, "PATCH", &message, json!({"text": "another secret"})).await?;
    says(world, &bob, &room, "what they answered").await?;
    world.does(&alice, "DELETE", &message, Value::Null).await?;
    let (room_ref, alice_ref) = (&room, &alice);
    let more = (0..SINCE).map(|number| async move { says(world, alice_ref, room_ref, &number.to_string()).await });
    stream::iter(more).buffer_unordered(16).try_collect::<Vec<_>>().await?;

    for site in 0..2 {
        // The page ends before the deletion, which is in no gateway's memory either.
        let page = format!("{room}/events?after={}&limit=2", seq - 1);
        let page = world.ask(site, Some(&bob), "GET", &page, None).await?.good()?;
        let [created, edited] = &page["items"].as_array().expect("items")[..] else { panic!("two: {page}") };
        is_blank(created, &alice);
        assert_eq!(edited["data"], json!({"message": id(&message), "mentions": []}));
        assert_eq!((created["seq"].as_u64(), &edited["prev"]), (Some(seq), &created["seq"]));
        assert!(page["next"].is_string(), "{page}");

        let mut late = Socket::open(world.sites[site], Codec::Json).await?;
        let cursors = json!({id(&room): seq - 1});
        late.says(&json!({"type": "hello", "token": bob.token, "device": "late", "cursors": cursors})).await?;
        let created = late.until(|frame| frame["type"] == "resync" || frame["seq"] == seq).await?;
        is_blank(&created, &alice);
        let edited = late.until(|frame| frame["event"] == "message.updated").await?;
        assert_eq!(edited["data"]["text"], Value::Null);
    }
    Ok(())
}

/// Who, when and that it is deleted stay.
fn is_blank(created: &Value, by: &User) {
    assert_eq!((&created["event"], &created["by"]), (&json!("message.created"), &json!(by.id)), "{created}");
    let mut data = created["data"].clone();
    assert!(data["client_id"].take().is_string());
    assert_eq!(data, json!({"client_id": null, "kind": "text", "mentions": [], "deleted": true}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_long_ago_is_blank_in_one_process() -> anyhow::Result<()> {
    nothing_is_left(&World::start().await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_long_ago_is_blank_on_real_servers() -> anyhow::Result<()> {
    let plan = Plan { gateways: 2, persisters: 1, gateway: &["--gateway-limits", "off"], ..Plan::default() };
    let cluster = Cluster::start(env!("CARGO_BIN_EXE_chat"), plan).await?;
    nothing_is_left(&World::at(cluster.gateways.iter().map(|gateway| gateway.public()).collect())).await
}
