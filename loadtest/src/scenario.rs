//! Scenarios against a running chat server.

use clap::Args;

use crate::{process::Watched, service::Service};

pub mod append; // durable sends per second
pub mod fan; // cost and latency of deliveries
pub mod idle; // bytes per open socket

/// Where the server is and which processes it is made of.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The public listener.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// A process whose cost counts: `123`, `gateway=123`, `log=456`.
    #[arg(long)]
    pub server_pid: Vec<Watched>,
    /// Sockets opened per second; 0 = as fast as they go.
    #[arg(long, default_value_t = 0)]
    pub connects_per_s: u32,
    /// Sockets of one user; more than 20 need a server that allows it.
    #[arg(long, default_value_t = 20)]
    pub sockets_per_user: usize,
}

impl Target {
    /// The server.
    pub fn service(&self) -> anyhow::Result<Service> {
        Service::at(&self.url, self.connects_per_s)
    }
}
