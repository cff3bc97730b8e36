//! Users in a play: made of the real client, with everything they ask and see recorded for the [judge](crate::checker).
//!
//! ```ignore
//! let play = Play::at([gateway.public()]);
//! let (alice, bob) = (play.user("alice").await?, play.user("bob").await?);
//! let room = play.room(&[&alice, &bob]).await?;
//! alice.says(&room, "hi").await?;
//! bob.hears("hi").await?;
//! play.verdict(&[&alice, &bob], &[&room]).await?.assert_good();
//! ```

mod notebook; // what one client records and remembers

mod crowd; // many users who talk at once

mod cluster; // the servers and processes they talk through

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use chat_client::{Client, Config, Events, Happened, LoggedIn, NewConversation, Rest, RestError, SendError};
use chat_protocol::codec::Codec;
use chat_protocol::frame::{Ack, Cursors, SecretText};
use chat_protocol::model::Kind;
use chat_protocol::{ClientId, ConversationId, Seq, UserId};
use tokio::time::{Instant, sleep};

use crate::checker::{Event, Recorder, Row, Verdict, judge};
use crate::env::thorough;
use notebook::Notebook;

pub use cluster::{Cluster, Plan};
pub use crowd::Crowd;

/// Whatever should come soon, on a machine where others compile.
const SOON: Duration = Duration::from_secs(60);
const PASSWORD: &str = "correct horse battery staple";
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Messages of one page.
const PAGE: usize = 200;

/// The stage: which gateways there are, and what was recorded so far.
#[derive(Debug)]
pub struct Play {
    gateways: Vec<String>,
    first: usize,
    recorder: Recorder,
    clients: AtomicU32,
    codec: Codec,
    repair_gaps: bool,
}

/// A conversation and who is in it.
#[derive(Debug, Clone)]
pub struct Room {
    /// Its id.
    pub id: ConversationId,
    members: Vec<UserId>,
}

/// One device of a user, over all its reconnects. Ends when dropped.
pub struct User {
    name: String,
    login: LoggedIn,
    client: Client,
    notebook: Arc<Notebook>,
    rest: Rest,
}

impl Play {
    /// Over these gateways.
    pub fn at(gateways: impl IntoIterator<Item = SocketAddr>) -> Self {
        let gateways: Vec<String> = gateways.into_iter().map(|address| format!("http://{address}")).collect();
        Self {
            first: gateways.len(),
            gateways,
            recorder: Recorder::default(),
            clients: AtomicU32::new(0),
            codec: Codec::Json,
            repair_gaps: true,
        }
    }

    /// With clients that pass over gaps: a negative control.
    #[must_use]
    pub fn without_client_repair(self) -> Self {
        Self { repair_gaps: false, ..self }
    }

    /// With clients that speak this codec.
    #[must_use]
    pub fn speaking(self, codec: Codec) -> Self {
        Self { codec, ..self }
    }

    /// Whose users all begin at the first so many gateways: the others may not run yet.
    #[must_use]
    pub fn beginning_at(self, first: usize) -> Self {
        Self { first, ..self }
    }

    /// What was recorded, and where a test records more.
    pub const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// A new account, with a client that is live and tries the gateways from one to the next.
    ///
    /// # Errors
    /// If that does not happen soon.
    pub async fn user(&self, name: &str) -> anyhow::Result<User> {
        let number = usize::try_from(self.clients.load(Ordering::Relaxed))?;
        self.user_at(name, number % self.first.max(1)).await
    }

    /// The same, with the gateway of this number first.
    ///
    /// # Errors
    /// If that does not happen soon.
    pub async fn user_at(&self, name: &str, gateway: usize) -> anyhow::Result<User> {
        Ok(self.told_user_at(name, gateway).await?.0)
    }

    /// The same, with all that its client tells, for a view that somebody keeps. It has to be read.
    ///
    /// # Errors
    /// If that does not happen soon.
    pub async fn told_user_at(&self, name: &str, gateway: usize) -> anyhow::Result<(User, Events)> {
        let full_name = format!("{name}-{:08x}", rand::random::<u32>());
        let base = self.gateways.get(gateway).context("there is no such gateway")?;
        let rest = Rest::new(base);
        let login = insistently(|| rest.register(&full_name, PASSWORD, "stage")).await.context("register")?;
        self.device(name, login, gateway, Cursors::new()).await
    }

