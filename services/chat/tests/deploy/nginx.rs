//! People talk through the proxy of deploy/nginx, over WebSockets, to several gateways.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::ensure;
use chat_testkit::play::{Cluster, Play};
use chat_testkit::process::Chat;
use chat_testkit::program::{Program, free_port, http_get, loopback, tool};

use super::files;
use super::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_goes_on_through_the_proxy_while_a_gateway_dies() -> anyhow::Result<()> {
    let world = World::open().await?;
    let trusting = ["--gateway-trusted-proxies", "127.0.0.0/8", "--gateway-linger", "1s"];
    let (first, second, _persister) = tokio::try_join!(
        world.starts("gateway", &trusting),
        world.starts("gateway", &trusting),
        world.starts("persister", &[])
    )?;
    let mut gateways = [first, second];
    let (_proxy, address) = before(&gateways).await?;

    let play = Play::at([address]);
    let users =
        [play.user("alice").await?, play.user("bob").await?, play.user("carol").await?, play.user("dan").await?];
    let [alice, bob, ..] = &users;
    let everybody: Vec<_> = users.iter().collect();
    let room = play.room(&everybody).await?;
    for gateway in &gateways {
        let sockets = Cluster::metric(std::slice::from_ref(gateway), "chat_gateway_connects_total").await?;
        ensure!(sockets > 0.0, "the proxy sends everybody to one gateway");
    }
    alice.says(&room, "through a proxy").await?;
    for user in &users {
        user.hears("through a proxy").await?;
    }

    gateways[0].kill9();
    bob.says(&room, "one is gone").await?;
    for user in &users {
        user.hears("one is gone").await?;
    }
    play.verdict(&everybody, &[&room]).await?.assert_good();
    Ok(())
}

/// nginx with our configuration, its addresses replaced by these.
async fn before(gateways: &[Chat]) -> anyhow::Result<(Program, SocketAddr)> {
    let (mut nginx, address) = (Program::prepare("nginx")?, loopback(free_port()));
    let shipped = files::text("deploy/nginx/nginx.conf")?;
    let mut lines: Vec<String> = shipped.lines().map(str::to_owned).collect();
    let servers = lines.iter().filter(|line| line.trim().starts_with("server gateway-")).count();
    ensure!(servers >= gateways.len(), "the example has {servers} gateways");
    let mut public = gateways.iter().map(Chat::public);
    lines.retain_mut(|line| match (line.trim().starts_with("server gateway-"), line.split_once("gateway-")) {
        (true, Some((before, after))) => match public.next() {
            Some(gateway) => {
                let rest = after.split_once(' ').map_or("", |(_, rest)| rest);
                *line = format!("{before}{gateway} {rest}");
                true
            }
            None => false,
        },
        _ => true,
    });
    let here = nginx.dir().display();
    let text = lines
        .join("\n")
        .replace("listen 8080", &format!("listen {address}"))
        .replace("worker_rlimit_nofile 200000;", "")
        .replace("worker_connections 100000;", "worker_connections 1000;")
        .replace("http {", &format!("http {{ client_body_temp_path {here}; proxy_temp_path {here}; fastcgi_temp_path {here}; uwsgi_temp_path {here}; scgi_temp_path {here};"));
    std::fs::write(nginx.dir().join("nginx.conf"), text)?;
    let mut command = Command::new(tool("nginx")?);
    let globals = format!("daemon off; pid {here}/nginx.pid; error_log stderr warn;");
    command.arg("-p").arg(nginx.dir()).args(["-c", "nginx.conf", "-g", &globals]);
    nginx.launch(&mut command, move || answers(address)).await?;
    Ok((nginx, address))
}

/// The console, from a gateway behind it.
fn answers(address: SocketAddr) -> anyhow::Result<()> {
    let (status, _) = http_get(address, "/")?;
    ensure!(status == 200, "answers {status}");
    Ok(())
}
