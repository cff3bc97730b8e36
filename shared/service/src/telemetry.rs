//! Log lines on stderr: for people on a terminal, JSON everywhere else.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing_subscriber::EnvFilter;

/// What is logged and how it looks.
#[derive(Clone, Debug, clap::Args)]
pub struct TelemetryConfig {
    /// What is logged: a level, or directives such as `info,chat_bus=debug`
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub log_level: String,

    /// How log lines look [default: text on a terminal, json elsewhere]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Coloured lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// Sends `tracing` events to stderr from now on. A process does this once.
pub fn init(config: &TelemetryConfig) -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_new(&config.log_level).with_context(|| format!("read the log filter {:?}", config.log_level))?;
    let on_terminal = io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(on_terminal);
    match config.log_format.unwrap_or(if on_terminal { LogFormat::Text } else { LogFormat::Json }) {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
    }
    .map_err(|err| anyhow::anyhow!(err))
    .context("install the log subscriber")
}
