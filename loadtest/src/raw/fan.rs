//! B1 and B3: what it costs to write one finished frame to every socket of a room, and how long one hop takes.

use std::{net::SocketAddr, time::Duration};

use chat_protocol::ConversationId;
use clap::Args;

use super::{ServerKind, start};
use crate::{
    connect::{Opening, Sources},
    crowd::Crowd,
    drive::{Offer, Outcome, Room, open_loop},
    layout::Layout,
    process::{self, Cores, Watched},
    report::{Cell, Table},
    stamp::Clock,
    stats::Runs,
};

/// Of a message's text.
pub const TEXT_BYTES: usize = 150;

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// Rooms, sockets in each, messages per second over all.
    #[arg(long = "layout", default_values = ["1x1000@20", "500x10@1000", "1x8000@3"])]
    layouts: Vec<Layout>,
    /// Copies of a frame per write (k).
    #[arg(long, default_value_t = 1)]
    copies: u64,
    #[command(flatten)]
    timing: Timing,
}

/// How long and how often.
#[derive(Debug, Clone, Copy, Args)]
pub struct Timing {
    /// Runs; the median counts.
    #[arg(long, default_value_t = 3)]
    pub runs: usize,
    /// Seconds before counting begins.
    #[arg(long, default_value_t = 1)]
    pub warm_up: u64,
    /// Seconds that count.
    #[arg(long, default_value_t = 5)]
    pub window: u64,
}

impl Timing {
    /// An offer at `rate` of messages of 150 bytes.
    pub fn offer(self, rate: f64, acks: bool) -> Offer {
        Offer {
            rate,
            text_bytes: TEXT_BYTES,
            warm_up: Duration::from_secs(self.warm_up),
            window: Duration::from_secs(self.window),
            copies: 1,
            acks,
        }
    }
}

/// Prints CPU-µs per frame for every layout.
pub fn run(options: &Options, cores: Cores) -> anyhow::Result<()> {
    process::pin(cores.generator)?;
    let mut table = Table::new(
        format!("raw fan: one write of {} frame(s) per socket", options.copies),
        &[
            "layout",
            "cpu_us/frame",
            "spread",
            "frames/s",
            "frames/s/core",
            "p50 ms",
            "p99 ms",
            "late p99 ms",
            "lost",
            "doubled",
        ],
    );
    for &layout in &options.layouts {
        process::check_files(layout.sockets())?;
        let (server, address) = start(ServerKind::Fan, options.copies, cores)?;
        let watched = [Watched { class: "raw".to_owned(), pid: server.pid() }];
        let clock = Clock::start();
        let mut crowd = Crowd::new()?;
        let rooms = populate(&mut crowd, address, layout)?;
        let offer = Offer { copies: options.copies, ..options.timing.offer(layout.rate, false) };
        let mut runs = Runs::default();
        let mut outcomes = Vec::new();
        for _ in 0..options.timing.runs {
            let outcome = open_loop(&mut crowd, &rooms, offer, &watched, &clock)?;
            runs.push(outcome.cpu_us_per_frame());
            outcomes.push(outcome);
        }
        table.row(row(layout, &runs, &outcomes));
    }
    table.print();
    Ok(())
}

fn row(layout: Layout, runs: &Runs, outcomes: &[Outcome]) -> Vec<Cell> {
    let median = |value: fn(&Outcome) -> f64| {
        let mut runs = Runs::default();
        outcomes.iter().for_each(|outcome| runs.push(value(outcome)));
        runs.median()
    };
    vec![
        layout.to_string().into(),
        runs.median().into(),
        runs.text(2).into(),
        Cell::Figure(median(Outcome::frames_per_second), 0),
        Cell::Figure(1e6 / runs.median(), 0),
        median(|outcome| outcome.latency.ms(0.5)).into(),
        median(|outcome| outcome.latency.ms(0.99)).into(),
        median(|outcome| outcome.lateness.ms(0.99)).into(),
        outcomes.iter().map(Outcome::lost).sum::<u64>().into(),
        outcomes.iter().map(|outcome| outcome.doubled).sum::<u64>().into(),
    ]
}

/// Fills a raw server's rooms.
pub fn populate(crowd: &mut Crowd, target: SocketAddr, layout: Layout) -> anyhow::Result<Vec<Room>> {
    let mut sources = Sources::new(64);
    let mut rooms = Vec::with_capacity(layout.rooms);
    for number in 0..layout.rooms {
        let mut members = Vec::with_capacity(layout.members);
        for _ in 0..layout.members {
            let mut opening = Opening::upgrade(target, sources.take())?;
            opening.say(&number.to_string())?;
            opening.wait_for("live")?;
            members.push(crowd.join(opening)?);
        }
        rooms.push(Room { conversation: ConversationId::from_u128(number as u128), members });
    }
    Ok(rooms)
}

/// What to measure.
#[derive(Debug, Args)]
pub struct HopOptions {
    /// Messages per second.
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
    #[command(flatten)]
    timing: Timing,
}

/// A room of one is an echo.
pub fn run_hop(options: &HopOptions, cores: Cores) -> anyhow::Result<()> {
    process::pin(cores.generator)?;
    let (server, address) = start(ServerKind::Fan, 1, cores)?;
    let watched = [Watched { class: "raw".to_owned(), pid: server.pid() }];
    let clock = Clock::start();
    let mut crowd = Crowd::new()?;
    let rooms = populate(&mut crowd, address, Layout { rooms: 1, members: 1, rate: options.rate })?;
    let mut table = Table::new(
        format!("raw hop: one way = half of an echo's round trip, {}/s", options.rate),
        &["run", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms", "cpu_us/echo", "lost"],
    );
    for run in 1..=options.timing.runs {
        let outcome = open_loop(&mut crowd, &rooms, options.timing.offer(options.rate, false), &watched, &clock)?;
        let half = |quantile: f64| Cell::Figure(outcome.latency.ms(quantile) / 2.0, 3);
        table.row(vec![
            (run as u64).into(),
            half(0.5),
            half(0.9),
            half(0.99),
            half(0.999),
            half(1.0),
            outcome.cpu_us_per_frame().into(),
            outcome.lost().into(),
        ]);
    }
    table.print();
    Ok(())
}
