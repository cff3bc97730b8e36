//! A real CQL server: Apache Cassandra, one node.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use crate::env;
use crate::leash::Slot;
use crate::wire::{cql_query, free_port, loopback};

/// It answers after 5 s on an idle machine; here others compile beside it.
const READY_WITHIN: Duration = Duration::from_secs(180);
const END_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A change of the schema takes a second when the server is busy.
const STATEMENT_WITHIN: Duration = Duration::from_secs(30);

static SHARED: OnceCell<Cql> = OnceCell::const_new();

/// One server. Killed when dropped, and then its data goes too; one that is shared ends with the tests.
#[derive(Debug)]
pub struct Cql {
    native: SocketAddr,
    storage: SocketAddr,
    slot: Slot,
    /// `None` = somebody else's server.
    dir: Option<TempDir>,
}

impl Cql {
    /// The server that tests share when they only need one: that of `CHAT_TEST_CQL` (all test programs of `make test`
    /// have one), otherwise one for this test program. It cannot be killed; keep apart by [`Cql::keyspace`].
    ///
    /// # Errors
    /// If it does not answer in time.
    pub async fn shared() -> anyhow::Result<&'static Self> {
        SHARED
            .get_or_try_init(|| async {
                match env::shared_cql()? {
                    Some(address) => Self::attach(address).await,
                    None => Self::start().await,
                }
            })
            .await
    }

    /// Starts a server of one's own, to be killed and paused. It takes 5 s and 0.9 GB.
    ///
    /// # Errors
    /// If it does not answer in time, with the end of its log.
    pub async fn start() -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("chat-cql.").tempdir()?;
        let (native, storage) = (loopback(free_port()), loopback(free_port()));
        let mut cql = Self { native, storage, slot: Slot::new("cassandra"), dir: Some(dir) };
        cql.launch()?;
        cql.until_ready().await?;
        Ok(cql)
    }

    /// Waits for a server that somebody else started.
    async fn attach(native: SocketAddr) -> anyhow::Result<Self> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            match tokio::task::spawn_blocking(move || answers(native)).await? {
                Ok(()) => break,
                Err(error) if Instant::now() > deadline => {
                    return Err(error.context(format!("the CQL server of CHAT_TEST_CQL, {native}, does not answer")));
                }
                Err(_) => sleep(LOOK_EVERY).await,
            }
        }
        Ok(Self { native, storage: native, slot: Slot::new("the shared CQL server"), dir: None })
    }

    /// Where clients connect, the same for its whole life.
    pub fn address(&self) -> SocketAddr {
        self.native
    }

    /// `scylla://127.0.0.1:port/keyspace`
    pub fn url(&self, keyspace: &str) -> String {
        format!("scylla://{}/{keyspace}", self.native)
    }

    /// Makes an empty keyspace with a name of its own. Dropping the handle drops the keyspace.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn keyspace(&self) -> anyhow::Result<Keyspace> {
        let name = format!("test_{:016x}", rand::random::<u64>());
        let replication = "{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}";
        self.query(&format!("CREATE KEYSPACE {name} WITH replication = {replication}")).await?;
        Ok(Keyspace { server: self.native, url: self.url(&name), name })
    }

    /// Performs one statement at consistency ONE without the driver under test, and gives back the cells' bytes.
    ///
    /// # Errors
    /// If the server does not answer, or with an error.
    pub async fn query(&self, statement: &str) -> anyhow::Result<Vec<Vec<Option<Vec<u8>>>>> {
        let (native, owned) = (self.native, statement.to_owned());
        let query = tokio::task::spawn_blocking(move || cql_query(native, &owned, STATEMENT_WITHIN));
        query.await?.with_context(|| format!("perform {statement}"))
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

    /// Starts it again with the same port and data (ending it first if it runs), and waits until it answers.
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

    /// SIGSTOP: it keeps its sockets and does nothing.
    ///
    /// # Errors
    /// If it is not running.
    pub fn pause(&mut self) -> anyhow::Result<()> {
        self.slot.get()?.pause()
    }

    /// SIGCONT, after [`Cql::pause`].
    ///
    /// # Errors
    /// If it is not running.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.slot.get()?.resume()
    }

    /// The log of all its starts.
    ///
    /// # Errors
    /// If somebody else started it.
    pub fn log(&self) -> anyhow::Result<PathBuf> {
        let dir = self.dir.as_ref().context("the server is shared")?;
        Ok(dir.path().join("server.log"))
    }

    fn launch(&mut self) -> anyhow::Result<()> {
        let tools = env::tools();
        ensure!(tools.join("cassandra").exists(), "Cassandra is not in {}; `make tools` fetches it", tools.display());
        let log = self.log()?;
        let data = self.dir.as_ref().context("the server is shared")?.path();
        let mut command = Command::new(env::recipes().join("cassandra/run"));
        command.arg(data).arg(self.native.port().to_string()).arg(self.storage.port().to_string());
        self.slot.fill(&mut command, &log, data)
    }

    async fn until_ready(&mut self) -> anyhow::Result<()> {
        let native = self.native;
        self.slot.get()?.until(READY_WITHIN, move || answers(native)).await
    }
}

/// A keyspace of one test's own.
#[derive(Debug)]
pub struct Keyspace {
    server: SocketAddr,
    name: String,
    url: String,
}

impl Keyspace {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `scylla://127.0.0.1:port/keyspace`
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Keyspace {
    /// Blocks until it is gone: a server that many test programs share slows down with every table.
    fn drop(&mut self) {
        let statement = format!("DROP KEYSPACE {}", self.name);
        if let Err(error) = cql_query(self.server, &statement, STATEMENT_WITHIN) {
            tracing::warn!(keyspace = self.name, error = format!("{error:#}"), "cannot drop a keyspace");
        }
    }
}

fn answers(native: SocketAddr) -> anyhow::Result<()> {
    cql_query(native, "SELECT release_version FROM system.local", Duration::from_secs(5)).map(drop)
}
