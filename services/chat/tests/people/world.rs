//! Gateways over one log and one store, in this process or on real servers, and how their users ask them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use chat_auth::{Issuer, Keys};
use chat_bus::{Log, embedded::Options};
use chat_protocol::codec::Codec;
use chat_protocol::{Clock, SessionId, UserId, time::SystemClock};
use chat_service::{Health, Shutdown};
use chat_store::{NewAccount, Store};
use clap::Parser;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::raw::{Heard, Socket};

pub const PASSWORD: &str = "correct-horse-battery";

/// The stage.
pub struct World {
    pub sites: Vec<SocketAddr>,
    http: reqwest::Client,
    local: Option<Local>,
}

/// What a stage in this process is made of.
pub struct Local {
    pub log: Arc<dyn Log>,
    pub store: Arc<dyn Store>,
    issuer: Issuer,
    shutdown: Shutdown,
    _dir: TempDir,
}

#[derive(Clone)]
pub struct User {
    pub id: String,
    pub token: String,
}

#[derive(Parser)]
struct Roles {
    #[command(flatten)]
    gateway: chat_gateway::Config,
    #[command(flatten)]
    persister: chat_persister::Config,
}

impl World {
    /// Two gateways and a persister in this process.
    pub async fn start() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("data");
        let (log, store) = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
            let database = chat_bus::embedded::open_database(&path)?;
            let store = chat_store::Embedded::open(database.clone(), SystemClock)?;
            let log = chat_bus::Embedded::open(database, Options { shards: 4, ..Options::default() })?;
            Ok((Arc::new(log) as Arc<dyn Log>, Arc::new(store) as Arc<dyn Store>))
        })
        .await??;
        let shutdown = Shutdown::new();
        let keys = Keys::generate(&mut rand::rng());
        let issuer = Issuer::new(&keys, "chat", "chat");
        let flags = ["people", "--persister-jobs-interval", "200ms", "--gateway-limits", "off"];
        let Roles { gateway, persister } = Roles::parse_from(flags);
        let clock = || Arc::new(SystemClock) as Arc<dyn Clock>;
        let mut sites = Vec::new();
        for _ in 0..2 {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            sites.push(listener.local_addr()?);
            let (log, store, keys) = (Arc::clone(&log), Arc::clone(&store), keys.clone());
            let deps = chat_gateway::Deps {
                log,
                store,
                clock: clock(),
                keys,
                listener,
                health: Health::new(),
                leases: chat_gateway::Leases::default(),
            };
            tokio::spawn(chat_gateway::run(gateway.clone(), deps, shutdown.clone()));
        }
        let (log_too, store_too) = (Arc::clone(&log), Arc::clone(&store));
        let deps = chat_persister::Deps { log: log_too, store: store_too, clock: clock(), health: Health::new() };
        tokio::spawn(chat_persister::run(persister, deps, shutdown.clone()));
        let local = Some(Local { log, store, issuer, shutdown, _dir: dir });
        Ok(Self { sites, http: reqwest::Client::new(), local })
    }

    /// Gateways that somebody else started.
    pub fn at(sites: Vec<SocketAddr>) -> Self {
        Self { sites, http: reqwest::Client::new(), local: None }
    }

    /// What lies behind the gateways of this process.
    pub fn local(&self) -> &Local {
        self.local.as_ref().expect("a stage in this process")
    }

    /// Somebody who is logged in.
    pub async fn user(&self, name: &str) -> anyhow::Result<User> {
        let Some(local) = &self.local else { return self.registered(name).await };
        // Without a password: hashing one takes longer than most of these plays.
        let now = SystemClock.now();
        let id = UserId::ulid(now.as_ms().unsigned_abs(), rand::random());
        let (name, password_hash) = (name.to_owned(), "none".to_owned());
        let account = NewAccount { id, name, display_name: None, password_hash, created_at: now };
        ensure!(local.store.create_user(&account).await?, "the name is taken");
        let session = SessionId::ulid(now.as_ms().unsigned_abs(), rand::random());
        let token = local.issuer.issue(id, session, now, &mut rand::rng());
        Ok(User { id: id.to_string(), token: token.text.expose().to_owned() })
    }

    /// Somebody who registered.
    pub async fn registered(&self, name: &str) -> anyhow::Result<User> {
        let wanted = json!({"name": name, "password": PASSWORD, "device": "test"});
        let session = self.ask(0, None, "POST", "/v1/users", Some(wanted)).await?.good()?;
        let word = |value: &Value| value.as_str().map(str::to_owned).context("a word");
        Ok(User { id: word(&session["user"]["id"])?, token: word(&session["access_token"])? })
    }

    /// A request to one of the gateways.
    pub async fn ask(
        &self,
        site: usize,
        by: Option<&User>,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Answer> {
        self.ask_with(site, by, method, path, body, &[]).await
    }

    /// The same with headers.
    pub async fn ask_with(
        &self,
        site: usize,
        by: Option<&User>,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let mut request = self.http.request(method.parse()?, format!("http://{}{path}", self.sites[site]));
        if let Some(by) = by {
            request = request.bearer_auth(&by.token);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await?;
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (status, etag, location) = (answer.status().as_u16(), header("etag"), header("location"));
        let text = answer.text().await?;
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? };
        Ok(Answer { what: format!("{method} {path}"), status, body, etag, location })
    }

    /// What must go well at the first gateway.
    pub async fn does(&self, by: &User, method: &str, path: &str, body: Value) -> anyhow::Result<Value> {
        let body = (!body.is_null()).then_some(body);
        self.ask(0, Some(by), method, path, body).await?.good()
    }

    /// What is refused at the first gateway, as `status code`.
    pub async fn refused(&self, by: &User, method: &str, path: &str, body: Value) -> anyhow::Result<String> {
        let body = (!body.is_null()).then_some(body);
        Ok(self.ask(0, Some(by), method, path, body).await?.refusal())
    }

    /// A conversation's path.
    pub async fn makes(&self, by: &User, what: Value) -> anyhow::Result<String> {
        let made = self.does(by, "POST", "/v1/conversations", what).await?;
        Ok(format!("/v1/conversations/{}", made["id"].as_str().context("an id")?))
    }

    /// A live socket.
    pub async fn socket(&self, site: usize, by: &User) -> anyhow::Result<Socket> {
        Socket::live(self.sites[site], Codec::Json, &by.token).await
    }

    /// Asks again until this is the answer; what goes over two gateways takes a moment.
    pub async fn soon(
        &self,
        site: usize,
        by: &User,
        method: &str,
        path: &str,
        body: Value,
        expected: &str,
    ) -> anyhow::Result<()> {
        let mut last = String::new();
        for _ in 0..50 {
            let body = (!body.is_null()).then(|| body.clone());
            last = self.ask(site, Some(by), method, path, body).await?.refusal();
            if last == expected {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("{method} {path} answers {last}, not {expected}")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(local) = &self.local {
            local.shutdown.stop();
        }
    }
}

/// An answer.
pub struct Answer {
    what: String,
    pub status: u16,
    pub body: Value,
    pub etag: Option<String>,
    pub location: Option<String>,
}

impl Answer {
    /// The body of what went well.
    pub fn good(self) -> anyhow::Result<Value> {
        ensure!(self.status < 300, "{}: {} {}", self.what, self.status, self.body);
        Ok(self.body)
    }

    /// `status code`, or the status of what was not refused.
    pub fn refusal(&self) -> String {
        self.body["code"].as_str().map_or_else(|| self.status.to_string(), |code| format!("{} {code}", self.status))
    }
}

/// The last part of a path.
pub fn id(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// The frame that says that a conversation is followed no longer.
pub async fn hears_left(socket: &mut Socket, conversation: &str) -> anyhow::Result<Value> {
    let of = id(conversation).to_owned();
    socket.until(move |frame| frame["type"] == "left" && frame["conversation"] == of.as_str()).await
}

/// The event of this name.
pub async fn hears(socket: &mut Socket, event: &str) -> anyhow::Result<Value> {
    let event = event.to_owned();
    socket.until(move |frame| frame["type"] == "event" && frame["event"] == event.as_str()).await
}

/// The close code.
pub async fn is_closed(socket: &mut Socket) -> anyhow::Result<u16> {
    loop {
        match socket.hears().await? {
            Heard::Frame(_) => {}
            Heard::Closed(code) => return Ok(code),
            Heard::Gone => anyhow::bail!("gone without a word"),
        }
    }
}
