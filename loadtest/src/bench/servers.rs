//! What a bench starts: the chat server on either log, and a NATS server.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;

use super::Options;
use crate::{
    http::Connection,
    process::{Cores, Server, Watched, address_in},
};

/// Starting includes opening the log and the store; a CQL server takes its time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Which log the chat server writes to.
#[derive(Debug, Clone)]
pub(super) enum Log {
    /// Everything in one process.
    Embedded,
    /// A gateway of a cluster: sends are acknowledged by a NATS server, accounts are in a CQL server.
    Nats { nats: PathBuf, cql: SocketAddr },
}

impl Log {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded log",
            Self::Nats { .. } => "NATS",
        }
    }
}

/// A chat server and what it needs. Fields end in this order: the server before its log, all before their files.
#[derive(Debug)]
pub(super) struct Chat {
    /// The public listener.
    pub(super) public: SocketAddr,
    /// The operations listener.
    pub(super) ops: SocketAddr,
    /// All processes whose cost counts; the chat server first.
    pub(super) watched: Vec<Watched>,
    _server: Server,
    /// Where its log and its store are, as flags; none if they are its own.
    engines: Vec<String>,
    _nats: Option<Nats>,
    _files: TempDir,
}

/// What brings a cluster's log into its store. Ends when dropped.
#[derive(Debug)]
pub(super) struct Persister {
    /// Its operations listener.
    pub(super) ops: SocketAddr,
    _server: Server,
}

impl Chat {
    /// A persister beside it; none where the server is one itself.
    pub(super) fn persister(&self, options: &Options, cores: Cores) -> anyhow::Result<Option<Persister>> {
        if self.engines.is_empty() {
            return Ok(None);
        }
        let mut command = Command::new(options.chat()?);
        command.arg("persister").args(&self.engines).args(["--ops-listen", "127.0.0.1:0", "--log-level", "warn"]);
        let (server, line) = Server::start(command, cores.server, "listening", PATIENCE)?;
        Ok(Some(Persister { ops: address_in(&line, "ops")?, _server: server }))
    }

    pub(super) fn start(options: &Options, log: &Log, cores: Cores) -> anyhow::Result<Self> {
        let files = tempfile::tempdir().context("make a folder")?;
        let mut command = Command::new(options.chat()?);
        let (mut nats, mut engines) = (None, Vec::new());
        match log {
            Log::Embedded => {}
            Log::Nats { nats: program, cql } => {
                wait_until_open(*cql).context("wait for the store")?;
                let log = nats.insert(Nats::start(program, cores)?);
                let store = format!("scylla://{cql}/bench_{:08x}", rand::random::<u32>());
                let keys = files.path().join("keys.json");
                fs::write(&keys, ask(options, &["token", "keys"])?).context("keep the keys")?;
                ask(options, &["migrate", "--replicas", "1", "--log", &log.url, "--store", &store])?;
                let flags = ["--log", &log.url, "--log-replicas", "1", "--store", &store];
                engines = flags.map(str::to_owned).to_vec();
                command.arg("gateway").args(&engines).arg("--auth-keys-file").arg(&keys);
            }
        }
        command.args(["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--log-level", "warn", "--data-dir"]);
        command.arg(files.path());
        let per_user = options.sockets_per_user.max(20) + 100;
        command.args(["--gateway-sockets-per-user", &per_user.to_string()]);
        command.args(["--gateway-frames-per-s", "1000000", "--gateway-frames-burst", "1000000"]);
        if !options.chat_arg.iter().any(|arg| arg.starts_with("--gateway-limits")) {
            command.args(["--gateway-limits", "off"]);
        }
        command.args(&options.chat_arg);
        let (server, line) = Server::start(command, cores.server, "listening", PATIENCE)?;
        let mut watched = vec![Watched { class: "chat".to_owned(), pid: server.pid() }];
        watched.extend(nats.iter().map(Nats::watched));
        let (public, ops) = (address_in(&line, "public")?, address_in(&line, "ops")?);
        Ok(Self { public, ops, watched, _server: server, engines, _nats: nats, _files: files })
    }
}

/// The sum of a metric over its labels, as a process says it now.
pub(super) fn metric(ops: SocketAddr, name: &str) -> anyhow::Result<f64> {
    metric_without(ops, name, &[])
}

/// The same without those that have one of these labels.
pub(super) fn metric_without(ops: SocketAddr, name: &str, labels: &[&str]) -> anyhow::Result<f64> {
    let answer = Connection::open(ops, Ipv4Addr::LOCALHOST)?.call("GET", "/metrics", None, None)?;
    let text = String::from_utf8(answer.body).context("metrics that are no text")?;
    let lines = text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
    let lines = lines.filter(|line| !labels.iter().any(|label| line.contains(label)));
    Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
}

/// What a verb of the server's program prints.
fn ask(options: &Options, verb: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = Command::new(options.chat()?).args(verb).output().context("run the server's program")?;
    ensure!(output.status.success(), "chat {}: {}", verb.join(" "), String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

/// A NATS server with JetStream on a folder of its own.
#[derive(Debug)]
pub(super) struct Nats {
    pub(super) url: String,
    server: Server,
    _files: TempDir,
}

impl Nats {
    pub(super) fn start(program: &Path, cores: Cores) -> anyhow::Result<Self> {
        let files = tempfile::tempdir().context("make a folder")?;
        let port = free_port()?;
        let mut command = Command::new(program);
        command.args(["--jetstream", "--addr", "127.0.0.1", "--port", &port.to_string(), "--store_dir"]);
        command.arg(files.path()).args(["--log", "/dev/null"]);
        let server = Server::spawn(command, cores.server)?;
        wait_until_open(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        Ok(Self { url: format!("nats://127.0.0.1:{port}"), server, _files: files })
    }

    pub(super) fn watched(&self) -> Watched {
        Watched { class: "log".to_owned(), pid: self.server.pid() }
    }
}

/// Nobody has it now; the server that is told to take it does so at once.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a port")?.local_addr()?.port())
}

fn wait_until_open(address: SocketAddr) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        if Instant::now() > deadline {
            bail!("nothing listens at {address}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
