//! How the log behaves. What is fixed for a whole cluster is verified at every start.

use std::path::PathBuf;
use std::time::Duration;

use chat_service::Secret;
use chat_service::config::units;
use clap::Args;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Log")]
pub struct LogSettings {
    /// Shards, each a stream; fixed when the cluster is created [default: 16, embedded: 1]
    #[arg(long, value_name = "N")]
    pub log_shards: Option<u16>,

    /// Copies of each event on the NATS servers: 1, 3 or 5
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub log_replicas: usize,

    /// How long events stay in the log
    #[arg(long, value_name = "TIME", default_value = "72h", value_parser = units::duration)]
    pub log_retention: Duration,

    /// Most bytes of the whole log; when it is full, sends are refused [default: 16GiB, embedded: 8GiB]
    #[arg(long, value_name = "SIZE", value_parser = units::bytes)]
    pub log_bytes_max: Option<u64>,

    /// How long the log itself knows a repeated send
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = units::duration)]
    pub log_dedupe_window: Duration,

    /// Tests only: live events that may wait for one slow reader
    #[arg(long, value_name = "N", hide = true)]
    pub log_live_capacity: Option<usize>,

    /// The NATS servers' `sync_interval`: `always`, or a time. Only told, for the durability that is shown
    #[arg(long, value_name = "TIME", value_parser = sync)]
    pub log_sync: Option<Sync>,

    /// Make streams that are missing
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub log_create_streams: bool,

    /// The user to sign in to the NATS servers as
    #[arg(long, value_name = "NAME")]
    pub log_user: Option<String>,

    /// That user's password; better given by the environment
    #[arg(long, value_name = "PASSWORD")]
    pub log_password: Option<Secret<String>>,

    /// A NATS credentials file, instead of user and password
    #[arg(long, value_name = "FILE")]
    pub log_credentials_file: Option<PathBuf>,

    /// Certificate authorities to trust beside the usual ones, as PEM
    #[arg(long, value_name = "FILE")]
    pub log_ca_file: Option<PathBuf>,

    /// This node's certificate for the NATS servers, as PEM
    #[arg(long, value_name = "FILE")]
    pub log_certificate_file: Option<PathBuf>,

    /// The key of that certificate, as PEM
    #[arg(long, value_name = "FILE")]
    pub log_key_file: Option<PathBuf>,
}

/// When a server writes to disk what it has acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    Always,
    Every(Duration),
}

fn sync(text: &str) -> Result<Sync, String> {
    if text == "always" { Ok(Sync::Always) } else { units::duration(text).map(Sync::Every) }
}
