//! `chat-loadtest` measures the chat cluster from outside, always beside a raw baseline from the same run: a figure is a
//! ratio.
//!
//! The generator is one thread on raw sockets: a constant arrival rate, latencies from the intended send time, every
//! delivery checked by its position.

use clap::{Parser, Subcommand};
use process::Cores;

pub mod stamp; // when a message should have been sent, carried in its text and its client id
pub mod wire; // WebSocket frames by their headers

pub mod heard; // what a server frame says
pub mod schedule; // when messages are due

pub mod connect; // opening sockets, from many addresses
pub mod crowd; // thousands of them on one thread
pub mod drive; // offers messages, checks what arrives

pub mod http; // requests, for the set-up
pub mod layout; // rooms × members @ rate
pub mod process; // servers: where they run, what they cost
pub mod report; // aligned text and a line of JSON
pub mod stats; // histograms, medians, slopes

pub mod raw; // the baselines

/// Measures the chat cluster beside raw baselines.
#[derive(Debug, Parser)]
#[command(name = "chat-loadtest", version)]
pub struct Cli {
    /// The core that servers started from here run on.
    #[arg(long, default_value_t = 0, global = true)]
    server_core: usize,
    /// The core that the generator runs on.
    #[arg(long, default_value_t = 1, global = true)]
    core: usize,
    #[command(subcommand)]
    command: Command,
}

/// What to measure.
#[derive(Debug, Subcommand)]
enum Command {
    /// Raw baselines.
    #[command(subcommand)]
    Raw(raw::Raw),
}

/// Measures and prints.
pub fn run(cli: &Cli) -> anyhow::Result<()> {
    let cores = Cores { server: cli.server_core, generator: cli.core };
    match &cli.command {
        Command::Raw(raw) => raw::run(raw, cores),
    }
}
