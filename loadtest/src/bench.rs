//! `bench`: starts the chat server beside the raw baselines, measures them in turns, and prints ratios.
//!
//! Servers run on one core and the generator on another, so cost per delivery is comparable. Runs alternate, baseline
//! and ours, and medians are compared; a row whose generator proof fails is void.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::{
    layout::Layout,
    process::{self, Cores, facts},
    raw::{fan::Timing, idle::SIZES},
    report::{Cell, Table},
    scenario,
};

mod durable; // G4
mod fan; // G2
mod idle; // G1
mod presence; // G5
mod requests; // G6, G4d
mod servers; // what is started

use servers::Log;

/// What to start and to measure.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The server's program, built for release [default: the one beside this program]
    #[arg(long)]
    chat: Option<PathBuf>,
    /// A NATS server's program: durable sends and fan-out over it, if there is a store too [default: the one among the tools]
    #[arg(long)]
    nats_bin: Option<PathBuf>,
    /// A CQL server beside it: a chat server on NATS keeps its accounts there.
    #[arg(long, env = "CHAT_TEST_CQL")]
    cql: Option<SocketAddr>,
    /// The tools that `make tools` fetches.
    #[arg(long, env = "CHAT_TOOLS")]
    tools: Option<PathBuf>,
    /// More flags for the server, such as limits that a bench breaks: `--chat-arg=--flag=value`.
    #[arg(long, allow_hyphen_values = true)]
    chat_arg: Vec<String>,
    /// Rooms, sockets in each, messages per second over all.
    #[arg(long = "layout", default_values = ["1x1000@20", "500x10@1000"])]
    layouts: Vec<Layout>,
    /// Numbers of idle sockets.
    #[arg(long, value_delimiter = ',', default_values = SIZES)]
    sizes: Vec<usize>,
    /// Messages in flight for durable sends.
    #[arg(long, default_value_t = 1000)]
    in_flight: usize,
    /// Messages of the conversation whose pages are read.
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// Leave these out: `fan`, `idle`, `durable`, `presence`, `requests`.
    #[arg(long, value_delimiter = ',')]
    skip: Vec<Part>,
    /// Sockets of one user.
    #[arg(long, default_value_t = 20)]
    sockets_per_user: usize,
    #[command(flatten)]
    timing: Timing,
}

impl Options {
    fn chat(&self) -> anyhow::Result<PathBuf> {
        let program = match &self.chat {
            Some(given) => given.clone(),
            None => std::env::current_exe().context("find the own program")?.with_file_name("chat"),
        };
        ensure!(program.is_file(), "no server at {}: build it, or name it with --chat", program.display());
        Ok(program)
    }

    fn nats(&self) -> Option<PathBuf> {
        let among_tools = || Some(self.tools.as_ref()?.join("bin/nats-server")).filter(|program| program.is_file());
        self.nats_bin.clone().or_else(among_tools)
    }

    /// The same with more flags for the server.
    fn with_args(&self, args: &[&str]) -> Self {
        let mut more = self.clone();
        more.chat_arg.extend(args.iter().map(ToString::to_string));
        more
    }

    fn logs(&self) -> Vec<Log> {
        let cluster = self.nats().zip(self.cql).map(|(nats, cql)| Log::Nats { nats, cql });
        std::iter::once(Log::Embedded).chain(cluster).collect()
    }
}

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// G2.
    Fan,
    /// G1.
    Idle,
    /// G4.
    Durable,
    /// G5.
    Presence,
    /// G6, G4d.
    Requests,
}

/// Measures all and prints. A row that fails is printed as such, the others are measured all the same, and the run fails
/// in the end.
pub fn run(options: &Options, cores: Cores) -> anyhow::Result<()> {
    process::pin(cores.generator)?;
    let mut ratios = Ratios::new();
    let mut details = scenario::fan::table("runs, in the order they took place");
    let measured = |part| !options.skip.contains(&part);
    if measured(Part::Fan) {
        for &layout in &options.layouts {
            for log in options.logs() {
                let name = format!("G2 {layout}, {}", log.name());
                let fan = fan::measure(options, &log, layout, cores, &mut ratios, &mut details);
                ratios.note(name, fan);
            }
        }
    }
    if measured(Part::Idle) {
        let idle = idle::measure(options, cores, &mut ratios);
        ratios.note("G1 idle sockets", idle);
    }
    if measured(Part::Durable) {
        for log in options.logs() {
            let durable = durable::measure(options, &log, cores, &mut ratios);
            ratios.note(format!("G4 durable sends, {}", log.name()), durable);
        }
    }
    if measured(Part::Presence) {
        presence::measure(options, cores, &mut ratios);
    }
    if measured(Part::Requests) {
        for log in options.logs() {
            let requests = requests::measure(options, &log, cores, &mut ratios);
            ratios.note(format!("G6, G4d requests, {}", log.name()), requests);
        }
    }
    machine(options)?.print();
    details.print();
    ratios.table.print();
    ratios.verdict()
}