    /// Another device of the same user.
    ///
    /// # Errors
    /// If it is not live soon.
    pub async fn device_of(&self, user: &User, gateway: usize) -> anyhow::Result<User> {
        Ok(self.device(&user.name, user.login.clone(), gateway, Cursors::new()).await?.0)
    }

    async fn device(
        &self,
        name: &str,
        login: LoggedIn,
        gateway: usize,
        cursors: Cursors,
    ) -> anyhow::Result<(User, Events)> {
        let mut gateways = self.gateways.clone();
        gateways.rotate_left(gateway);
        let rest = Rest::new(gateways.first().context("a play needs a gateway")?).by(login.access_token.clone());
        let number = self.clients.fetch_add(1, Ordering::Relaxed);
        let notebook = Arc::new(Notebook::new(self.recorder.clone(), number, login.user.user.id));
        let config = Config {
            device: format!("{name} {number}"),
            codec: self.codec,
            cursors,
            observer: Arc::clone(&notebook) as _,
            repair_gaps: self.repair_gaps,
            // Two devices of one log-in would spend each other's refresh token, and only `make chaos` runs that long;
            // its plays have one device each.
            refresh_token: thorough().then(|| login.refresh_token.clone()),
            give_up_after: Duration::from_secs(90),
            ..Config::new(gateways, &login)
        };
        let (client, events) = Client::start(config);
        let user = User { name: name.to_owned(), login, client, notebook, rest };
        user.is_live().await?;
        Ok((user, events))
    }

    /// A private group, made by the first of them; all of them follow it when this returns.
    ///
    /// # Errors
    /// If that does not happen soon.
    pub async fn room(&self, members: &[&User]) -> anyhow::Result<Room> {
        let (creator, others) = members.split_first().context("a room has members")?;
        let wanted = NewConversation {
            kind: Kind::Group,
            members: others.iter().map(|user| user.id()).collect(),
            title: None,
            visibility: None,
            client_id: creator.client.mint(),
        };
        let shown = insistently(|| creator.rest.create(&wanted)).await.context("create a conversation")?;
        let room = Room { id: shown.conversation.id, members: members.iter().map(|user| user.id()).collect() };
        for user in members {
            user.has(&room, shown.head).await.context("follow a new conversation")?;
        }
        Ok(room)
    }

    /// When all is quiet: reads every room from its beginning, waits until every member has seen its end, and judges.
    ///
    /// # Errors
    /// If a room cannot be read.
    pub async fn verdict(&self, users: &[&User], rooms: &[&Room]) -> anyhow::Result<Verdict> {
        for room in rooms {
            let inside: Vec<_> = users.iter().filter(|user| room.has(user)).collect();
            let reader = inside.first().context("nobody can read the room")?;
            let head = self.read(reader, room).await.context("read a room")?;
            for user in inside {
                // Who never gets there is found by the judge, in words.
                let _ = user.has(room, head).await;
            }
        }
        Ok(judge(&self.recorder.history()))
    }

    /// Reads a room's history from its beginning to its end, on record; answers its last position.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn read(&self, reader: &User, room: &Room) -> anyhow::Result<Seq> {
        let asked = self.recorder.mark();
        let mut rows = Vec::new();
        let mut after = Seq::ZERO;
        loop {
            let page = insistently(|| reader.rest.messages(room.id, after, PAGE)).await?;
            rows.extend(page.items.iter().map(|message| Row {
                seq: message.seq,
                id: message.id,
                sender: message.by,
                client_id: message.client_id,
            }));
            after = page.items.last().map_or(after, |last| last.seq);
            if page.next.is_none() {
                break;
            }
        }
        self.recorder.record(Event::Read { conversation: room.id, asked, rows });
        Ok(after)
    }
}

impl Room {
    /// Whether the user is in it.
    pub fn has(&self, user: &User) -> bool {
        self.members.contains(&user.id())
    }
}

