//! A cluster as in production, small: real NATS, a real CQL server, and processes of our binary.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use super::Play;
use crate::process::{self, Chat};
use crate::servers::{Cql, Fsync, Keyspace, Nats, NatsOptions};

const KEYS: &str = "keys.json";
const VERB_WITHIN: Duration = Duration::from_secs(120);

/// One cluster at a time: together they would only wait for each other.
static TURN: Mutex<()> = Mutex::const_new(());

/// What a cluster is made of.
#[derive(Debug)]
pub struct Plan {
    /// How many.
    pub gateways: usize,
    /// How many.
    pub persisters: usize,
    /// How many presence workers.
    pub presence: usize,
    /// Whether NATS syncs before it acknowledges.
    pub fsync: Fsync,
    /// Further settings of every process.
    pub log: &'static [&'static str],
    /// Further settings of the gateways.
    pub gateway: &'static [&'static str],
    /// Further settings of the presence workers.
    pub worker: &'static [&'static str],
    /// A CQL server to be killed; otherwise the shared one.
    pub own_cql: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            gateways: 3,
            persisters: 2,
            presence: 0,
            fsync: Fsync::Default,
            log: &[],
            gateway: &[],
            worker: &[],
            own_cql: false,
        }
    }
}

/// A running cluster. It ends when dropped.
#[derive(Debug)]
pub struct Cluster {
    /// Its gateways.
    pub gateways: Vec<Chat>,
    /// Its persisters.
    pub persisters: Vec<Chat>,
    /// Its presence workers.
    pub presence: Vec<Chat>,
    /// Its log.
    pub nats: Nats,
    /// If it is this cluster's own.
    pub cql: Option<Cql>,
    binary: PathBuf,
    args: Args,
    _keyspace: Option<Keyspace>,
    keys: TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// With what each role is started.
#[derive(Debug)]
struct Args {
    gateway: Vec<String>,
    persister: Vec<String>,
    worker: Vec<String>,
}

impl Cluster {
    /// Starts servers and processes of `binary` as planned, on a fresh schema, and waits until all are ready.
    ///
    /// # Errors
    /// If something does not start, with the end of its log.
    pub async fn start(binary: impl AsRef<Path>, plan: Plan) -> anyhow::Result<Self> {
        let binary = binary.as_ref();
        let turn = TURN.lock().await;
        let (own, keyspace, store) = if plan.own_cql {
            let own = Cql::start().await?;
            let url = own.url("chat");
            (Some(own), None, url)
        } else {
            let keyspace = Cql::shared().await?.keyspace().await?;
            let url = keyspace.url().to_owned();
            (None, Some(keyspace), url)
        };
        let nats = Nats::start(NatsOptions { fsync: plan.fsync, ..NatsOptions::default() }).await?;
        let log = nats.url();
        let engines = ["--log", &log, "--store", &store];
        let small = ["--log-replicas", "1", "--log-shards", "4", "--log-bytes-max", "256MiB"];
        verb(binary, &[&["migrate", "--replicas", "1"], &engines[..]].concat()).await.context("migrate")?;

        let keys = tempfile::tempdir()?;
        let key_file = keys.path().join(KEYS);
        std::fs::write(&key_file, verb(binary, &["token", "keys"]).await.context("make keys")?)?;
        let key_file = key_file.display().to_string();
        let quick = ["--gateway-reconnect-base-ms", "100", "--gateway-reconnect-max-ms", "1000"];
        let leaving = ["--gateway-drain-delay", "1s", "--gateway-drain-window", "5s"];
        let open = ["--gateway-frames-per-s", "10000", "--gateway-frames-burst", "10000"];
        let auth = ["--auth-keys-file", &key_file];

        let common = [&engines[..], &small, plan.log].concat();
        let owned = |args: &[&[&str]]| args.concat().iter().map(ToString::to_string).collect();
        let args = Args {
            gateway: owned(&[&["gateway"], &common, &quick, &leaving, &open, &auth, plan.gateway]),
            persister: owned(&[&["persister"], &common]),
            worker: owned(&[&["presence"], &common, plan.worker]),
        };
        let mut gateways = prepared(binary, plan.gateways, &args.gateway)?;
        let mut persisters = prepared(binary, plan.persisters, &args.persister)?;
        let mut presence = prepared(binary, plan.presence, &args.worker)?;
        for process in gateways.iter_mut().chain(&mut persisters).chain(&mut presence) {
            process.launch()?;
        }
        for process in gateways.iter_mut().chain(&mut persisters).chain(&mut presence) {
            process.until_ready().await?;
        }
        Ok(Self {
            gateways,
            persisters,
            presence,
            nats,
            cql: own,
            binary: binary.to_owned(),
            args,
            _keyspace: keyspace,
            keys,
            _turn: turn,
        })
    }

    /// So many more gateways, which do not run yet.
    ///
    /// # Errors
    /// If one cannot have a folder.
    pub fn more_gateways(&self, count: usize) -> anyhow::Result<Vec<Chat>> {
        prepared(&self.binary, count, &self.args.gateway)
    }

    /// So many more persisters, which do not run yet.
    ///
    /// # Errors
    /// If one cannot have a folder.
    pub fn more_persisters(&self, count: usize) -> anyhow::Result<Vec<Chat>> {
        prepared(&self.binary, count, &self.args.persister)
    }

    /// One more presence worker, which does not run yet.
    ///
    /// # Errors
    /// If it cannot have a folder.
    pub fn another_worker(&self) -> anyhow::Result<Chat> {
        prepared(&self.binary, 1, &self.args.worker)?.pop().context("one was asked for")
    }

    /// Brings the schema to what `binary` needs, as an operator does before a roll-out.
    ///
    /// # Errors
    /// If it refuses.
    pub async fn migrate(&self, binary: &Path) -> anyhow::Result<()> {
        let value = |flag: &str| self.args.persister.iter().skip_while(|arg| *arg != flag).nth(1).context("an engine");
        let (log, store) = (value("--log")?, value("--store")?);
        verb(binary, &["migrate", "--replicas", "1", "--log", log, "--store", store]).await.map(drop)
    }

    /// The file of the keys that its gateways sign and check tokens with.
    pub fn keys(&self) -> PathBuf {
        self.keys.path().join(KEYS)
    }

    /// A play over all its gateways.
    pub fn play(&self) -> Play {
        Play::at(self.gateways.iter().map(Chat::public))
    }

    /// The sum of one metric over processes and all its labels; 0 if nobody counted yet.
    ///
    /// # Errors
    /// If one of them does not answer.
    pub async fn metric(processes: &[Chat], name: &str) -> anyhow::Result<f64> {
        let mut sum = 0.0;
        for process in processes {
            let (status, text) = process.get("/metrics").await?;
            ensure!(status == 200, "/metrics answers {status}");
            let lines = text.lines().filter(|line| {
                line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
            });
            sum += lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>();
        }
        Ok(sum)
    }
}

fn prepared(binary: &Path, count: usize, args: &[String]) -> anyhow::Result<Vec<Chat>> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    (0..count).map(|_| Chat::prepare(binary, &args)).collect()
}

/// Runs a verb to its end; what it printed.
async fn verb(binary: &Path, args: &[&str]) -> anyhow::Result<String> {
    let finished = process::run(binary, args, VERB_WITHIN).await?;
    ensure!(finished.status.success(), "{} failed: {}", args.join(" "), finished.output);
    Ok(finished.output)
}
