//! One NATS server with JetStream, whose data outlives the process.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::env;
use crate::leash::Slot;
use crate::wire::{free_port, loopback, nats_request};

/// It answers after milliseconds; a cluster elects first, on two busy cores.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(30);
const END_WITHIN: Duration = Duration::from_secs(15);

/// When JetStream syncs what it acknowledges to disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Every two minutes, the server's default: outlives a killed process, not a lost machine.
    #[default]
    Default,
    /// Before every acknowledgement.
    Always,
}

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct NatsOptions {
    /// When it syncs.
    pub fsync: Fsync,
    /// The largest payload it takes, in bytes; otherwise the server's default (1 MiB).
    pub max_payload: Option<u32>,
    /// How many bytes its streams may reserve and fill; otherwise more than any test asks for.
    pub store_bytes_max: Option<u64>,
}

/// One server. Killed when dropped, and then its data goes too.
#[derive(Debug)]
pub struct Nats {
    slot: Slot,
    client: SocketAddr,
    monitor: SocketAddr,
    dir: TempDir,
}

/// The part of a server's configuration that only a cluster has.
pub(super) struct Routes<'a> {
    pub(super) own: SocketAddr,
    pub(super) all: &'a [SocketAddr],
}

impl Nats {
    /// Starts a server on free ports and waits until its JetStream answers.
    ///
    /// # Errors
    /// If it does not answer in time, with the end of its log.
    pub async fn start(options: NatsOptions) -> anyhow::Result<Self> {
        let mut nats = Self::prepare("nats", &options, None)?;
        nats.launch()?;
        nats.until_ready().await?;
        Ok(nats)
    }

    pub(super) fn prepare(name: &str, options: &NatsOptions, routes: Option<Routes<'_>>) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("chat-nats.").tempdir()?;
        let nats = Self { slot: Slot::new(name), client: loopback(free_port()), monitor: loopback(free_port()), dir };
        std::fs::write(nats.configuration(), nats.configure(options, routes)).context("write the configuration")?;
        Ok(nats)
    }

    fn configure(&self, options: &NatsOptions, routes: Option<Routes<'_>>) -> String {
        let (name, client, monitor) = (self.slot.name(), self.client, self.monitor);
        let mut text = format!("server_name: {name}\nlisten: \"{client}\"\nhttp: \"{monitor}\"\n");
        let mut add = |line: std::fmt::Arguments<'_>| text.write_fmt(line).expect("a String takes all");
        if let Some(bytes) = options.max_payload {
            add(format_args!("max_payload: {bytes}\n"));
        }
        add(format_args!("jetstream {{\n  store_dir: \"{}\"\n", self.data_dir().display()));
        add(format_args!("  max_file_store: {}\n", options.store_bytes_max.unwrap_or(1 << 40)));
        if options.fsync == Fsync::Always {
            add(format_args!("  sync_interval: always\n"));
        }
        add(format_args!("}}\n"));
        if let Some(Routes { own, all }) = routes {
            let all: Vec<String> = all.iter().map(|route| format!("\"nats://{route}\"")).collect();
            add(format_args!("cluster {{\n  name: chat\n  listen: \"{own}\"\n  routes: [{}]\n}}\n", all.join(", ")));
        }
        text
    }

    /// Where clients connect: `nats://127.0.0.1:port`, the same for its whole life.
    pub fn url(&self) -> String {
        format!("nats://{}", self.client)
    }

    /// The same as an address, to put a proxy in front of.
    pub fn address(&self) -> SocketAddr {
        self.client
    }

    /// Where its monitoring endpoints answer over HTTP.
    pub fn monitor(&self) -> SocketAddr {
        self.monitor
    }

    /// The name it has in its cluster.
    pub fn name(&self) -> &str {
        self.slot.name()
    }

    /// Where its streams lie. To be copied, damaged or removed only while it is down.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The log of all its starts.
    pub fn log(&self) -> PathBuf {
        self.dir.path().join("server.log")
    }

    /// SIGKILL; gone when this returns. Nothing happens if it is down already.
    pub fn kill9(&mut self) {
        self.slot.kill9();
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// If it is not running, or had to be killed after all.
    pub async fn terminate(&mut self) -> anyhow::Result<ExitStatus> {
        self.slot.terminate(END_WITHIN).await
    }

    /// Starts it again with the same ports, configuration and data (ending it first if it runs), and waits until its
    /// JetStream answers.
    ///
    /// # Errors
    /// If it does not answer in time, with the end of its log.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        if !self.slot.is_empty() {
            self.terminate().await?;
        }
        self.launch()?;
        self.until_ready().await
    }

    /// Starts it as [`Nats::restart`] does, without waiting for it: one of a cluster without a quorum never answers.
    ///
    /// # Errors
    /// If it is running, or cannot be started at all.
    pub fn launch(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(env::tool("nats-server")?);
        command.arg("--config").arg(self.configuration());
        self.slot.fill(&mut command, &self.log(), self.dir.path())
    }

    /// Waits until its JetStream answers.
    ///
    /// # Errors
    /// If it does not in time, with the end of its log.
    pub async fn until_ready(&mut self) -> anyhow::Result<()> {
        let client = self.client;
        let probe = move || nats_request(client, "$JS.API.INFO", "");
        self.slot.get()?.until(READY_WITHIN, probe).await.map(drop)
    }

    /// SIGSTOP: it keeps its sockets and does nothing.
    ///
    /// # Errors
    /// If it is not running.
    pub fn pause(&mut self) -> anyhow::Result<()> {
        self.slot.get()?.pause()
    }

    /// SIGCONT, after [`Nats::pause`].
    ///
    /// # Errors
    /// If it is not running.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.slot.get()?.resume()
    }

    /// Its data is gone, as after the loss of a volume.
    ///
    /// # Errors
    /// If it is running.
    pub fn wipe(&mut self) -> anyhow::Result<()> {
        ensure!(self.slot.is_empty(), "{} is running", self.slot.name());
        match std::fs::remove_dir_all(self.data_dir()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Asks its JetStream API (`$JS.API.…`), without the client under test.
    ///
    /// # Errors
    /// If it does not answer, or with an error.
    pub async fn api(&self, subject: &str, body: &str) -> anyhow::Result<Value> {
        let (client, subject, body) = (self.client, subject.to_owned(), body.to_owned());
        tokio::task::spawn_blocking(move || nats_request(client, &subject, &body)).await?
    }

    fn configuration(&self) -> PathBuf {
        self.dir.path().join("nats.conf")
    }
}
