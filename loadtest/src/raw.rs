//! Raw baselines: the least that this machine charges for a piece of the work, measured with the same generator.

use clap::Subcommand;

use crate::process::Cores;

pub mod accept; // connect, 101, close
pub mod append; // publish with a message id → acknowledged
pub mod bus; // publish → republished copy elsewhere
pub mod fan; // one write per socket
pub mod http; // a route with static JSON
pub mod idle; // accepted sockets with a parked task each
mod server; // the servers' side of fan, idle, accept and http

pub use server::{ServerKind, start};

/// One baseline.
#[derive(Debug, Subcommand)]
pub enum Raw {
    /// CPU per delivered frame of a server that only writes.
    Fan(fan::Options),
    /// Half a round trip of one framed message over one socket.
    Hop(fan::HopOptions),
    /// Bytes per accepted socket with a parked task.
    Idle(idle::Options),
    /// Connects per CPU-second.
    Accept(accept::Options),
    /// Requests per CPU-second of a bare route.
    Http(http::Options),
    /// Acknowledged publishes per second of a JetStream stream.
    Append(append::Options),
    /// One way from a publish to its republished copy.
    Bus(bus::Options),
    /// The server of a baseline, in a process of its own.
    #[command(hide = true)]
    Serve {
        /// Which one.
        kind: ServerKind,
        /// Copies of a frame per write.
        #[arg(long, default_value_t = 1)]
        copies: usize,
    },
}

/// Runs one.
pub fn run(raw: &Raw, cores: Cores) -> anyhow::Result<()> {
    match raw {
        Raw::Fan(options) => fan::run(options, cores),
        Raw::Hop(options) => fan::run_hop(options, cores),
        Raw::Idle(options) => idle::run(options, cores),
        Raw::Accept(options) => accept::run(options, cores),
        Raw::Http(options) => http::run(options, cores),
        Raw::Append(options) => append::run(options, cores),
        Raw::Bus(options) => bus::run(options, cores),
        Raw::Serve { kind, copies } => server::serve(*kind, *copies),
    }
}
