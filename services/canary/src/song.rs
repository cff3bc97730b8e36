//! One log-in's life: two sockets of one user in a room of their own; what one says, the other hears.

use std::time::Duration;

use anyhow::{Context, bail};
use chat_client::{Client, Config as ClientConfig, Events, Happened, LoggedIn, NewConversation, Rest};
use chat_protocol::{ClientId, ConversationId, ErrorCode, event::Body, frame::Ack, model::Kind};
use chat_service::Secret;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    Config,
    metrics::{self, Step},
};

/// Its room's title, by which it is found again.
const TITLE: &str = "canary";
/// Between two looks whether a message can be read back.
const LOOK: Duration = Duration::from_millis(50);
/// Leaving is a courtesy.
const FAREWELL: Duration = Duration::from_secs(2);

/// A log-in that sings.
pub struct Song {
    began: Instant,
    room: ConversationId,
    speaker: Voice,
    listener: Voice,
}

/// One device: requests and a socket.
struct Voice {
    rest: Rest,
    client: Client,
    events: Events,
}

impl Song {
    /// Logs in twice, finds or makes the room, waits until both sockets are live.
    pub async fn begin(config: &Config, password: &Secret<String>) -> anyhow::Result<Self> {
        let began = Instant::now();
        let song = timeout(config.patience * 2, Self::tune(config, password, began)).await.context("not in time")??;
        metrics::took(Step::Connect, began.elapsed());
        Ok(song)
    }

    async fn tune(config: &Config, password: &Secret<String>, began: Instant) -> anyhow::Result<Self> {
        let mut speaker = Voice::raise(config, enter(config, password, "speaker").await?).await?;
        let room = speaker.room().await?;
        let listener = Voice::raise(config, enter(config, password, "listener").await?).await?;
        Ok(Self { began, room, speaker, listener })
    }

    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// One message's whole way; each step has `patience`, counted from the send.
    pub async fn round(&mut self, patience: Duration) -> Result<(), (Step, anyhow::Error)> {
        let (sent, client_id) = (Instant::now(), self.speaker.client.mint());
        let late = "not in time";

        let acked = timeout(patience, self.speaker.client.send_as(client_id, self.room, "♪")).await;
        let ack = acked.context(late).and_then(|acked| Ok(acked?)).map_err(|err| (Step::Ack, err))?;
        metrics::took(Step::Ack, sent.elapsed());

        let heard = timeout(patience, self.listener.hears(client_id)).await;
        heard.context(late).flatten().map_err(|err| (Step::Deliver, err))?;
        metrics::took(Step::Deliver, sent.elapsed());

        let read = timeout(patience, self.reads(&ack)).await;
        read.context(late).flatten().map_err(|err| (Step::History, err))?;
        metrics::took(Step::History, sent.elapsed());

        // Both streams are read to their end, so that neither fills up.
        self.speaker.hears(client_id).await.map_err(|err| (Step::Deliver, err))
    }

    async fn reads(&self, ack: &Ack) -> anyhow::Result<()> {
        loop {
            let page = self.listener.rest.messages_before(self.room, ack.seq.next(), 1).await?;
            if page.items.iter().any(|read| read.id == ack.id) {
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }

    /// Logs out, so that no session is left behind.
    pub async fn end(self) {
        for voice in [self.speaker, self.listener] {
            voice.client.stop().await;
            if !matches!(timeout(FAREWELL, voice.rest.log_out()).await, Ok(Ok(()))) {
                tracing::debug!("not logged out");
            }
        }
    }
}

impl Voice {
    async fn raise(config: &Config, login: LoggedIn) -> anyhow::Result<Self> {
        let rest = Rest::new(&config.server).by(login.access_token.clone());
        let settings = ClientConfig {
            device: "canary".to_owned(),
            give_up_after: config.patience,
            // A song is over before its token is.
            refresh_token: None,
            ..ClientConfig::new([config.server.clone()], &login)
        };
        let (client, mut events) = Client::start(settings);
        loop {
            match events.next().await {
                Some(Happened::Live) => return Ok(Self { rest, client, events }),
                Some(Happened::Stopped(why)) => bail!("not let in: {why:?}"),
                Some(_) => {}
                None => bail!("the client ended"),
            }
        }
    }

    /// The room from earlier, or a new one.
    async fn room(&mut self) -> anyhow::Result<ConversationId> {
        let page = self.rest.conversations(None).await.context("list conversations")?;
        let mut known = page.items.iter().map(|listed| &listed.shown.conversation);
        if let Some(known) = known.find(|conversation| conversation.settings.title.as_deref() == Some(TITLE)) {
            return Ok(known.id);
        }
        let wanted = NewConversation {
            kind: Kind::Group,
            members: Vec::new(),
            title: Some(TITLE.to_owned()),
            visibility: None,
            client_id: self.client.mint(),
        };
        Ok(self.rest.create(&wanted).await.context("make a conversation")?.conversation.id)
    }

    async fn hears(&mut self, client_id: ClientId) -> anyhow::Result<()> {
        loop {
            match self.events.next().await {
                Some(Happened::Event(event)) => {
                    if let Body::MessageCreated(created) = &event.body
                        && created.client_id == client_id
                    {
                        return Ok(());
                    }
                }
                Some(Happened::Stopped(why)) => bail!("sent away: {why:?}"),
                Some(_) => {}
                None => bail!("the client ended"),
            }
        }
    }
}

/// Logs in; the first time ever the account is made.
async fn enter(config: &Config, password: &Secret<String>, device: &str) -> anyhow::Result<LoggedIn> {
    let rest = Rest::new(&config.server);
    match rest.log_in(&config.name, password.reveal(), device).await {
        Err(err) if err.code() == Some(ErrorCode::Unauthenticated) => {
            let made = rest.register(&config.name, password.reveal(), device).await;
            made.context("neither its account nor its name could be had: is the password right?")
        }
        login => login.context("log in"),
    }
}
