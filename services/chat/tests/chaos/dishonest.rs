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
use chat_testkit::checker::Verdict;
use chat_testkit::play::{Play, Room, User};
use chat_testkit::seed::seeded;
use clap::Parser;
use rand::Rng;
use tempfile::TempDir;
use tokio::net::TcpListener;

const SENDS: usize = 100;
const FLAGS: [&str; 5] = ["chat", "--gateway-limits", "off", "--gateway-drain-window", "0s"];

/// A log that acknowledges before it stores, and dies in between now and then: the control of every kill.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledging_too_early_is_found() -> anyhow::Result<()> {
    let stage = Stage::with(Faults { append_lost: 0.2, ..Faults::default() }).await?;
    stage.alice.moves_on().await?;
    for number in 0..SENDS {
        stage.alice.says(&stage.room, &format!("kept or not {number}")).await?;
    }

    let verdict = stage.verdict().await?;
    assert_eq!(verdict.counts.acked, SENDS, "{verdict}");
    assert!(!verdict.lost.is_empty(), "the loss went unnoticed: {verdict}");
    Ok(())
}

/// A log that forgets every nonce at once: the control of repeated sends.
#[tokio::test(flavor = "multi_thread")]
async fn forgetting_what_was_sent_is_found() -> anyhow::Result<()> {
    let stage = Stage::with(Faults { dedupe_off: true, ..Faults::default() }).await?;
    let elsewhere = stage.play.device_of(&stage.alice, 1).await?;
    for _ in 0..SENDS {
        let client_id = stage.alice.client().mint();
        stage.alice.says_as(client_id, &stage.room, "twice").await?;
        elsewhere.says_as(client_id, &stage.room, "twice").await?;
    }

    let verdict = stage.verdict().await?;
    assert!(verdict.doubled.len() >= SENDS, "doubles went unnoticed: {verdict}");
    Ok(())
}

/// Two users at an honest gateway, and a second gateway over the same log, with faults.
struct Stage {
    play: Play,
    alice: User,
    bob: User,
    room: Room,
    shutdown: Shutdown,
    _data: TempDir,
}

impl Stage {
    async fn with(faults: Faults) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let database = open_database(data.path())?;
        let store: Arc<dyn Store> = Arc::new(chat_store::Embedded::open(database.clone(), SystemClock)?);
        let honest: Arc<dyn Log> = Arc::new(Embedded::open(database, Options::default())?);
        let faulty: Arc<dyn Log> =
            Arc::new(Faulty::over(Arc::clone(&honest), Faults { seed: seeded().random(), ..faults }));

        let (keys, shutdown) = (Keys::generate(&mut rand::rng()), Shutdown::new());
        let honest = gateway(honest, Arc::clone(&store), keys.clone(), &shutdown).await?;
        let faulty = gateway(faulty, store, keys, &shutdown).await?;
        let play = Play::at([honest, faulty]);
        let (alice, bob) = (play.user_at("alice", 0).await?, play.user_at("bob", 0).await?);
        let room = play.room(&[&alice, &bob]).await?;
        Ok(Self { play, alice, bob, room, shutdown, _data: data })
    }

    async fn verdict(&self) -> anyhow::Result<Verdict> {
        self.play.verdict(&[&self.alice, &self.bob], &[&self.room]).await
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.drain();
    }
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
    let deps = Deps {
        log,
        store,
        clock: Arc::new(SystemClock),
        keys,
        listener,
        health: Health::new(),
        leases: chat_gateway::Leases::default(),
    };
    tokio::spawn(chat_gateway::run(Cli::parse_from(FLAGS).settings.gateway, deps, shutdown.clone()));
    Ok(address)
}
