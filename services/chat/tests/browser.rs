//! The console in a real browser: people sign up, find each other and talk, and lose nothing when the server is killed.

#[path = "browser/changes.rs"]
mod changes; // edits, deletions, reactions, replies, forwards, pins
#[path = "browser/decisions.rs"]
mod decisions; // what is decided without a screen
#[path = "browser/keys.rs"]
mod keys; // the keyboard, the looks, a narrow window
#[path = "browser/leaving.rs"]
mod leaving; // a gateway that goes away
#[path = "browser/limits.rs"]
mod limits; // who is too quick
#[path = "browser/managing.rs"]
mod managing; // slow mode, rights, many deleted at once
#[path = "browser/person.rs"]
mod person; // who sits at a tab, and what they do there
#[path = "browser/roles.rs"]
mod roles; // roles, removal, bans, settings
#[path = "browser/seen.rs"]
mod seen; // unread badges, the divider, typing, receipts, mentions
#[path = "browser/self_care.rs"]
mod self_care; // profile, devices, blocks
#[path = "browser/talk.rs"]
mod talk; // sends, history, what survives a kill
#[path = "browser/there.rs"]
mod there; // presence

use std::time::Duration;

use chat_testkit::process::Chat;

/// All of a play; its single steps have deadlines of their own.
const PLAY_WITHIN: Duration = Duration::from_secs(400);

async fn start() -> anyhow::Result<Chat> {
    Chat::start(env!("CARGO_BIN_EXE_chat"), &[]).await
}

fn console(chat: &Chat) -> String {
    format!("http://{}/", chat.public())
}
