//! Every setting of the binary: those of the components, and those that only the composition needs.

use std::net::SocketAddr;
use std::path::PathBuf;

mod auth;
mod log;
mod store;

use anyhow::bail;
pub use auth::AuthSettings;
use chat_service::telemetry::TelemetryConfig;
use chat_service::traces::TracesConfig;
use clap::Args;
pub use log::{LogSettings, Sync};
pub use store::StoreSettings;

#[derive(Clone, Debug, Args)]
pub struct Settings {
    /// The log: nats://host[,nats://host…] [default: embedded, in the data directory]
    #[arg(long, value_name = "URL")]
    pub log: Option<String>,

    /// The store: scylla://host[,host…]/keyspace [default: embedded, in the data directory]
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,

    /// Where the embedded log and store, and their keys, are kept
    #[arg(long, value_name = "DIRECTORY", default_value = "./chat-data")]
    pub data_dir: PathBuf,

    /// Where users come in: WebSocket, REST and the console
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Where the operator looks: health and metrics. Never make it public
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    pub ops_listen: SocketAddr,

    #[command(flatten)]
    pub telemetry: TelemetryConfig,

    #[command(flatten)]
    pub traces: TracesConfig,

    #[command(flatten)]
    pub log_settings: LogSettings,

    #[command(flatten)]
    pub store_settings: StoreSettings,

    #[command(flatten)]
    pub auth: AuthSettings,

    #[command(flatten)]
    pub gateway: chat_gateway::Config,

    #[command(flatten)]
    pub persister: chat_persister::Config,

    #[command(flatten)]
    pub presence: chat_presence::Config,

    #[command(flatten)]
    pub canary: chat_canary::Config,
}

/// Where log and store are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backends {
    /// Both in this process.
    Embedded,
    /// Both elsewhere, by URL.
    Cluster { log: String, store: String },
}

impl Settings {
    /// Both engines are embedded, or neither is: half of each would be two truths.
    pub fn backends(&self) -> anyhow::Result<Backends> {
        match (&self.log, &self.store) {
            (None, None) => Ok(Backends::Embedded),
            (Some(log), Some(store)) => Ok(Backends::Cluster { log: log.clone(), store: store.clone() }),
            (Some(_), None) => bail!("--log is given without --store: give both, or neither for the embedded engines"),
            (None, Some(_)) => bail!("--store is given without --log: give both, or neither for the embedded engines"),
        }
    }

    /// Where the embedded database is.
    pub fn database_dir(&self) -> PathBuf {
        self.data_dir.join("db")
    }
}
