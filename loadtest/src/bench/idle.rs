//! G1: bytes of an idle socket, ours ÷ raw.

use super::{
    Goal, Options, Ratio, Ratios,
    servers::{Chat, Log},
};
use crate::{process::Cores, raw, scenario, service::Service};

pub(super) fn measure(options: &Options, cores: Cores, ratios: &mut Ratios) -> anyhow::Result<()> {
    let baseline = raw::idle::measure(&options.sizes, cores)?;
    let chat = Chat::start(options, &Log::Embedded, cores)?;
    let mut service = Service::new(chat.public, 0);
    let ours = scenario::idle::measure(&mut service, &options.sizes, options.sockets_per_user, chat.watched[0].pid)?;
    let ratio = ours.resident_slope() / baseline.resident_slope();
    ratios.add(Ratio {
        metric: format!("G1 idle sockets {}", sizes(&options.sizes)),
        unit: "resident bytes",
        baseline: baseline.resident_slope(),
        ours: ours.resident_slope(),
        ratio,
        spread: format!("MB {}", ours.text()),
        goal: Goal::AtMost { must: 3.0, target: 2.0 },
        void: String::new(),
    });
    Ok(())
}

fn sizes(sizes: &[usize]) -> String {
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("–")
}