fn machine(options: &Options) -> anyhow::Result<Table> {
    let mut table = Table::new("machine", &["fact", "value"]);
    for (fact, value) in facts() {
        table.row(vec![fact.into(), value.into()]);
    }
    let version = std::process::Command::new(options.chat()?).arg("--version").output();
    let version = version.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    table.row(vec!["chat".into(), version.trim().into()]);
    table.row(vec!["runs".into(), (options.timing.runs as u64).to_string().into()]);
    table.row(vec!["window_s".into(), options.timing.window.to_string().into()]);
    Ok(table)
}

/// The goals' table.
struct Ratios {
    table: Table,
    /// Rows that could not be measured, and why.
    failed: Vec<String>,
}

/// A goal: how far from the baseline at most, or at least.
#[derive(Debug, Clone, Copy)]
enum Goal {
    AtMost {
        must: f64,
        target: f64,
    },
    AtLeast {
        must: f64,
        target: f64,
    },
    /// Reported without a judgement.
    None,
}

impl Goal {
    fn verdict(self, ratio: f64) -> &'static str {
        let (must, target) = match self {
            Self::AtMost { must, target } => (ratio <= must, ratio <= target),
            Self::AtLeast { must, target } => (ratio >= must, ratio >= target),
            Self::None => return "",
        };
        match (must, target) {
            (_, true) => "target",
            (true, false) => "must",
            (false, false) => "missed",
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost { must, target } => format!("≤ {must} · {target}"),
            Self::AtLeast { must, target } => format!("≥ {must} · {target}"),
            Self::None => String::new(),
        }
    }
}

/// One line of the goals' table.
struct Ratio {
    metric: String,
    unit: &'static str,
    baseline: f64,
    ours: f64,
    /// Median of the ratios of runs that followed each other, and their spread as text.
    ratio: f64,
    spread: String,
    goal: Goal,
    /// Why the row does not count; empty if it does.
    void: String,
}

impl Ratios {
    fn new() -> Self {
        let columns = ["metric", "unit", "baseline", "ours", "ratio", "ratio (least–most)", "must · target", "verdict"];
        Self { table: Table::new("ratios: ours ÷ raw baseline of the same run", &columns), failed: Vec::new() }
    }

    /// A row whose measurement failed stands in the table without a figure.
    fn note(&mut self, metric: impl Into<String>, measured: anyhow::Result<()>) {
        let Err(err) = measured else { return };
        let metric = metric.into();
        self.failed.push(format!("{metric}: {err:#}"));
        let mut row: Vec<Cell> = vec![metric.into()];
        row.extend((0..6).map(|_| Cell::from("")));
        row.push(format!("FAILED: {err:#}").into());
        self.table.row(row);
    }

    /// Fails if a row did.
    fn verdict(&self) -> anyhow::Result<()> {
        ensure!(self.failed.is_empty(), "{} rows were not measured: {}", self.failed.len(), self.failed.join("; "));
        Ok(())
    }

    fn add(&mut self, row: Ratio) {
        let verdict =
            if row.void.is_empty() { row.goal.verdict(row.ratio).to_owned() } else { format!("VOID: {}", row.void) };
        self.table.row(vec![
            row.metric.into(),
            row.unit.into(),
            row.baseline.into(),
            row.ours.into(),
            Cell::Figure(row.ratio, 3),
            row.spread.into(),
            row.goal.text().into(),
            verdict.into(),
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_knows_its_direction() {
        let cost = Goal::AtMost { must: 1.5, target: 1.2 };
        assert_eq!([1.1, 1.2, 1.4, 1.6].map(|ratio| cost.verdict(ratio)), ["target", "target", "must", "missed"]);
        let rate = Goal::AtLeast { must: 0.7, target: 0.9 };
        assert_eq!([0.95, 0.8, 0.5].map(|ratio| rate.verdict(ratio)), ["target", "must", "missed"]);
        assert_eq!(cost.verdict(f64::NAN), "missed", "what was not measured is not reached");
        assert_eq!(cost.text(), "≤ 1.5 · 1.2");
    }

    #[test]
    fn a_row_that_fails_costs_the_verdict_and_no_other_row() {
        let mut ratios = Ratios::new();
        ratios.note("G1", Ok(()));
        assert!(ratios.verdict().is_ok());
        ratios.note("G5", Err(anyhow::anyhow!("refused").context("start")));
        ratios.add(Ratio {
            metric: "G4".to_owned(),
            unit: "sends/s",
            baseline: 2.0,
            ours: 1.0,
            ratio: 0.5,
            spread: String::new(),
            goal: Goal::None,
            void: String::new(),
        });
        let text = ratios.table.text();
        assert!(text.contains("G5") && text.contains("FAILED: start: refused") && text.contains("G4"), "{text}");
        let failure = ratios.verdict().unwrap_err().to_string();
        assert_eq!(failure, "1 rows were not measured: G5: start: refused");
    }
}
