//! B7: what it costs to accept, read a request, answer 101 and close.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use clap::Args;

use super::{ServerKind, start};
use crate::{
    connect::{Opening, Sources},
    process::{self, Cores, Watched, cpu_of},
    report::{Cell, Table},
};

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// Seconds of each run.
    #[arg(long, default_value_t = 5)]
    window: u64,
    /// Runs.
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

/// Prints connects per CPU-second.
pub fn run(options: &Options, cores: Cores) -> anyhow::Result<()> {
    process::pin(cores.generator)?;
    let (server, address) = start(ServerKind::Accept, 1, cores)?;
    let watched = [Watched { class: "raw".to_owned(), pid: server.pid() }];
    let mut table = Table::new("raw accept: connect, 101, close", &["run", "connects", "cpu_us/connect", "per CPU-s"]);
    for run in 1..=options.runs {
        let (connects, cpu) = measure(address, &watched, Duration::from_secs(options.window))?;
        let us = cpu * 1e6 / connects as f64;
        table.row(vec![(run as u64).into(), connects.into(), us.into(), Cell::Figure(1e6 / us, 0)]);
    }
    table.print();
    Ok(())
}

fn measure(address: SocketAddr, watched: &[Watched], window: Duration) -> anyhow::Result<(u64, f64)> {
    let mut sources = Sources::new(64);
    let before = cpu_of(watched)?;
    let end = Instant::now() + window;
    let mut connects = 0;
    while Instant::now() < end {
        let opening = Opening::upgrade(address, sources.take())?;
        drop(opening);
        connects += 1;
    }
    let after = cpu_of(watched)?;
    Ok((connects, after.iter().sum::<Duration>().saturating_sub(before.iter().sum()).as_secs_f64()))
}
