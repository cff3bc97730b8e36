//! The servers of the baselines: current-thread tokio and nothing that is not needed. Each ends with its standard input.

use std::{net::SocketAddr, process::Command, time::Duration};

use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::LocalSet,
};

use crate::process::{Cores, Server, address_in};

mod disk; // messages that are on disk first
mod fan; // rooms, and one write per socket

/// Which server.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum ServerKind {
    /// Repeats what a client says to all sockets of its room.
    Fan,
    /// The same, and every message is on disk before anybody sees it.
    FanStored,
    /// Accepts and waits.
    Idle,
    /// Upgrades and closes.
    Accept,
    /// One route with static JSON.
    Http,
}

impl ServerKind {
    const fn word(self) -> &'static str {
        match self {
            Self::Fan => "fan",
            Self::FanStored => "fan-stored",
            Self::Idle => "idle",
            Self::Accept => "accept",
            Self::Http => "http",
        }
    }
}

/// Starts a server in a process of its own, on the servers' core.
pub fn start(kind: ServerKind, copies: u64, cores: Cores) -> anyhow::Result<(Server, SocketAddr)> {
    let mut command = Command::new(std::env::current_exe().context("find the own program")?);
    command.args(["raw", "serve", kind.word(), "--copies", &copies.to_string()]);
    let (server, line) = Server::start(command, cores.server, "listening", Duration::from_secs(10))?;
    let address = address_in(&line, "public")?;
    Ok((server, address))
}

/// The whole life of such a process.
pub(super) fn serve(kind: ServerKind, copies: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen")?;
        println!("listening public={}", listener.local_addr()?);
        tokio::select! {
            served = run(kind, listener, copies) => served,
            () = parent_gone() => Ok(()),
        }
    })
}

async fn run(kind: ServerKind, listener: TcpListener, copies: usize) -> anyhow::Result<()> {
    match kind {
        ServerKind::Fan => fan::serve(listener, copies, None).await,
        ServerKind::FanStored => fan::serve(listener, copies, Some(disk::Disk::new()?)).await,
        ServerKind::Idle => idle(listener).await,
        ServerKind::Accept => accept(listener).await,
        ServerKind::Http => http(listener).await,
    }
}

/// Standard input ends with the process that holds its other end. A thread of its own, since it cannot be polled.
async fn parent_gone() {
    let (ended, wait) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // Whatever comes, an end or an error: nobody is there any more.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = ended.send(());
    });
    // An error means that the thread is gone, which is an end as well.
    let _ = wait.await;
}

/// One parked task per socket: the least that tokio charges for a connection.
async fn idle(listener: TcpListener) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await.context("accept")?;
        tokio::task::spawn_local(async move {
            // Readiness may be a guess, so it is tried. The client never says anything: it waits, or it is gone.
            while stream.readable().await.is_ok() {
                match stream.try_read(&mut [0]) {
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    _ => break,
                }
            }
        });
    }
}

async fn accept(listener: TcpListener) -> anyhow::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await.context("accept")?;
        tokio::task::spawn_local(async move {
            // A client that leaves early is its own affair.
            let _ = upgrade(&mut stream).await;
        });
    }
}

const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Reads a request's head and answers 101.
async fn upgrade(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut head = [0; 2048];
    let mut filled = 0;
    while !head[..filled].ends_with(b"\r\n\r\n") {
        match stream.read(&mut head[filled..]).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
    }
    stream.write_all(SWITCHING).await
}

/// As large as a page of ten messages.
async fn http(listener: TcpListener) -> anyhow::Result<()> {
    let body = format!(r#"{{"items":[{}],"next":null}}"#, [super::http::ITEM; 10].join(","));
    let page = move || {
        let body = body.clone();
        async move { ([("content-type", "application/json")], body) }
    };
    let routes = axum::Router::new().route("/v1/page", axum::routing::get(page));
    axum::serve(listener, routes).await.context("serve")
}
