//! One process with a few users: alice and bob, who only want to chat, and mallory, who does not.

use anyhow::{Context, ensure};
use chat_protocol::{ClientId, Clock, codec::Codec, time::SystemClock};
use chat_testkit::process::Chat;
use reqwest::{RequestBuilder, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::raw::Socket;
use crate::tokens::Forge;

/// What is said here: no log may ever hold it.
const CHATTER: &str = "between-you-and-me";
pub const PASSWORD: &str = "correct-horse-battery";

pub struct World {
    pub chat: Chat,
    pub alice: User,
    pub bob: User,
    pub mallory: User,
    /// Somebody who has logged out.
    pub gone: User,
    /// Alice's and bob's conversation; mallory must not learn that it exists.
    pub private: String,
    /// A message in it.
    pub message: String,
    /// Alice's; everybody may look at it, mallory has not joined.
    pub public: String,
    /// Mallory's own.
    pub own: String,
    /// Signs as the process does.
    pub forge: Forge,
    site: Site,
    pid: u32,
    /// Alice's and bob's sockets; the first one speaks next.
    talkers: [Socket; 2],
}

pub struct User {
    pub id: String,
    pub token: String,
    refresh: String,
}

impl World {
    pub async fn start() -> anyhow::Result<Self> {
        let mut chat = Chat::start(env!("CARGO_BIN_EXE_chat"), &["--log-level", "info,chat=trace"]).await?;
        let pid = chat.pid()?;
        let at = chat.public();
        let site = Site { http: reqwest::Client::new(), root: format!("http://{at}") };
        let (alice, bob) = (site.register("alice").await?, site.register("bob").await?);
        let (mallory, gone) = (site.register("mallory").await?, site.register("gone").await?);
        let left = site.ask("DELETE", "/v1/sessions/current").bearer_auth(&gone.token).send().await?;
        ensure!(left.status() == 204, "log out: {}", left.status());

        let private = site.makes(&alice, "/v1/conversations", json!({"kind": "group", "members": [bob.id]})).await?;
        let public = site.makes(&alice, "/v1/conversations", json!({"kind": "group", "visibility": "public"})).await?;
        let own = site.makes(&mallory, "/v1/conversations", json!({"kind": "group"})).await?;
        let messages = format!("/v1/conversations/{private}/messages");
        let message = site.makes(&alice, &messages, json!({"text": CHATTER})).await?;
        let talkers =
            [Socket::live(at, Codec::Json, &alice.token).await?, Socket::live(at, Codec::MsgPack, &bob.token).await?];
        let forge = Forge::open(&chat.dir().join("chat-data"), &mallory.token)?;
        Ok(Self { chat, alice, bob, mallory, gone, private, message, public, own, forge, site, pid, talkers })
    }

    /// A request without a token.
    pub fn ask(&self, method: &str, path: &str) -> RequestBuilder {
        self.site.ask(method, path)
    }

    /// One of the two says something and the other hears it: the process serves those who do no harm.
    pub async fn bystanders_chat(&mut self) -> anyhow::Result<()> {
        let [speaker, listener] = &mut self.talkers;
        let client_id = client_id(0);
        let send = json!({"type": "send", "client_id": client_id, "conversation": self.private, "text": CHATTER});
        speaker.says(&send).await?;
        let ack = speaker.until(|frame| frame["client_id"] == client_id.as_str()).await.context("the speaker")?;
        ensure!(ack["type"] == "ack", "the speaker is told {ack}");
        let heard = |frame: &Value| frame["data"]["client_id"] == client_id.as_str();
        listener.until(heard).await.context("the listener")?;
        self.talkers.reverse();
        Ok(())
    }

    /// The process is the one that was started, it is healthy, and its log tells nobody anything.
    pub async fn is_unharmed(&mut self) -> anyhow::Result<()> {
        self.bystanders_chat().await?;
        ensure!(self.chat.pid()? == self.pid, "another process");
        for path in ["/livez", "/readyz"] {
            let (status, body) = self.chat.get(path).await?;
            ensure!(status == 200, "{path} answers {status} {body}");
        }
        let log = std::fs::read_to_string(self.chat.log())?;
        ensure!(log.contains("ready"), "a log without the first line proves nothing");
        ensure!(!log.contains("panicked"), "{log}");
        let users = [&self.alice, &self.bob, &self.mallory, &self.gone];
        let mut secrets: Vec<&str> = users.iter().flat_map(|user| [&*user.token, &*user.refresh]).collect();
        secrets.extend([CHATTER, PASSWORD]);
        // The head of a token is the same for all: only its signature is worth looking for.
        secrets.extend(users.iter().filter_map(|user| user.token.rsplit('.').next()));
        let forged: Vec<String> = self.forge.refused().into_iter().map(|forged| forged.token).collect();
        secrets.extend(forged.iter().map(String::as_str).filter(|token| token.len() > 20));
        let told = secrets.iter().find(|secret| log.contains(**secret));
        ensure!(told.is_none(), "the log holds {}", told.copied().unwrap_or_default());
        Ok(())
    }
}

/// A client id as if minted this many milliseconds from now.
pub fn client_id(ahead_ms: i64) -> String {
    let at = SystemClock.now().plus_ms(ahead_ms).as_ms();
    ClientId::ulid(at.unsigned_abs(), rand::random()).to_string()
}

struct Site {
    http: reqwest::Client,
    root: String,
}

impl Site {
    fn ask(&self, method: &str, path: &str) -> RequestBuilder {
        let method = method.parse().expect("a method");
        self.http.request(method, format!("{}{path}", self.root))
    }

    async fn register(&self, name: &str) -> anyhow::Result<User> {
        let wanted = json!({"name": name, "password": PASSWORD, "device": "test"});
        let session = created(self.ask("POST", "/v1/users"), wanted).await?;
        let word = |value: &Value| value.as_str().map(str::to_owned).context("a session");
        Ok(User {
            id: word(&session["user"]["id"])?,
            token: word(&session["access_token"])?,
            refresh: word(&session["refresh_token"])?,
        })
    }

    /// The id of what the user makes.
    async fn makes(&self, user: &User, path: &str, what: Value) -> anyhow::Result<String> {
        let made = created(self.ask("POST", path).bearer_auth(&user.token), what).await?;
        made["id"].as_str().map(str::to_owned).context("an id")
    }
}

async fn created(request: RequestBuilder, body: Value) -> anyhow::Result<Value> {
    let answer = request.header(CONTENT_TYPE, "application/json").body(body.to_string()).send().await?;
    ensure!(answer.status() == 201, "{} {}", answer.status(), answer.text().await?);
    Ok(answer.json().await?)
}
