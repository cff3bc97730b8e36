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
    process::{Cores, Watched, check_files},
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
    check_files(layout.sockets() * 2)?;
    let clock = Clock::start();
    // Both servers' sockets are one crowd: pings are answered while the other one is measured.
    let mut crowd = Crowd::new()?;
    let (raw_server, address) = raw::start(ServerKind::Fan, 1, cores)?;
    let raw = Side {
        name: format!("raw {layout}"),
        rooms: populate(&mut crowd, address, layout)?,
        watched: vec![Watched { class: "raw".to_owned(), pid: raw_server.pid() }],
        acks: false,
    };
    let chat = Chat::start(options, log, cores)?;
    let ours = Side {
        name: format!("ours {layout}, {}", log.name()),
        rooms: Service::new(chat.public, 0).populate(&mut crowd, layout, options.sockets_per_user)?,
        watched: chat.watched.clone(),
        acks: true,
    };

    let offer = options.timing.offer(layout.rate, false);
    let proof = raw.run(&mut crowd, Offer { rate: layout.rate * PROOF, ..offer }, &clock)?;
    details.row(row(&format!("proof {layout} × {PROOF}"), 0, &proof, &raw.watched));
    let mut void = generator_is_late(&proof).unwrap_or_default();

    let (mut theirs, mut our, mut quotients) = (Runs::default(), Runs::default(), Runs::default());
    for run in 1..=options.timing.runs {
        let baseline = raw.run(&mut crowd, offer, &clock)?;
        details.row(row(&raw.name, run, &baseline, &raw.watched));
        let outcome = ours.run(&mut crowd, offer, &clock)?;
        details.row(row(&ours.name, run, &outcome, &ours.watched));
        if outcome.delivered == 0 {
            bail!("{} delivered nothing: {:?}", ours.name, outcome.first_error);
        }
        if let Some(reason) = incomplete(&outcome) {
            void = reason;
        }
        theirs.push(baseline.cpu_us_per_frame());
        our.push(outcome.cpu_us_per_frame());
        quotients.push(outcome.cpu_us_per_frame() / baseline.cpu_us_per_frame());
    }
    ratios.add(Ratio {
        metric: format!("G2 {layout}, {}", log.name()),
        unit: "cpu_us/frame",
        baseline: theirs.median(),
        ours: our.median(),
        ratio: quotients.median(),
        spread: quotients.text(2),
        // Over NATS the log's process counts too, which the raw baseline knows nothing of.
        goal: if matches!(log, Log::Embedded) { Goal::AtMost { must: 1.5, target: 1.2 } } else { Goal::None },
        void,
    });
    Ok(())
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
