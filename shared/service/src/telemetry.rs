//! Log lines on stderr: for people on a terminal, JSON everywhere else.

use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

/// What is logged and how it looks.
#[derive(Clone, Debug, clap::Args)]
pub struct TelemetryConfig {
    /// What is logged: a level for everything, or levels by origin, such as `warn,chat=info,chat_bus=debug`
    #[arg(long, value_name = "FILTER", default_value = "warn,chat=info")]
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

/// Sends `tracing` events to stderr from now on, panics included. A process does this once.
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
    .context("install the log subscriber")?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Only where: a panic's words may hold what a user wrote.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    tracing::error!(place = place.as_deref().unwrap_or("unknown"), "panicked");
}
