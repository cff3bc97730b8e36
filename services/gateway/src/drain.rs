//! Leaving without anybody noticing: not ready at once, then every socket sent away at its own moment, then the doors.

use std::time::Duration;

use chat_protocol::{
    ErrorCode,
    frame::{Goaway, GoawayReason, ServerFrame},
};
use tokio::time::{Instant, sleep};

use crate::{app::App, metrics};

/// Between two looks at who is still here.
const LOOK: Duration = Duration::from_millis(100);

/// Waits for the drain, goes through with it and closes the doors.
pub async fn run(app: &App) {
    app.shutdown.draining().await;
    // Readiness fails from now on, and whoever routes connections hears of it in a while: until then all are served.
    sleep(app.config.drain_delay()).await;
    send_away(app).await;
    app.doors.cancel();
    for conn in app.hub.conns() {
        conn.close(ErrorCode::Draining, "this gateway stops");
    }
}

/// Tells every socket when to leave, and waits for the last one, at most for the window.
async fn send_away(app: &App) {
    let conns = app.hub.conns();
    let window = app.config.drain_window();
    let deadline_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    let deadline = Instant::now() + window;
    for (place, conn) in conns.iter().enumerate() {
        // Spread over half of the window: the other half is for coming back elsewhere.
        let after_ms = deadline_ms / 2 * place as u64 / conns.len() as u64;
        conn.send(&ServerFrame::Goaway(Goaway { reason: GoawayReason::Drain, after_ms, deadline_ms }));
        metrics::sent_away();
    }
    drop(conns);
    loop {
        let here = app.hub.conns().len();
        metrics::drain_remaining(here);
        if here == 0 || Instant::now() >= deadline {
            return;
        }
        sleep(LOOK).await;
    }
}
