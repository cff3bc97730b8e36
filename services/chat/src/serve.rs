//! One node: bind the addresses, connect log and store, run the roles, and end them in order.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use chat_auth::Keys;
use chat_protocol::time::SystemClock;
use chat_service::ops::Ops;
use chat_service::shutdown::Ended;
use chat_service::{Health, Shutdown, metrics};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::engines::Engines;
use crate::listen::bind;
use crate::settings::{Backends, Settings};
use crate::watch;

/// How long log and store may take to answer at the start.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// What a role may need beyond its drain before it is stopped hard, and what is left after that.
const STOP_GRACE: Duration = Duration::from_secs(15);

/// What this process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    All,
    Gateway,
    Persister,
    Presence,
    Canary,
}

/// Where a node listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// `None` for roles that serve no users.
    pub public: Option<SocketAddr>,
    pub ops: SocketAddr,
}

/// A node that runs.
#[derive(Debug)]
pub struct Running {
    addresses: Addresses,
    shutdown: Shutdown,
    drain: Duration,
    roles: JoinSet<anyhow::Result<()>>,
    _ops: Ops,
}

/// Starts a node. It serves when this returns.
///
/// # Errors
/// Whatever keeps it from starting, in words for whoever started it.
pub async fn serve(role: Role, mut settings: Settings) -> anyhow::Result<Running> {
    role.check(&settings)?;
    if settings.backends()? == Backends::Embedded {
        settings.gateway.on_a_desk();
    }
    let public = role.serves_users().then(|| bind(settings.listen, "--listen")).transpose()?;
    let ops = bind(settings.ops_listen, "--ops-listen")?;

    let (health, shutdown) = (Health::new(), Shutdown::new());
    let recorder = metrics::install()?;
    metrics::build_info(env!("CARGO_PKG_VERSION"), env!("CHAT_COMMIT"));
    describe_metrics();
    health.fact("version", env!("CARGO_PKG_VERSION"));
    let ops = Ops::start(ops, health.clone(), shutdown.clone(), recorder)?;

    let engines = match role {
        // It comes in from outside, like anybody.
        Role::Canary => None,
        _ => Some(Engines::open(&settings, START_PATIENCE).await?),
    };
    let public = public.map(TcpListener::from_std).transpose()?;
    let addresses = Addresses { public: public.as_ref().map(TcpListener::local_addr).transpose()?, ops: ops.address() };
    let drain = settings.gateway.drain_delay() + settings.gateway.drain_window();
    let mut running = Running { addresses, shutdown, drain, roles: JoinSet::new(), _ops: ops };
    // Each role's checks are on the board before the node counts as started: it is never ready a moment too soon.
    if let Some(engines) = engines {
        watch::start(&engines, &health, &running.shutdown);
        if let Some(listener) = public {
            running.gateway(&settings, listener, role.keys(&settings)?, &engines, &health);
        }
        if role.persists() {
            running.persister(settings.persister.clone(), &engines, &health);
        }
        if role.follows_presence() {
            let alone = settings.backends()? == Backends::Embedded;
            running.presence(settings.presence, alone, &engines, &health);
        }
    } else {
        running.canary(settings.canary, &health);
    }
    health.started();
    Ok(running)
}

/// What every metric means.
pub fn describe_metrics() {
    metrics::describe();
    chat_bus::metrics::describe();
    chat_store::metrics::describe();
    chat_gateway::describe_metrics();
    chat_persister::describe_metrics();
    chat_presence::describe_metrics();
    chat_canary::describe_metrics();
}

