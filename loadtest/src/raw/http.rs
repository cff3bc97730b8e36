//! B8: what a bare route with static JSON costs.

use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;

use super::{ServerKind, start};
use crate::{
    connect::Sources,
    http::Connection,
    process::{self, Cores, Watched, cpu_of},
    report::{Cell, Table},
};

/// A message as a page holds it.
pub const ITEM: &str = r#"{"id":"03HK0N7PDWWK7","conversation":"0EV427B59HK1ENV7E9Z0C1HT0H","seq":1795132800004711,"at":"2026-11-22T08:08:00.123Z","by":"01M814RE33CM9JD7GD6ZSAEKF4","client_id":"01M814RENV16CKDXKNSJ0YEKQN","kind":"text","text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","version":1795132800004711}"#;

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// Connections that ask at the same time.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Seconds of each run.
    #[arg(long, default_value_t = 5)]
    window: u64,
    /// Runs.
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

/// Prints requests per CPU-second.
pub fn run(options: &Options, cores: Cores) -> anyhow::Result<()> {
    ensure!(options.connections > 0, "at least one connection");
    process::pin(cores.generator)?;
    let (server, address) = start(ServerKind::Http, 1, cores)?;
    let watched = [Watched { class: "raw".to_owned(), pid: server.pid() }];
    let mut sources = Sources::new(64);
    let mut connections = (0..options.connections)
        .map(|_| Connection::open(address, sources.take()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut table = Table::new("raw http: a page of ten messages", &["run", "requests", "cpu_us/request", "per CPU-s"]);
    for run in 1..=options.runs {
        let window = Duration::from_secs(options.window);
        let (requests, cpu) = measure(&mut connections, &watched, window, ask_for_page)?;
        let us = cpu * 1e6 / requests as f64;
        table.row(vec![(run as u64).into(), requests.into(), us.into(), Cell::Figure(1e6 / us, 0)]);
    }
    table.print();
    Ok(())
}

/// Asks the bare route.
pub fn ask_for_page(connection: &mut Connection) -> anyhow::Result<()> {
    connection.ask("GET", "/v1/page", None, None)
}

/// Asks on all connections, then reads all answers, and so on; how many that were, and the seconds of CPU they took.
pub fn measure(
    connections: &mut [Connection],
    watched: &[Watched],
    window: Duration,
    mut ask: impl FnMut(&mut Connection) -> anyhow::Result<()>,
) -> anyhow::Result<(u64, f64)> {
    let before = cpu_of(watched)?;
    let end = Instant::now() + window;
    let mut requests = 0;
    while Instant::now() < end {
        for connection in connections.iter_mut() {
            ask(connection)?;
        }
        for connection in connections.iter_mut() {
            let answer = connection.answer()?;
            ensure!((200..300).contains(&answer.status), "status {}", answer.status);
            requests += 1;
        }
    }
    let after = cpu_of(watched)?;
    Ok((requests, after.iter().sum::<Duration>().saturating_sub(before.iter().sum()).as_secs_f64()))
}
