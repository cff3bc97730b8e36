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

pub mod service; // the chat server's accounts, conversations and sockets

pub mod scenario; // a running server, measured

pub mod bench; // baselines and servers, started here and measured in turns

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
    /// Rooms that talk: what a delivery costs and how long it takes.
    Fan(scenario::fan::Options),
    /// Bytes per authenticated socket.
    Idle(scenario::idle::Options),
    /// Acknowledged sends per second.
    Append(scenario::append::Options),
    /// Starts the chat server and the baselines and measures them in turns: one table of ratios.
    Bench(bench::Options),
}

/// Measures and prints.
pub fn run(cli: &Cli) -> anyhow::Result<()> {
    let cores = Cores::apart(cli.server_core, cli.core);
    match &cli.command {
        Command::Raw(raw) => raw::run(raw, cores),
        Command::Fan(options) => scenario::fan::run(options, cores),
        Command::Idle(options) => scenario::idle::run(options, cores),
        Command::Append(options) => scenario::append::run(options, cores),
        Command::Bench(options) => bench::run(options, cores),
    }
}
