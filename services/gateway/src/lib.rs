//! The gateway: ends WebSockets and REST, appends what clients say to the log, hands on what the log stored.
//!
//! In reading order:

#![warn(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod config; // settings

mod app; // what every request and socket works with

mod accept; // connections in, bounded

mod upgrade; // from a request to a WebSocket

mod socket; // one WebSocket: does what its session says

mod session; // decides (pure)

mod bucket; // so many in so long (pure)

mod rate; // how much each may do

mod heartbeat; // when to ping (pure)

mod ws; // RFC 6455

mod outbox; // what waits to be written

mod conn; // a socket as the rest of the gateway sees it

mod hub; // conversations with a viewer here, and their sockets

mod delivery; // one event, encoded once per codec

mod send; // a message's way into the log

mod messages; // what is done with them once they are sent

mod control; // changes that must be serialised

mod recency; // when something last happened in a user's conversations

mod history; // reading back: store and tail, merged

mod signals; // what may be lost: markers, typing

mod presence; // who is there

mod unread; // what a reader has not seen

mod rest; // requests

mod console; // the web console

mod revoke; // sessions that end before their tokens do

mod relations; // blocks, as every gateway must know them

mod sweep; // what happens by time: pings, stalls, expiry

mod drain; // leaving without anybody noticing

mod chance; // randomness for secrets and ids

mod fault; // what a client is told

mod metrics; // names

use std::{sync::Arc, time::Duration};

use chat_auth::{Issuer, Keys, Passwords, ResumeSealer, Revocations, Verifier};
use chat_bus::Log;
use chat_protocol::Clock;
use chat_service::{Health, Shutdown};
use chat_store::Store;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    accept::Places, app::App, history::SharedReads, hub::Hub, presence::Presence, rate::Rates, recency::Quiet,
    signals::Signals,
};

pub use config::Config;
pub use metrics::describe as describe_metrics;
pub use presence::Leases;
pub use rest::document as openapi;

/// Who our tokens are for.
const AUDIENCE: &str = "chat";
/// Password checks at work, and waiting: 19 MiB and some 30 ms of a core each.
const PASSWORDS_AT_WORK: usize = 2;
const PASSWORDS_WAITING: usize = 64;

/// For what is still under way once the doors are closed: requests, appends, closing handshakes.
const FINISH: Duration = Duration::from_secs(10);

/// What a gateway needs from the outside.
pub struct Deps {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The cluster's secrets.
    pub keys: Keys,
    /// The public listener, bound.
    pub listener: TcpListener,
    /// What the operator is told.
    pub health: Health,
    /// How long the presence of its sockets counts.
    pub leases: Leases,
}

/// Serves until the shutdown's drain is over.
pub async fn run(config: Config, deps: Deps, shutdown: Shutdown) -> anyhow::Result<()> {
    let Deps { log, store, clock, keys, listener, health, leases } = deps;
    let hub = Hub::new(Arc::clone(&log), Arc::clone(&store), Arc::clone(&clock), config.hub());
    let app = Arc::new(App {
        issuer: Issuer::new(&keys, AUDIENCE, AUDIENCE),
        verifier: Verifier::new(&keys, AUDIENCE, AUDIENCE),
        sealer: ResumeSealer::new(&keys),
        revocations: Revocations::new(),
        quiet: Quiet::default(),
        reads: SharedReads::default(),
        signals: Signals::default(),
        presence: Presence::new(leases, clock.now()),
        rates: Rates::new(&config.limits),
        passwords: Passwords::new(PASSWORDS_AT_WORK, PASSWORDS_WAITING),
        places: Places::new(config.connections_max),
        config,
        hub,
        log,
        store,
        clock,
        health,
        shutdown: shutdown.clone(),
        doors: CancellationToken::new(),
    });
    app.hub.begin().await;
    let presence = app.begin_presence();
    let background = [
        tokio::spawn({
            let app = Arc::clone(&app);
            async move { app.hub.run().await }
        }),
        tokio::spawn(revoke::run(Arc::clone(&app))),
        tokio::spawn(relations::run(Arc::clone(&app))),
        tokio::spawn(sweep::run(Arc::clone(&app))),
        tokio::spawn(sweep::guard(Arc::clone(&app))),
        tokio::spawn(signals::write_marks(Arc::clone(&app))),
    ];
    tokio::join!(accept::run(listener, rest::router(Arc::clone(&app)), Arc::clone(&app)), drain::run(&app),);
    shutdown.finish(FINISH).await;
    signals::flush_marks(&app).await;
    presence::leave(&app).await;
    background.iter().chain(&presence).for_each(tokio::task::JoinHandle::abort);
    Ok(())
}
