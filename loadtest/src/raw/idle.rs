//! B2: bytes of a socket that is open and says nothing.

use std::{net::TcpStream, thread::sleep, time::Duration};

use anyhow::ensure;
use clap::Args;

use super::{ServerKind, start};
use crate::{
    connect::{Sources, open},
    process::{self, Cores, resident_bytes, slab_bytes},
    report::{Cell, Table},
    stats::slope,
};

/// The largest leaves a server below 0.9 × 20,000 open files.
pub const SIZES: [&str; 3] = ["2000", "9000", "17500"];

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// Numbers of sockets; the slope between them counts.
    #[arg(long, value_delimiter = ',', default_values = SIZES)]
    sizes: Vec<usize>,
}

/// Memory at several numbers of sockets.
#[derive(Debug, Default)]
pub struct Footprint {
    resident: Vec<(f64, f64)>,
    slab: Vec<(f64, f64)>,
}

impl Footprint {
    /// Takes the memory of `pid` at `sockets`, once it has settled: two readings in a row, a `pause` apart, that differ by
    /// less than 16 KiB.
    pub fn take(
        &mut self,
        pid: u32,
        sockets: usize,
        mut pause: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut before = resident_bytes(pid)?;
        for _ in 0..20 {
            pause()?;
            let now = resident_bytes(pid)?;
            if now.abs_diff(before) < 16 * 1024 {
                break;
            }
            before = now;
        }
        self.resident.push((sockets as f64, resident_bytes(pid)? as f64));
        self.slab.push((sockets as f64, slab_bytes()? as f64));
        Ok(())
    }

    /// Resident bytes of the process per socket.
    pub fn resident_slope(&self) -> f64 {
        slope(&self.resident)
    }

    /// Bytes of kernel slab per connection; with both of its ends on this machine.
    pub fn slab_slope(&self) -> f64 {
        slope(&self.slab)
    }

    /// Sizes and megabytes.
    pub fn text(&self) -> String {
        let points = self.resident.iter().map(|(sockets, bytes)| format!("{sockets}:{:.1}", bytes / 1e6));
        points.collect::<Vec<_>>().join(" ")
    }
}

/// Prints the slope.
pub fn run(options: &Options, cores: Cores) -> anyhow::Result<()> {
    process::pin(cores.generator)?;
    let footprint = measure(&options.sizes, cores)?;
    let mut table = Table::new(
        "raw idle: accepted sockets with a parked task each",
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

/// Opens sockets up to each size in turn.
pub fn measure(sizes: &[usize], cores: Cores) -> anyhow::Result<Footprint> {
    ensure!(sizes.len() > 1 && sizes.is_sorted(), "a slope needs two sizes or more, the smallest first");
    process::check_files(sizes.last().copied().unwrap_or_default())?;
    let (server, address) = start(ServerKind::Idle, 1, cores)?;
    let mut sources = Sources::new(64);
    let mut streams: Vec<TcpStream> = Vec::new();
    let mut footprint = Footprint::default();
    for &size in sizes {
        while streams.len() < size {
            streams.push(open(address, sources.take())?);
        }
        footprint.take(server.pid(), size, || {
            sleep(Duration::from_millis(250));
            Ok(())
        })?;
    }
    Ok(footprint)
}
