//! Cursors of conversations that are not one's own: they prove nothing and open nothing, and the answer, that one is out
//! of it, is the same whether there is such a conversation or not.

use anyhow::{bail, ensure};
use chat_protocol::codec::Codec;
use serde_json::{Value, json};

use crate::raw::{Heard, Socket};
use crate::world::World;

/// The last position there is, the first one, and one in between.
const CURSORS: [u64; 3] = [(1 << 53) - 1, 0, 1_795_132_800_004_711];

/// Of no conversation.
const ABSENT: &str = "0EV427B59HK1ENV7E9Z0C1HT0H";

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
    let cursors = json!({ &private: cursor, ABSENT: cursor });
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
    let mut out = hears_it_is_out(&mut socket, &private).await?;
    let mut expected = [private.as_str(), ABSENT].map(str::to_owned);
    out.sort();
    expected.sort();
    ensure!(out == expected, "it hears that it is out of {out:?}");
    // Somebody speaks there; an answer to what is asked after that comes after it.
    world.bystanders_chat().await?;
    socket.says(&json!({"type": "ping", "ref": 1})).await?;
    never_hears_of(&mut socket, &private, |frame| frame["type"] == "pong").await
}

/// Reads up to `live`: out of what it is, each said in the same words.
async fn hears_it_is_out(socket: &mut Socket, private: &str) -> anyhow::Result<Vec<String>> {
    let mut out = Vec::new();
    loop {
        match socket.hears().await? {
            Heard::Frame(frame) if frame["type"] == "live" => return Ok(out),
            Heard::Frame(frame) if frame["type"] == "left" => {
                ensure!(frame["reason"] == "removed" && frame.as_object().is_some_and(|it| it.len() == 3), "{frame}");
                out.push(frame["conversation"].as_str().unwrap_or_default().to_owned());
            }
            Heard::Frame(frame) => ensure!(!frame.to_string().contains(private), "it hears {frame}"),
            end => bail!("it ended with {end:?}"),
        }
    }
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
