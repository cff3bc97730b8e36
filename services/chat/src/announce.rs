//! Says where the node listens: one line on stdout for programs, a few on a terminal for people.

use std::io::{self, IsTerminal, Write};

use crate::serve::Running;

/// `listening public=127.0.0.1:8080 ops=127.0.0.1:9090`: the real ports, also when 0 was asked for.
pub fn to_people_and_programs(running: &Running) {
    let addresses = running.addresses();
    let public = addresses.public.map(|address| format!(" public={address}")).unwrap_or_default();
    // Nobody reads stdout of a service whose parent has closed it, and that is no reason to stop serving.
    let _ = writeln!(io::stdout(), "listening{public} ops={}", addresses.ops);
    let _ = io::stdout().flush();

    tracing::info!(public = addresses.public.map(tracing::field::display), ops = %addresses.ops, "ready");
    if let Some(public) = addresses.public
        && io::stderr().is_terminal()
    {
        eprintln!(
            "\n  chat is ready: open http://{public}/ in two tabs and talk\n  health and metrics: http://{}/readyz\n",
            addresses.ops
        );
    }
}
