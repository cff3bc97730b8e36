//! The whole product runs with the rights that deploy/nats gives each role, and nobody can do more.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use chat_testkit::play::{Cluster, Play};
use chat_testkit::process::Chat;
use chat_testkit::program::{Program, free_port, loopback, nats_try, tool};
use tokio::time::{Instant, sleep};

use super::files::{self, prints};
use super::world::World;

const SOON: Duration = Duration::from_secs(60);
const PASSWORDS: [(&str, &str); 4] = [
    ("gateway", "for-gateways"),
    ("persister", "for-persisters"),
    ("presence", "for-presence"),
    ("admin", "for-the-operator"),
];

/// Who is there is known soon.
const BRIEF: [&str; 4] = ["--presence-lease", "3s", "--presence-beat", "1s"];

/// A server with our users and rights, on loopback.
struct Server {
    program: Program,
    address: SocketAddr,
}

impl Server {
    async fn start() -> anyhow::Result<Self> {
        let (mut program, address) = (Program::prepare("nats-server")?, loopback(free_port()));
        shipped(program.dir())?;
        let top =
            format!("server_name: $NATS_NAME\nlisten: \"{address}\"\ninclude ./server.conf\ninclude ./users.conf\n");
        std::fs::write(program.dir().join("top.conf"), top)?;
        let mut command = command(program.dir())?;
        command.args(["--config", "top.conf"]);
        program.launch(&mut command, move || nats_try(address, "admin", "for-the-operator", "PING").map(drop)).await?;
        Ok(Self { program, address })
    }

    /// What is refused when a role says this.
    fn refuses(&self, role: &str, line: &str) -> anyhow::Result<bool> {
        let password = PASSWORDS.iter().find(|(name, _)| *name == role).map_or("", |(_, password)| *password);
        Ok(nats_try(self.address, role, password, line)?
            .is_some_and(|refusal| refusal.contains("Permissions Violation")))
    }
}

