//! A log, a store and keys, and the flags that name them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use chat_testkit::process::{self, Chat};
use chat_testkit::servers::{Cql, Keyspace, Nats, NatsOptions};
use tempfile::TempDir;

pub const BINARY: &str = env!("CARGO_BIN_EXE_chat");
const VERB_WITHIN: Duration = Duration::from_secs(120);

pub struct World {
    log: Vec<String>,
    keyspace: Keyspace,
    dir: TempDir,
    nats: Option<Nats>,
}

impl World {
    /// With a log that anybody may use.
    pub async fn open() -> anyhow::Result<Self> {
        let nats = Nats::start(NatsOptions::default()).await?;
        let mut world = Self::with_log(&nats.url()).await?;
        world.nats = Some(nats);
        Ok(world)
    }

    /// With a log that is there.
    pub async fn with_log(url: &str) -> anyhow::Result<Self> {
        let keyspace = Cql::shared().await?.keyspace().await?;
        let small = ["--log-replicas", "1", "--log-shards", "2", "--log-bytes-max", "64MiB"];
        let log = [&["--log", url], &small[..]].concat().into_iter().map(str::to_owned).collect();
        let world = Self { log, keyspace, dir: tempfile::tempdir()?, nats: None };
        std::fs::write(world.keys(), verb(&["token", "keys"]).await?)?;
        verb(&["migrate", "--replicas", "1", "--log", url, "--store", world.keyspace.url()]).await?;
        Ok(world)
    }

    /// The server of its own log.
    pub fn nats(&self) -> anyhow::Result<&Nats> {
        self.nats.as_ref().context("the log is somebody else's")
    }

    pub fn keyspace(&self) -> &str {
        self.keyspace.name()
    }

    fn keys(&self) -> std::path::PathBuf {
        self.dir.path().join("keys.json")
    }

    /// A process in this role, not started.
    pub fn role(&self, role: &str, settings: &[&str]) -> anyhow::Result<Chat> {
        self.role_of(BINARY, role, settings)
    }

    /// The same, by another program.
    pub fn role_of(&self, program: impl AsRef<Path>, role: &str, settings: &[&str]) -> anyhow::Result<Chat> {
        let keys = self.keys().display().to_string();
        let log: Vec<&str> = self.log.iter().map(String::as_str).collect();
        let mut args = [&[role], &log[..], &["--store", self.keyspace.url()], settings].concat();
        if role == "gateway" {
            args.extend(["--auth-keys-file", &keys, "--gateway-reconnect-base-ms", "100"]);
        }
        Chat::prepare(program, &args)
    }

    pub async fn starts(&self, role: &str, settings: &[&str]) -> anyhow::Result<Chat> {
        let mut chat = self.role(role, settings)?;
        chat.launch()?;
        chat.until_ready().await?;
        Ok(chat)
    }
}

async fn verb(args: &[&str]) -> anyhow::Result<String> {
    let finished = process::run(BINARY, args, VERB_WITHIN).await?;
    ensure!(finished.status.success(), "{} failed: {}", args.join(" "), finished.output);
    Ok(finished.output)
}
