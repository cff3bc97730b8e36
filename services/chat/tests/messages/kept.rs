//! The newest messages are read once where a conversation is read, then kept: and whatever happens to them elsewhere,
//! what is kept is what can be read there.

use chat_testkit::play::{Cluster, Plan};
use serde_json::{Value, json};

use crate::{
    says, two,
    world::{User, World, hears, id},
};

/// More than are on a page, fewer than are kept.
const MESSAGES: usize = 60;

/// One reader's newest pages through both gateways: they are the same, and this is the first.
async fn the_same(world: &World, by: &User, room: &str) -> anyhow::Result<Value> {
    let mut newest = Value::Null;
    for query in ["", "?limit=1", "?limit=3", "?limit=57", "?limit=100", "?after=0&limit=7"] {
        let path = format!("{room}/messages{query}");
        let here = world.ask(0, Some(by), "GET", &path, None).await?.good()?;
        let there = world.ask(1, Some(by), "GET", &path, None).await?.good()?;
        assert_eq!(here, there, "{query}");
        if newest.is_null() {
            newest = here;
        }
    }
    Ok(newest)
}

async fn what_is_kept_is_what_is_read(world: &World) -> anyhow::Result<()> {
    let (alice, bob, room) = two(world).await?;
    let mut messages = Vec::new();
    for n in 0..MESSAGES {
        messages.push(says(world, &alice, &room, &n.to_string()).await?);
    }
    let [.., edited, deleted, liked, pinned] = &messages[..] else { unreachable!("so many were sent") };
    // Before anybody reads them through the second gateway, which knows nothing of them.
    world.does(&alice, "PATCH", edited, json!({"text": "better"})).await?;
    world.does(&bob, "PUT", &format!("{liked}/reactions/a"), Value::Null).await?;
    world.does(&alice, "PUT", &format!("{room}/pins/{}", id(&messages[1])), Value::Null).await?;
    for by in [&alice, &bob] {
        let page = the_same(world, by, &room).await?;
        assert_eq!((page["items"].as_array().map(Vec::len), page["next"].is_string()), (Some(50), true));
        assert_eq!(page["items"][1]["reactions"][0]["mine"], json!(by.id == bob.id));
    }

    let mut device = world.socket(1, &bob).await?;
    world.does(&alice, "PATCH", edited, json!({"text": "best"})).await?;
    hears(&mut device, "message.updated").await?;
    world.does(&alice, "DELETE", deleted, Value::Null).await?;
    hears(&mut device, "message.deleted").await?;
    world.does(&alice, "PUT", &format!("{liked}/reactions/a"), Value::Null).await?;
    hears(&mut device, "reaction.changed").await?;
    world.does(&bob, "DELETE", &format!("{liked}/reactions/a"), Value::Null).await?;
    hears(&mut device, "reaction.changed").await?;
    world.does(&alice, "PUT", &format!("{room}/pins/{}", id(pinned)), Value::Null).await?;
    hears(&mut device, "pin.added").await?;
    world.does(&alice, "DELETE", &format!("{room}/pins/{}", id(&messages[1])), Value::Null).await?;
    hears(&mut device, "pin.removed").await?;
    says(world, &alice, &room, "one more").await?;
    hears(&mut device, "message.created").await?;
    for by in [&alice, &bob] {
        let page = the_same(world, by, &room).await?;
        let [newest, top, kept, gone, best, ..] = &page["items"].as_array().expect("items")[..] else {
            panic!("a page: {page}")
        };
        assert_eq!((&newest["text"], &top["pinned"]), (&json!("one more"), &json!(true)));
        assert_eq!((&gone["deleted"], &gone["text"], &best["text"]), (&json!(true), &Value::Null, &json!("best")));
        let mine = by.id == alice.id;
        assert_eq!(kept["reactions"], json!([{"emoji": "a", "count": 1, "users": [alice.id], "mine": mine}]));
        let pins = world.ask(1, Some(by), "GET", &format!("{room}/pins"), None).await?.good()?;
        assert_eq!(pins["items"], json!([top]));
    }

    // Whoever changes something reads it at once.
    for n in 0..20 {
        let text = format!("at once {n}");
        let sent = world.ask(1, Some(&bob), "POST", &format!("{room}/messages"), Some(json!({"text": text}))).await?;
        let sent = sent.good()?;
        let page = world.ask(1, Some(&bob), "GET", &format!("{room}/messages?limit=1"), None).await?.good()?;
        assert_eq!(page["items"], json!([sent]));
        let path = format!("{room}/messages/{}", sent["id"].as_str().unwrap_or_default());
        world.ask(1, Some(&bob), "DELETE", &path, None).await?.good()?;
        let page = world.ask(1, Some(&bob), "GET", &format!("{room}/messages?limit=1"), None).await?.good()?;
        assert_eq!((&page["items"][0]["deleted"], &page["items"][0]["text"]), (&json!(true), &Value::Null));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_one_process() -> anyhow::Result<()> {
    what_is_kept_is_what_is_read(&World::start().await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_real_servers() -> anyhow::Result<()> {
    let plan = Plan { gateways: 2, persisters: 1, ..Plan::default() };
    let cluster = Cluster::start(env!("CARGO_BIN_EXE_chat"), plan).await?;
    let world = World::at(cluster.gateways.iter().map(|gateway| gateway.public()).collect());
    what_is_kept_is_what_is_read(&world).await?;

    // A conversation that the second gateway never saw, read there again and again.
    let (carol, room) = (world.user("carol").await?, "messages kept");
    let room = world.makes(&carol, json!({"kind": "group", "title": room})).await?;
    let hi = says(&world, &carol, &room, "hi").await?;
    // Of a conversation that is in memory from its beginning, nothing is asked of the store.
    let (made_at, before) = (&cluster.gateways[..1], id(&hi));
    for path in [hi.clone(), format!("{room}/messages?before={before}")] {
        let hits = Cluster::metric(made_at, "chat_gateway_tail_hits_total").await?;
        world.ask(0, Some(&carol), "GET", &path, None).await?.good()?;
        assert!(Cluster::metric(made_at, "chat_gateway_tail_hits_total").await? > hits, "{path}");
    }
    let page = format!("{room}/messages");
    let first = world.ask(1, Some(&carol), "GET", &page, None).await?.good()?;
    let second = &cluster.gateways[1..];
    let fills = Cluster::metric(second, "chat_gateway_page_cache_fills_total").await?;
    let hits = Cluster::metric(second, "chat_gateway_tail_hits_total").await?;
    for _ in 0..20 {
        assert_eq!(world.ask(1, Some(&carol), "GET", &page, None).await?.good()?, first);
    }
    assert_eq!(Cluster::metric(second, "chat_gateway_page_cache_fills_total").await?, fills);
    let answered = Cluster::metric(second, "chat_gateway_tail_hits_total").await? - hits;
    assert!(answered >= 20.0, "{answered} of 20 from memory");
    Ok(())
}
