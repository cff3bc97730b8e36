//! A log and a store in this process, and gateways over them that are as broken as a test wants them.

use std::net::SocketAddr;
use std::sync::Arc;

use chat_auth::{Issuer, Keys};
use chat_bus::{Log, embedded::Options};
use chat_protocol::{Clock, Timestamp, UserId, time::SystemClock};
use chat_service::{Health, Shutdown};
use chat_store::Store;
use clap::Parser;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// What gateways share.
pub struct House {
    pub log: Arc<dyn Log>,
    pub store: Arc<dyn Store>,
    keys: Keys,
    shutdown: Shutdown,
    _dir: TempDir,
}

#[derive(Parser)]
struct Roles {
    #[command(flatten)]
    gateway: chat_gateway::Config,
    #[command(flatten)]
    persister: chat_persister::Config,
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

impl House {
    /// With a persister, and no gateway yet.
    pub async fn build() -> anyhow::Result<Self> {
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
        let (of_persister, there) = (Arc::clone(&log), Arc::clone(&store));
        let deps = chat_persister::Deps { log: of_persister, store: there, clock: clock(), health: Health::new() };
        tokio::spawn(chat_persister::run(Roles::parse_from(["house"]).persister, deps, shutdown.clone()));
        Ok(Self { log, store, keys: Keys::generate(&mut rand::rng()), shutdown, _dir: dir })
    }

    /// One more gateway, over this log and this store.
    pub async fn gateway(
        &self,
        log: Arc<dyn Log>,
        store: Arc<dyn Store>,
        flags: &[&str],
        shutdown: Shutdown,
    ) -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let config = Roles::parse_from([&["house"], flags].concat()).gateway;
        let (keys, leases) = (self.keys.clone(), chat_gateway::Leases::default());
        let deps = chat_gateway::Deps { log, store, clock: clock(), keys, listener, health: Health::new(), leases };
        tokio::spawn(chat_gateway::run(config, deps, shutdown));
        Ok(address)
    }

    /// One in which nothing is broken, and nobody asks too often.
    pub async fn sound(&self) -> anyhow::Result<SocketAddr> {
        self.over(Arc::clone(&self.log), Arc::clone(&self.store)).await
    }

    /// One over others' log and store.
    pub async fn over(&self, log: Arc<dyn Log>, store: Arc<dyn Store>) -> anyhow::Result<SocketAddr> {
        self.gateway(log, store, &["--gateway-limits", "off"], self.shutdown.clone()).await
    }

    /// An access token that was issued then.
    pub fn token(&self, user: UserId, at: Timestamp) -> String {
        let session = chat_protocol::SessionId::ulid(at.as_ms().unsigned_abs(), rand::random());
        let token = Issuer::new(&self.keys, "chat", "chat").issue(user, session, at, &mut rand::rng());
        token.text.expose().to_owned()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.shutdown.stop();
    }
}
