use std::net::SocketAddr;
use std::sync::Arc;

use chat::cli::Cli;
use chat_auth::Keys;
use chat_bus::Log;
use chat_bus::embedded::{Embedded, Options, open_database};
use chat_bus::faults::{Faults, Faulty};
use chat_gateway::Deps;
use chat_protocol::time::SystemClock;
use chat_service::{Health, Shutdown};
use chat_store::Store;
use chat_testkit::play::Play;
use chat_testkit::seed::seeded;
use clap::Parser;
use rand::Rng;
use tokio::net::TcpListener;

const SENDS: usize = 100;
const FLAGS: [&str; 5] = ["chat", "--gateway-frames-burst", "10000", "--gateway-drain-window", "0s"];

/// The negative control of every kill: of a gateway that acknowledges before the log does, and whose log dies in
/// between now and then, the checker says that it lost messages.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledging_too_early_is_found() -> anyhow::Result<()> {
    let mut chance = seeded();
    let dir = tempfile::tempdir()?;
    let database = open_database(dir.path())?;
    let store: Arc<dyn Store> = Arc::new(chat_store::Embedded::open(database.clone(), SystemClock)?);
    let honest: Arc<dyn Log> = Arc::new(Embedded::open(database, Options::default())?);
    let faults = Faults { seed: chance.random(), append_lost: 0.2, ..Faults::default() };
    let hasty: Arc<dyn Log> = Arc::new(Faulty::over(Arc::clone(&honest), faults));

    let (keys, shutdown) = (Keys::generate(&mut rand::rng()), Shutdown::new());
    let honest = gateway(honest, Arc::clone(&store), keys.clone(), &shutdown).await?;
    let hasty = gateway(hasty, store, keys, &shutdown).await?;
    let play = Play::at([honest, hasty]);
    let (alice, bob) = (play.user_at("alice", 0).await?, play.user_at("bob", 0).await?);
    let room = play.room(&[&alice, &bob]).await?;

    alice.moves_on().await?;
    for number in 0..SENDS {
        alice.says(&room, &format!("kept or not {number}")).await?;
    }

    let verdict = play.verdict(&[&alice, &bob], &[&room]).await?;
    assert_eq!(verdict.counts.acked, SENDS, "{verdict}");
    assert!(!verdict.lost.is_empty(), "the loss went unnoticed: {verdict}");
    shutdown.drain();
    Ok(())
}

/// A gateway in this process; it ends with the test.
async fn gateway(
    log: Arc<dyn Log>,
    store: Arc<dyn Store>,
    keys: Keys,
    shutdown: &Shutdown,
) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let deps = Deps { log, store, clock: Arc::new(SystemClock), keys, listener, health: Health::new() };
    tokio::spawn(chat_gateway::run(Cli::parse_from(FLAGS).settings.gateway, deps, shutdown.clone()));
    Ok(address)
}
