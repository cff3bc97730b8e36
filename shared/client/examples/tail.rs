//! Prints everything that happens in the conversations of a user, as it happens, and says whether the view is live.
//!
//! `cargo run -p chat-client --example tail -- NAME PASSWORD [SERVER]`

use anyhow::Context;
use chat_client::{Client, Config, Happened, Rest};
use chat_protocol::event::Body;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().context("usage: tail NAME PASSWORD [SERVER]")?;
    let password = arguments.next().context("usage: tail NAME PASSWORD [SERVER]")?;
    let server = arguments.next().unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());

    let login = Rest::new(&server).log_in(&name, &password, "tail").await.context("log in")?;
    let (_client, mut events) = Client::start(Config::new([server], &login));
    while let Some(happened) = events.next().await {
        match happened {
            Happened::Live => println!("-- live"),
            Happened::Lost { code } => println!("-- lost{}", code.map(|code| format!(" ({code})")).unwrap_or_default()),
            Happened::NotConnected => println!("-- not connected"),
            Happened::Skipped { conversation, from, head } => println!("-- {conversation}: skipped {from} to {head}"),
            Happened::Left { conversation, reason } => println!("-- {conversation}: left, {reason:?}"),
            Happened::Stopped(why) => println!("-- stopped: {why:?}"),
            Happened::Event(event) => {
                let what = match &event.body {
                    Body::MessageCreated(message) => message.content.text.clone().unwrap_or_else(|| "…".to_owned()),
                    other => format!("{other:?}"),
                };
                println!("{} {} {}: {what}", event.at, event.conversation, event.by);
            }
            _ => {}
        }
    }
    Ok(())
}
