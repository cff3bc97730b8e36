//! S2 and S3: rooms that talk at a constant rate; what a delivery costs and how long it takes.

use clap::Args;

use super::Target;
use crate::{
    crowd::Crowd,
    drive::{Outcome, open_loop},
    layout::Layout,
    process::{self, Cores, Watched},
    raw::fan::Timing,
    report::{Cell, Table},
    stamp::Clock,
};

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// Rooms, sockets in each, messages per second over all.
    #[arg(long = "layout", default_values = ["1x1000@20", "500x10@1000"])]
    layouts: Vec<Layout>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    timing: Timing,
}

/// Prints a row per run.
pub fn run(options: &Options, cores: Cores) -> anyhow::Result<()> {
    process::pin(cores.generator)?;
    let mut table = table("fan");
    for &layout in &options.layouts {
        process::check_files(layout.sockets())?;
        let clock = Clock::start();
        let mut crowd = Crowd::new()?;
        let rooms = options.target.service()?.populate(&mut crowd, layout, options.target.sockets_per_user)?;
        for run in 1..=options.timing.runs {
            let offer = options.timing.offer(layout.rate, true);
            let outcome = open_loop(&mut crowd, &rooms, offer, &options.target.server_pid, &clock)?;
            table.row(row(&layout.to_string(), run, &outcome, &options.target.server_pid));
        }
    }
    table.print();
    Ok(())
}

/// A row per run, with all that a run is judged by.
pub fn table(title: &str) -> Table {
    Table::new(
        title,
        &[
            "what",
            "run",
            "cpu_us/frame",
            "by class",
            "frames/s",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "p99.9 ms",
            "max ms",
            "ack p50",
            "ack p99",
            "offered",
            "accepted",
            "lost",
            "doubled",
            "gaps",
            "errors",
            "closed",
            "late p99",
            "first error",
        ],
    )
}

/// One run.
pub fn row(what: &str, run: usize, outcome: &Outcome, watched: &[Watched]) -> Vec<Cell> {
    let frames = outcome.delivered as f64;
    let by_class = watched.iter().zip(&outcome.cost.cpu);
    let by_class = by_class.map(|(process, cpu)| format!("{}:{:.2}", process.class, cpu.as_secs_f64() * 1e6 / frames));
    vec![
        what.into(),
        (run as u64).into(),
        outcome.cpu_us_per_frame().into(),
        by_class.collect::<Vec<_>>().join(" ").into(),
        Cell::Figure(outcome.frames_per_second(), 0),
        outcome.latency.ms(0.5).into(),
        outcome.latency.ms(0.9).into(),
        outcome.latency.ms(0.99).into(),
        outcome.latency.ms(0.999).into(),
        outcome.latency.ms(1.0).into(),
        outcome.ack.ms(0.5).into(),
        outcome.ack.ms(0.99).into(),
        outcome.offered.into(),
        outcome.accepted.into(),
        outcome.lost().into(),
        outcome.doubled.into(),
        outcome.gaps.into(),
        outcome.errors.into(),
        (outcome.closed as u64).into(),
        outcome.lateness.ms(0.99).into(),
        outcome.first_error.clone().unwrap_or_default().into(),
    ]
}
