//! What is done with messages: edited, deleted, reacted to, pinned, answered, addressed; over two gateways that share
//! one log and one store, and the same play on real servers.

#[path = "messages/additions.rs"]
mod additions; // reactions and pins
#[path = "messages/blanked.rs"]
mod blanked; // deleted long ago
#[path = "messages/changes.rs"]
mod changes; // edits and deletions
#[path = "messages/commands.rs"]
mod commands; // the same over a socket
#[path = "messages/everywhere.rs"]
mod everywhere; // two gateways, also on NATS and CQL
#[path = "messages/kept.rs"]
mod kept; // the newest messages in memory
#[path = "bad_input/raw.rs"]
#[expect(dead_code, reason = "what breaks frames is used elsewhere")]
mod raw; // a WebSocket client
#[path = "messages/references.rs"]
mod references; // mentions, replies, forwards
#[path = "messages/slow.rs"]
mod slow; // slow mode
#[path = "people/world.rs"]
#[expect(dead_code, reason = "what people need beside is used elsewhere")]
mod world; // gateways, and how they are asked

use serde_json::{Value, json};

use world::{User, World};

/// Two users in a group, and its path.
async fn two(world: &World) -> anyhow::Result<(User, User, String)> {
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let room = world.makes(&alice, json!({"kind": "group", "members": [bob.id]})).await?;
    Ok((alice, bob, room))
}

/// Sends a text; its path.
async fn says(world: &World, by: &User, room: &str, text: &str) -> anyhow::Result<String> {
    let sent = world.does(by, "POST", &format!("{room}/messages"), json!({"text": text})).await?;
    Ok(format!("{room}/messages/{}", sent["id"].as_str().unwrap_or_default()))
}

async fn reads(world: &World, by: &User, path: &str) -> anyhow::Result<Value> {
    world.does(by, "GET", path, Value::Null).await
}