impl Role {
    /// What it is called where traces of many services meet.
    pub const fn service(self) -> &'static str {
        match self {
            Self::All => "chat",
            Self::Gateway => "chat-gateway",
            Self::Persister => "chat-persister",
            Self::Presence => "chat-presence",
            Self::Canary => "chat-canary",
        }
    }

    const fn serves_users(self) -> bool {
        matches!(self, Self::All | Self::Gateway)
    }

    const fn persists(self) -> bool {
        matches!(self, Self::All | Self::Persister)
    }

    const fn follows_presence(self) -> bool {
        matches!(self, Self::All | Self::Presence)
    }

    /// The embedded engines live inside one process, so one process must do everything.
    fn check(self, settings: &Settings) -> anyhow::Result<()> {
        let backends = settings.backends()?;
        if !matches!(self, Self::All | Self::Canary) && backends == Backends::Embedded {
            bail!(
                "one role of a cluster needs --log and --store: the embedded ones live inside one process, `chat all`"
            );
        }
        Ok(())
    }

    /// The secrets of this node's users.
    fn keys(self, settings: &Settings) -> anyhow::Result<Keys> {
        match settings.backends()? {
            Backends::Embedded => settings.auth.own_keys(&settings.data_dir),
            Backends::Cluster { .. } => settings.auth.cluster_keys(),
        }
    }
}

impl Running {
    fn gateway(&mut self, settings: &Settings, listener: TcpListener, keys: Keys, engines: &Engines, health: &Health) {
        let Engines { log, store } = engines.clone();
        let clock = Arc::new(SystemClock);
        health.check("revocations");
        let chat_presence::Config { lease, beat, away, .. } = settings.presence;
        let leases = chat_gateway::Leases { lasts: lease, beat, away };
        let deps = chat_gateway::Deps { log, store, clock, keys, listener, health: health.clone(), leases };
        self.run("gateway", chat_gateway::run(settings.gateway.clone(), deps, self.shutdown.clone()));
    }

    fn persister(&mut self, config: chat_persister::Config, engines: &Engines, health: &Health) {
        let Engines { log, store } = engines.clone();
        health.check("consumers");
        let deps = chat_persister::Deps { log, store, clock: Arc::new(SystemClock), health: health.clone() };
        self.run("persister", chat_persister::run(config, deps, self.shutdown.clone()));
    }

    fn presence(&mut self, config: chat_presence::Config, alone: bool, engines: &Engines, health: &Health) {
        let Engines { log, store } = engines.clone();
        health.check("presence");
        let deps = chat_presence::Deps { log, store, clock: Arc::new(SystemClock), health: health.clone(), alone };
        self.run("presence", chat_presence::run(config, deps, self.shutdown.clone()));
    }

    fn canary(&mut self, config: chat_canary::Config, health: &Health) {
        self.run("canary", chat_canary::run(config, health.clone(), self.shutdown.clone()));
    }

    /// Runs a role. Whenever it ends, by itself or by a fault, the whole node drains.
    fn run(&mut self, role: &'static str, running: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let drain = self.shutdown.clone();
        self.roles.spawn(async move {
            let ended = running.await.with_context(|| format!("{role} failed"));
            if let Err(err) = &ended {
                tracing::error!(error = format!("{err:#}"), "role failed");
            }
            drain.drain();
            ended
        });
    }

    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    pub const fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Waits until somebody asks for the end (a signal, the operator, a role that failed), then drains and stops.
    ///
    /// # Errors
    /// If a role failed, or did not end.
    pub async fn finished(mut self) -> anyhow::Result<()> {
        self.shutdown.draining().await;
        let mut failed = Ok(());
        let roles = async {
            while let Some(ended) = self.roles.join_next().await {
                failed = std::mem::replace(&mut failed, Ok(())).and(ended.context("role panicked").flatten());
            }
        };
        let in_time = timeout(self.drain + STOP_GRACE, roles).await.is_ok();
        let ended = self.shutdown.finish(if in_time { STOP_GRACE } else { Duration::ZERO }).await;
        tracing::info!(?ended, "ended");
        failed?;
        match ended {
            Ended::Abandoned(tasks) => bail!("{tasks} tasks did not end"),
            _ if !in_time => bail!("a role did not end"),
            Ended::Drained | Ended::Stopped => Ok(()),
        }
    }

    /// Asks for the end and waits for it.
    ///
    /// # Errors
    /// As [`Running::finished`].
    pub async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.drain();
        self.finished().await
    }
}
