//! The smallest client: signs up, makes a conversation, sends a message and hears it.
//!
//! `cargo run -p chat-client --example hello` beside a running `cargo run --release`.

use anyhow::Context;
use chat_client::{Client, Config, Happened, NewConversation, Rest};
use chat_protocol::{event::Body, model::Kind};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let server = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
    let name = format!("hello-{:08x}", rand::random::<u32>());
    let login = Rest::new(&server).register(&name, "correct horse battery", "example").await.context("sign up")?;

    let (client, mut events) = Client::start(Config::new([server.as_str()], &login));
    let rest = Rest::new(&server).by(login.access_token.clone());
    let client_id = client.mint();
    let title = Some("Hello".to_owned());
    let wanted = NewConversation { kind: Kind::Group, members: Vec::new(), title, visibility: None, client_id };
    let conversation = rest.create(&wanted).await.context("make a conversation")?.conversation.id;

    let ack = client.send(conversation, "Hello, world").await.context("send")?;
    println!("acknowledged as {} at position {}", ack.id, ack.seq);
    while let Some(happened) = events.next().await {
        if let Happened::Event(event) = happened
            && let Body::MessageCreated(message) = &event.body
        {
            println!("heard: {}", message.content.text.as_deref().unwrap_or_default());
            break;
        }
    }
    client.stop().await;
    Ok(())
}
