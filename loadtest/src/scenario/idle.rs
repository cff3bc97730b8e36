//! S1: bytes of a socket that is authenticated, live and silent.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;

use super::Target;
use crate::{
    crowd::Crowd,
    process::{self, Cores},
    raw::idle::{Footprint, SIZES},
    report::{Cell, Table},
    service::Service,
};

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// Numbers of sockets; the slope between them counts.
    #[arg(long, value_delimiter = ',', default_values = SIZES)]
    sizes: Vec<usize>,
    #[command(flatten)]
    target: Target,
}

/// Prints the slope.
pub fn run(options: &Options, cores: Cores) -> anyhow::Result<()> {
    process::pin(cores.generator)?;
    let gateway = options.target.server_pid.first().context("which process? --server-pid")?;
    let mut service = options.target.service()?;
    let footprint = measure(&mut service, &options.sizes, options.target.sockets_per_user, gateway.pid)?;
    let mut table = Table::new(
        "idle: authenticated live sockets",
        &["resident bytes/socket", "slab bytes/connection", "sockets:MB"],
    );
    table.row(vec![
        Cell::Figure(footprint.resident_slope(), 0),
        Cell::Figure(footprint.slab_slope(), 0),
        footprint.text().into(),
    ]);
    table.print();
    Ok(())
}

/// Opens sockets up to each size in turn and takes the memory of `pid`.
pub fn measure(service: &mut Service, sizes: &[usize], per_user: usize, pid: u32) -> anyhow::Result<Footprint> {
    ensure!(sizes.len() > 1 && sizes.is_sorted(), "a slope needs two sizes or more, the smallest first");
    let most = sizes.last().copied().unwrap_or_default();
    process::check_files(most)?;
    let accounts = service.register(most.div_ceil(per_user))?;
    let mut crowd = Crowd::new()?;
    let mut footprint = Footprint::default();
    for &size in sizes {
        while crowd.size() < size {
            let opening = service.enter(&accounts[crowd.size() / per_user])?;
            crowd.join(opening)?;
            // Pings are answered while the rest connects.
            if crowd.size() % 100 == 0 {
                crowd.serve(Duration::ZERO)?;
            }
        }
        footprint.take(pid, size, || crowd.serve(Duration::from_millis(250)))?;
        ensure!(crowd.closed().is_empty(), "sockets were closed: {:?}", crowd.closed().first());
    }
    Ok(footprint)
}
