//! A bot that answers every message with the same text, whatever conversation it is added to.
//!
//! `cargo run -p chat-client --example echo_bot -- NAME PASSWORD [SERVER]`; the account is made if there is none. Add
//! the bot to a conversation by its name, and talk. It may be killed at any time: it goes on where it stopped,
//! because an answer's `client_id` follows from the message it answers, so that no message is answered twice.

use anyhow::Context;
use chat_client::{Client, Config, Happened, LoggedIn, Rest};
use chat_protocol::{ClientId, ErrorCode, event::Body, frame::EventFrame};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().context("usage: echo_bot NAME PASSWORD [SERVER]")?;
    let password = arguments.next().context("usage: echo_bot NAME PASSWORD [SERVER]")?;
    let server = arguments.next().unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());

    let login = sign_in(&Rest::new(&server), &name, &password).await?;
    let me = login.user.user.id;
    let (client, mut events) = Client::start(Config::new([server], &login));
    println!("{name} is {me}");
    while let Some(happened) = events.next().await {
        let Happened::Event(event) = happened else { continue };
        let Body::MessageCreated(message) = &event.body else { continue };
        let Some(text) = message.content.text.clone().filter(|_| event.by != me) else { continue };
        let (client, answer, to) = (client.clone(), answer_to(&event), event.conversation);
        tokio::spawn(async move {
            if let Err(err) = client.send_as(answer, to, text).await {
                eprintln!("not answered: {err}");
            }
        });
    }
    Ok(())
}

async fn sign_in(rest: &Rest, name: &str, password: &str) -> anyhow::Result<LoggedIn> {
    match rest.register(name, password, "echo-bot").await {
        Err(err) if err.code() == Some(ErrorCode::NameTaken) => {
            rest.log_in(name, password, "echo-bot").await.context("log in")
        }
        login => login.context("sign up"),
    }
}

/// The id of the one answer to a message: its time is the message's, the rest its position.
fn answer_to(event: &EventFrame) -> ClientId {
    ClientId::ulid(u64::try_from(event.at.as_ms()).unwrap_or_default(), u128::from(event.seq.get()))
}
