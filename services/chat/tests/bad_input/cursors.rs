//! Cursors of conversations that are not one's own: they prove nothing and open nothing.

use anyhow::{bail, ensure};
use chat_protocol::codec::Codec;
use serde_json::{Value, json};

use crate::raw::{Heard, Socket};
use crate::world::World;

/// The last position there is, the first one, and one in between.
const CURSORS: [u64; 3] = [(1 << 53) - 1, 0, 1_795_132_800_004_711];

/// Answers the cases that went wrong.
pub async fn all(world: &mut World) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    for cursor in CURSORS {
        for resumed in [true, false] {
            let failed = opens_nothing(world, cursor, resumed).await.err();
            wrong.extend(failed.map(|err| format!("cursor {cursor}, resumed {resumed}: {err:#}")));
        }
    }
    Ok(wrong)
}

async fn opens_nothing(world: &mut World, cursor: u64, resumed: bool) -> anyhow::Result<()> {
    let (at, token) = (world.chat.public(), world.mallory.token.clone());
    let private = world.private.clone();
    let cursors = json!({ &private: cursor });
    let first = if resumed {
        let mut before = Socket::open(at, Codec::Json).await?;
        before.says(&json!({"type": "hello", "token": token, "device": "test"})).await?;
        let live = before.until(|frame| frame["type"] == "live").await?;
        json!({"type": "resume", "resume_token": live["resume_token"], "cursors": cursors})
    } else {
        json!({"type": "hello", "token": token, "device": "test", "cursors": cursors})
    };
    let mut socket = Socket::open(at, Codec::Json).await?;
    socket.says(&first).await?;
    never_hears_of(&mut socket, &private, |frame| frame["type"] == "live").await?;
    // Somebody speaks there; an answer to what is asked after that comes after it.
    world.bystanders_chat().await?;
    socket.says(&json!({"type": "ping", "ref": 1})).await?;
    never_hears_of(&mut socket, &private, |frame| frame["type"] == "pong").await
}

/// Reads up to the frame for which `ends` holds.
async fn never_hears_of(socket: &mut Socket, private: &str, ends: impl Fn(&Value) -> bool) -> anyhow::Result<()> {
    loop {
        match socket.hears().await? {
            Heard::Frame(frame) => {
                ensure!(!frame.to_string().contains(private), "it hears {frame}");
                if ends(&frame) {
                    return Ok(());
                }
            }
            end => bail!("it ended with {end:?}"),
        }
    }
}
