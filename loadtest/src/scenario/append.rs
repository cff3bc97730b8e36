//! S6: durable sends per second over WebSocket, with so many without acknowledgement in flight.

use clap::Args;

use super::Target;
use crate::{
    crowd::Crowd,
    drive::{Capacity, closed_loop},
    layout::Layout,
    process::{self, Cores},
    raw::fan::Timing,
    report::{Cell, Table},
    stamp::Clock,
};

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// Messages in flight over all sockets.
    #[arg(long, value_delimiter = ',', default_values = ["1", "16", "256", "1000"])]
    windows: Vec<usize>,
    /// Sockets, each in a conversation of its own.
    #[arg(long, default_value_t = 64)]
    sockets: usize,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    timing: Timing,
}

/// Prints a row per window and run.
pub fn run(options: &Options, cores: Cores) -> anyhow::Result<()> {
    process::pin(cores.generator)?;
    let clock = Clock::start();
    let mut crowd = Crowd::new()?;
    let rooms =
        options.target.service()?.populate(&mut crowd, alone(options.sockets), options.target.sockets_per_user)?;
    let mut table = Table::new(
        "append: acknowledged sends",
        &["in flight", "run", "acks/s", "p50 ms", "p99 ms", "p99.9 ms", "cpu_us/ack", "errors", "first error"],
    );
    for &window in &options.windows {
        for run in 1..=options.timing.runs {
            let offer = options.timing.offer(1.0, true);
            let found = closed_loop(&mut crowd, &rooms, window, offer, &options.target.server_pid, &clock)?;
            table.row(row(window, run, &found));
        }
    }
    table.print();
    Ok(())
}

/// Each socket in a room of its own: the sender hears its own message and nobody else does.
pub fn alone(sockets: usize) -> Layout {
    Layout { rooms: sockets, members: 1, rate: 1.0 }
}

fn row(window: usize, run: usize, found: &Capacity) -> Vec<Cell> {
    vec![
        (window as u64).into(),
        (run as u64).into(),
        Cell::Figure(found.per_second(), 0),
        found.ack.ms(0.5).into(),
        found.ack.ms(0.99).into(),
        found.ack.ms(0.999).into(),
        (found.cost.cpu_seconds() * 1e6 / found.acked as f64).into(),
        found.errors.into(),
        found.first_error.clone().unwrap_or_default().into(),
    ]
}
