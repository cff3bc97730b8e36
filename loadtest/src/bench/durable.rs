//! G4: durable sends per second, ours over NATS ÷ publishes to a server like it. On the embedded log, ours alone.
//!
//! This is a rate and no cost, so everything that takes part has the same cores, on either side. Were servers and
//! generator apart, the baseline's publisher would have a core to itself, and the gateway, which publishes in its
//! place, would share one with the log (ADR 8).

use super::{
    Goal, Options, Ratio, Ratios,
    servers::{Chat, Log, Nats},
};
use crate::{
    crowd::Crowd,
    drive::{Capacity, closed_loop},
    process::{self, Cores, check_files},
    raw::append::{Appends, baseline},
    scenario::append::alone,
    service::Service,
    stamp::Clock,
    stats::Runs,
};

pub(super) fn measure(options: &Options, log: &Log, apart: Cores, ratios: &mut Ratios) -> anyhow::Result<()> {
    let cores = apart.together();
    process::pin(cores.generator)?;
    let measured = in_turns(options, log, cores, ratios);
    process::pin(apart.generator)?;
    measured
}

fn in_turns(options: &Options, log: &Log, cores: Cores, ratios: &mut Ratios) -> anyhow::Result<()> {
    check_files(options.in_flight)?;
    let clock = Clock::start();
    let mut crowd = Crowd::new()?;
    let chat = Chat::start(options, log, cores)?;
    // A socket's messages to one conversation are appended one after the other: so many sockets as messages in flight.
    let layout = alone(options.in_flight);
    let rooms = Service::new(chat.public, 0).populate(&mut crowd, layout, options.sockets_per_user)?;
    // A server of its own: the streams of ours cost the other nothing.
    let raw = match log {
        Log::Embedded => None,
        Log::Nats { nats, .. } => Some(Nats::start(nats, cores)?),
    };
    let mut table = Figures::default();
    for _ in 0..options.timing.runs {
        let raw_run = match &raw {
            Some(nats) => Some(baseline(&nats.url, options.in_flight, options.timing.window, &[nats.watched()])?),
            None => None,
        };
        let offer = options.timing.offer(1.0, true);
        let ours = closed_loop(&mut crowd, &rooms, options.in_flight, offer, &chat.watched, &clock)?;
        table.push(raw_run.as_ref(), &ours);
    }
    table.report(options, log, ratios);
    Ok(())
}

#[derive(Default)]
struct Figures {
    raw_rate: Runs,
    our_rate: Runs,
    rate: Runs,
    raw_p99: Runs,
    our_p99: Runs,
    p99: Runs,
    void: String,
}

impl Figures {
    fn push(&mut self, raw: Option<&Appends>, ours: &Capacity) {
        let (raw_rate, raw_p99) = raw.map_or((f64::NAN, f64::NAN), |raw| (raw.per_second, raw.ack.ms(0.99)));
        self.raw_rate.push(raw_rate);
        self.our_rate.push(ours.per_second());
        self.rate.push(ours.per_second() / raw_rate);
        self.raw_p99.push(raw_p99);
        self.our_p99.push(ours.ack.ms(0.99));
        self.p99.push(ours.ack.ms(0.99) / raw_p99);
        if ours.errors > 0 {
            self.void = format!("{} errors {}", ours.errors, ours.first_error.as_deref().unwrap_or_default());
        }
    }

    fn report(self, options: &Options, log: &Log, ratios: &mut Ratios) {
        let judged = |goal| if matches!(log, Log::Embedded) { Goal::None } else { goal };
        ratios.add(Ratio {
            metric: format!("G4 durable sends, {} in flight, {}", options.in_flight, log.name()),
            unit: "acks/s",
            baseline: self.raw_rate.median(),
            ours: self.our_rate.median(),
            ratio: self.rate.median(),
            spread: self.rate.text(2),
            goal: judged(Goal::AtLeast { must: 0.7, target: 0.9 }),
            void: self.void.clone(),
        });
        ratios.add(Ratio {
            metric: format!("G4b ack p99, {} in flight, {}", options.in_flight, log.name()),
            unit: "ms",
            baseline: self.raw_p99.median(),
            ours: self.our_p99.median(),
            ratio: self.p99.median(),
            spread: self.p99.text(2),
            goal: judged(Goal::AtMost { must: 2.0, target: 1.3 }),
            void: self.void,
        });
    }
}