/// The files as an operator lays them out.
fn shipped(dir: &Path) -> anyhow::Result<()> {
    for file in files::of("deploy/nats")? {
        std::fs::copy(&file, dir.join(file.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

fn command(dir: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(tool("nats-server")?);
    command
        .current_dir(dir)
        .env("NATS_NAME", "nats-0")
        .env("NATS_STORE_DIR", dir.join("data"))
        .env("NATS_STORE_BYTES", "1GB");
    command
        .env("NATS_ROUTE_PASSWORD", "between-servers")
        .env("NATS_ROUTES", r#"["nats://route:between-servers@nats-1:6222"]"#);
    for (role, password) in PASSWORDS {
        command.env(format!("NATS_{}_PASSWORD", role.to_uppercase()), password);
    }
    Ok(command)
}

#[test]
fn a_server_takes_every_configuration_that_is_shipped() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    shipped(dir.path())?;
    for top in ["nats.conf", "server-of-three.conf"] {
        prints(command(dir.path())?.args(["-t", "--config", top]))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_runs_on_the_rights_of_its_roles() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let world = World::with_log(&format!("nats://{}", server.address)).await?;
    let gateway = ["--log-user", "gateway", "--log-password", "for-gateways", "--log-create-streams", "false"];
    let gateway = [&gateway[..], &BRIEF].concat();
    let persister = ["--log-user", "persister", "--log-password", "for-persisters"];
    let mut gateways = [world.role("gateway", &gateway)?, world.role("gateway", &gateway)?];
    for gateway in &mut gateways {
        gateway.launch()?;
    }
    let mut persisters = [world.starts("persister", &persister).await?];
    let presence = ["--log-user", "presence", "--log-password", "for-presence", "--log-create-streams", "false"];
    let presence = [world.starts("presence", &[&presence[..], &BRIEF].concat()).await?];
    for gateway in &mut gateways {
        gateway.until_ready().await?;
    }

    let play = Play::at(gateways.iter().map(Chat::public));
    let (alice, bob) = (play.user_at("alice", 0).await?, play.user_at("bob", 1).await?);
    let room = play.room(&[&alice, &bob]).await?;
    for number in 0..20 {
        alice.says(&room, &format!("message {number}")).await?;
    }
    bob.hears("message 19").await?;
    bob.moves_on().await?;
    persisters[0].restart().await?;
    bob.says(&room, "after a resume").await?;
    alice.hears("after a resume").await?;
    until(async || Ok(Cluster::metric(&persisters, "chat_persister_lag_events").await? == 0.0)).await?;
    play.verdict(&[&alice, &bob], &[&room]).await?.assert_good();
    until(async || Ok(Cluster::metric(&presence, "chat_presence_leases").await? == 2.0)).await?;

    for process in gateways.iter().chain(&persisters).chain(&presence) {
        let log = std::fs::read_to_string(process.log())?;
        ensure!(!log.contains("refused something"), "a right is missing: {log}");
    }
    let log = std::fs::read_to_string(server.program.log())?;
    ensure!(!log.contains("Violation"), "a right is missing: {log}");
    nobody_can_do_more(&server)
}

/// Purging and deleting would lose messages, live subjects would show what was not stored, inboxes belong to one.
fn nobody_can_do_more(server: &Server) -> anyhow::Result<()> {
    let forbidden = [
        "PUB chat.live.0.00000000000000000000000001 0\r\n",
        "PUB $JS.API.STREAM.UPDATE.CHAT_0 0\r\n",
        "PUB $JS.API.STREAM.DELETE.CHAT_0 0\r\n",
        "PUB $JS.API.STREAM.MSG.DELETE.CHAT_0 0\r\n",
        "PUB $JS.API.STREAM.SNAPSHOT.CHAT_0 0\r\n",
        "PUB $JS.API.CONSUMER.DELETE.CHAT_0.persister 0\r\n",
        "PUB $JS.API.CONSUMER.CREATE.CHAT_0.another 0\r\n",
        "PUB $SYS.REQ.SERVER.PING 0\r\n",
        "SUB > 1",
        "SUB chat.log.> 1",
        "SUB _INBOX.> 1",
        "SUB chat.live.> everybody 1",
    ];
    for line in forbidden {
        // A gateway may read what is live, alone or in a queue group: it is what its users read.
        if !line.starts_with("SUB chat.live.>") {
            ensure!(server.refuses("gateway", line)?, "a gateway may say {line:?}");
        }
        ensure!(server.refuses("persister", line)?, "a persister may say {line:?}");
        ensure!(server.refuses("presence", line)?, "a presence worker may say {line:?}");
    }
    for line in [
        "PUB chat.log.0.00000000000000000000000001 0\r\n",
        "PUB chat.signal.revocations 0\r\n",
        "PUB $JS.API.STREAM.PURGE.CHAT_0 0\r\n",
        "PUB $JS.API.DIRECT.GET.CHAT_0 0\r\n",
        "SUB chat.live.> 1",
        "SUB _INBOX_gateway.> 1",
    ] {
        ensure!(server.refuses("presence", line)?, "a presence worker may say {line:?}");
    }
    for line in [
        "PUB $JS.API.STREAM.PURGE.CHAT_0 0\r\n",
        "PUB $JS.API.STREAM.CREATE.CHAT_0 0\r\n",
        "PUB $JS.API.CONSUMER.MSG.NEXT.CHAT_0.persister 0\r\n",
        "PUB $JS.ACK.CHAT_0.persister.1.1.1.1.1 0\r\n",
        "SUB _INBOX_persister.> 1",
    ] {
        ensure!(server.refuses("gateway", line)?, "a gateway may say {line:?}");
    }
    for line in ["PUB chat.signal.revocations 0\r\n", "SUB _INBOX_gateway.> 1", "SUB chat.signal.> 1"] {
        ensure!(server.refuses("persister", line)?, "a persister may say {line:?}");
    }
    // What is seldom done, and was not done above: jobs append, room is made, a log that went back is moved ahead. There is
    // no such shard, so nothing happens.
    for line in ["PUB chat.log.999.x 0\r\n", "PUB $JS.API.STREAM.PURGE.CHAT_999 0\r\n"] {
        ensure!(!server.refuses("persister", line)?, "a persister may not say {line:?}");
    }
    ensure!(!server.refuses("admin", "SUB > 1")?, "the control: the operator may");
    ensure!(nats_try(server.address, "gateway", "guessed", "PING").is_err(), "a wrong password");
    ensure!(nats_try(server.address, "nobody", "", "PING").is_err(), "a user that is not there");
    Ok(())
}

async fn until(holds: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + SOON;
    while !holds().await? {
        ensure!(Instant::now() < deadline, "not soon");
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