impl User {
    /// Who it is.
    pub const fn id(&self) -> UserId {
        self.login.user.user.id
    }

    /// The client underneath.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Its access token.
    pub const fn token(&self) -> &SecretText {
        &self.login.access_token
    }

    /// Requests of this user, to the gateway that came first.
    pub const fn rest(&self) -> &Rest {
        &self.rest
    }

    /// Sends a text, and waits until the log has it.
    ///
    /// # Errors
    /// If it is refused, or given up.
    pub async fn says(&self, room: &Room, text: &str) -> Result<Ack, SendError> {
        self.client.send(room.id, text).await
    }

    /// The same with an id of an earlier try.
    ///
    /// # Errors
    /// If it is refused, or given up.
    pub async fn says_as(&self, client_id: ClientId, room: &Room, text: &str) -> Result<Ack, SendError> {
        self.client.send_as(client_id, room.id, text).await
    }

    /// Waits until a message with this text has arrived.
    ///
    /// # Errors
    /// If it does not soon.
    pub async fn hears(&self, text: &str) -> anyhow::Result<()> {
        let heard = self.notebook.until(SOON, |page| page.texts.iter().any(|heard| heard == text)).await;
        ensure!(heard, "{} did not hear {text:?}", self.name);
        Ok(())
    }

    /// Waits until a signal (a marker, typing, presence) like this was seen.
    ///
    /// # Errors
    /// If it is not soon.
    pub async fn senses(&self, what: &str, like: impl Fn(&Happened) -> bool) -> anyhow::Result<()> {
        let sensed = self.notebook.until(SOON, |page| page.signals.iter().any(&like)).await;
        ensure!(sensed, "{} did not see {what}", self.name);
        Ok(())
    }

    /// Whether a signal like this was seen so far.
    pub fn sensed(&self, like: impl Fn(&Happened) -> bool) -> bool {
        self.notebook.signals().iter().any(like)
    }

    /// The newest signals that were seen, oldest first.
    pub fn signals(&self) -> Vec<Happened> {
        self.notebook.signals().into()
    }

    /// Waits until everything up to a position has arrived.
    ///
    /// # Errors
    /// If it does not soon.
    pub async fn has(&self, room: &Room, head: Seq) -> anyhow::Result<()> {
        let there = self.notebook.until(SOON, |page| page.last.get(&room.id).is_some_and(|last| *last >= head)).await;
        ensure!(there, "{} did not get to {head} of {}", self.name, room.id);
        Ok(())
    }

    /// Waits until the view is live.
    ///
    /// # Errors
    /// If it is not soon.
    pub async fn is_live(&self) -> anyhow::Result<()> {
        ensure!(self.notebook.until(SOON, |page| page.live).await, "{} is not live", self.name);
        Ok(())
    }

    /// Leaves this socket, and waits until it is live on the next gateway.
    ///
    /// # Errors
    /// If it is not soon.
    pub async fn moves_on(&self) -> anyhow::Result<()> {
        let sockets = self.notebook.sockets();
        self.client.reconnect().await;
        let moved = self.notebook.until(SOON, |page| page.live && page.sockets > sockets).await;
        ensure!(moved, "{} did not come back", self.name);
        Ok(())
    }

    /// With what close codes it lost sockets before it had another one.
    pub fn lost(&self) -> Vec<Option<u16>> {
        self.notebook.lost()
    }

    /// For how long each time it was not live.
    pub fn away(&self) -> Vec<Duration> {
        self.notebook.away()
    }

    /// How many sockets it has had.
    pub fn sockets(&self) -> u32 {
        self.notebook.sockets()
    }
}

/// Asks again while the answer says that it is worth it.
async fn insistently<T, F: Future<Output = Result<T, RestError>>>(ask: impl Fn() -> F) -> Result<T, RestError> {
    let deadline = Instant::now() + SOON;
    loop {
        match ask().await {
            Err(err) if err.code().is_none_or(|code| code.http().is_some_and(|status| status >= 429)) => {
                if Instant::now() > deadline {
                    return Err(err);
                }
                sleep(LOOK_EVERY).await;
            }
            answer => return answer,
        }
    }
}
