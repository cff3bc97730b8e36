//! G2: CPU-µs per delivered frame, ours ÷ raw, run by run.

use anyhow::bail;

use super::{
    Goal, Options, Ratio, Ratios,
    servers::{Chat, Log},
};
use crate::{
    crowd::Crowd,
    drive::{Offer, Outcome, Room, open_loop},
    layout::Layout,
    process::{Cores, Server, Watched, check_files},
    raw::{self, ServerKind, fan::populate},
    report::Table,
    scenario::fan::row,
    service::Service,
    stamp::Clock,
    stats::Runs,
};

/// The proof offers this much more than what is tested.
const PROOF: f64 = 1.5;
/// How late, at the 99th percentile, the generator may be itself.
const LATE_MS: f64 = 5.0;

/// One server's part of the crowd.
struct Side {
    name: String,
    rooms: Vec<Room>,
    watched: Vec<Watched>,
    acks: bool,
}

pub(super) fn measure(
    options: &Options,
    log: &Log,
    layout: Layout,
    cores: Cores,
    ratios: &mut Ratios,
    details: &mut Table,
) -> anyhow::Result<()> {
    check_files(layout.sockets() * 3)?;
    let clock = Clock::start();
    // All servers' sockets are one crowd: pings are answered while another one is measured.
    let mut crowd = Crowd::new()?;
    let raw = Baseline::start("raw", ServerKind::Fan, layout, cores, &mut crowd)?;
    // With the log in the process, the least it can cost has a disk too.
    let stored = matches!(log, Log::Embedded)
        .then(|| Baseline::start("raw, stored first", ServerKind::FanStored, layout, cores, &mut crowd))
        .transpose()?;
    let chat = Chat::start(options, log, cores)?;
    let ours = Side {
        name: format!("ours {layout}, {}", log.name()),
        rooms: Service::new(chat.public, 0).populate(&mut crowd, layout, options.sockets_per_user)?,
        watched: chat.watched.clone(),
        acks: true,
    };

    let offer = options.timing.offer(layout.rate, false);
    let proof = raw.side.run(&mut crowd, Offer { rate: layout.rate * PROOF, ..offer }, &clock)?;
    details.row(row(&format!("proof {layout} × {PROOF}"), 0, &proof, &raw.side.watched));
    let mut void = generator_is_late(&proof).unwrap_or_default();

    let mut figures = Figures::default();
    for run in 1..=options.timing.runs {
        let mut measure = |side: &Side| -> anyhow::Result<Outcome> {
            let outcome = side.run(&mut crowd, offer, &clock)?;
            details.row(row(&side.name, run, &outcome, &side.watched));
            Ok(outcome)
        };
        let bare = measure(&raw.side)?.cpu_us_per_frame();
        let stored = stored.as_ref().map(|stored| measure(&stored.side)).transpose()?;
        let outcome = measure(&ours)?;
        if let Some(stored) = stored.as_ref().filter(|stored| stored.lost() > 0) {
            void = format!("the baseline that stores lost {} frames", stored.lost());
        }
        if outcome.delivered == 0 {
            bail!("{} delivered nothing: {:?}", ours.name, outcome.first_error);
        }
        if let Some(reason) = incomplete(&outcome) {
            void = reason;
        }
        figures.bare.push(bare, outcome.cpu_us_per_frame());
        match stored {
            Some(stored) => figures.part.push(stored.cpu_us_per_frame(), outcome.cpu_us_per_frame()),
            None => figures.part.push(bare, outcome.cpu_us_per_frame_of(0)),
        }
    }
    figures.report(&format!("G2 {layout}, {}", log.name()), log, &void, ratios);
    Ok(())
}

/// A raw server, alive as long as this.
struct Baseline {
    side: Side,
    _server: Server,
}

impl Baseline {
    fn start(name: &str, kind: ServerKind, layout: Layout, cores: Cores, crowd: &mut Crowd) -> anyhow::Result<Self> {
        let (server, address) = raw::start(kind, 1, cores)?;
        let side = Side {
            name: format!("{name} {layout}"),
            rooms: populate(crowd, address, layout)?,
            watched: vec![Watched { class: "raw".to_owned(), pid: server.pid() }],
            acks: false,
        };
        Ok(Self { side, _server: server })
    }
}

#[derive(Default)]
struct Figures {
    /// Everything of ours beside a server that only writes to sockets.
    bare: Quotients,
    /// What can be compared: beside one that stores first; over NATS, the gateway alone.
    part: Quotients,
}

#[derive(Default)]
struct Quotients {
    baseline: Runs,
    ours: Runs,
    ratio: Runs,
}

impl Quotients {
    fn push(&mut self, baseline: f64, ours: f64) {
        self.baseline.push(baseline);
        self.ours.push(ours);
        self.ratio.push(ours / baseline);
    }

    fn row(&self, metric: String, goal: Goal, void: &str) -> Ratio {
        Ratio {
            metric,
            unit: "cpu_us/frame",
            baseline: self.baseline.median(),
            ours: self.ours.median(),
            ratio: self.ratio.median(),
            spread: self.ratio.text(2),
            goal,
            void: void.to_owned(),
        }
    }
}

impl Figures {
    fn report(&self, metric: &str, log: &Log, void: &str, ratios: &mut Ratios) {
        let goal = Goal::AtMost { must: 1.5, target: 1.2 };
        let (whole, part) = match log {
            Log::Embedded => (goal, "÷ raw that stores first"),
            // The log's process counts too, which the raw baseline knows nothing of.
            Log::Nats { .. } => (Goal::None, "the gateway alone"),
        };
        ratios.add(self.bare.row(metric.to_owned(), whole, void));
        ratios.add(self.part.row(format!("{metric}, {part}"), goal, void));
    }
}

impl Side {
    fn run(&self, crowd: &mut Crowd, offer: Offer, clock: &Clock) -> anyhow::Result<Outcome> {
        open_loop(crowd, &self.rooms, Offer { acks: self.acks, ..offer }, &self.watched, clock)
    }
}

/// Why the generator cannot be trusted at this rate.
fn generator_is_late(proof: &Outcome) -> Option<String> {
    let late = proof.lateness.ms(0.99);
    if proof.lost() > 0 {
        return Some(format!("the proof lost {} frames", proof.lost()));
    }
    (late > LATE_MS).then(|| format!("the generator was {late:.1} ms late in the proof"))
}

/// Why a run of ours is no result.
fn incomplete(outcome: &Outcome) -> Option<String> {
    let faults = [
        (outcome.lost(), "frames lost"),
        (outcome.doubled, "frames doubled"),
        (outcome.offered - outcome.accepted.min(outcome.offered), "messages not accepted"),
        (outcome.closed as u64, "sockets closed"),
    ];
    let (count, what) = faults.into_iter().find(|&(count, _)| count > 0)?;
    Some(format!("{count} {what} {}", outcome.first_error.as_deref().unwrap_or_default()))
}
