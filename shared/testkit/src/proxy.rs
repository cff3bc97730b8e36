//! A TCP proxy between two parts of the cluster: a network that fails on demand.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;
/// Chunks on their way in one direction; a sender beyond it waits, as on a full link.
const CHUNKS_IN_FLIGHT: usize = 64;
/// A throttled link passes something this often.
const THROTTLE_TICKS_PER_SECOND: usize = 20;

/// Which way bytes flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
    /// Either.
    Both,
}

/// What the network does, to connections that exist and to new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It passes everything.
    Pass,
    /// Everything arrives this much later, in order.
    Delay(Duration),
    /// Each connection passes this many bytes a second each way.
    Throttle(usize),
    /// Connections stay, nothing passes. What was sent arrives when this ends, as TCP would send it again.
    Hole(Way),
    /// Who reads from this way sees its end; the other way goes on.
    HalfClose(Way),
    /// Connections are closed (FIN), new ones at once.
    Cut,
    /// Connections are reset (RST), new ones at once.
    Reset,
}

/// A proxy on a port of its own, for many connections. Dropping it closes them.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    task: JoinHandle<()>,
}

/// What connections watch.
#[derive(Debug, Clone, Copy)]
struct Weather {
    mode: Mode,
    /// Grows when all connections that exist are to end.
    cuts: u64,
}

impl Proxy {
    /// Passes everything to `server`, which need not be there yet.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start(server: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("bind the proxy")?;
        let address = listener.local_addr()?;
        let (weather, watched) = watch::channel(Weather { mode: Mode::Pass, cuts: 0 });
        let task = tokio::spawn(accept(listener, server, watched));
        Ok(Self { address, weather, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on.
    pub fn set(&self, mode: Mode) {
        self.weather.send_modify(|weather| weather.mode = mode);
    }

    /// Closes the connections that exist; new ones are as the mode says.
    pub fn cut_all(&self) {
        self.weather.send_modify(|weather| weather.cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Mode {
    fn holds(self, way: Way) -> bool {
        matches!(self, Self::Hole(held) if held == way || held == Way::Both)
    }

    fn ends(self, way: Way) -> bool {
        matches!(self, Self::HalfClose(ended) if ended == way || ended == Way::Both)
    }

    fn delay(self) -> Duration {
        if let Self::Delay(delay) = self { delay } else { Duration::ZERO }
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, weather: watch::Receiver<Weather>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((client, _)) => drop(connections.spawn(connection(client, server, weather.clone()))),
            Err(error) => tracing::warn!(%error, "the proxy cannot accept"),
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(mut client: TcpStream, server: SocketAddr, weather: watch::Receiver<Weather>) {
    let mut ending = weather.clone();
    let born = ending.borrow_and_update().cuts;
    let ended = ending.wait_for(|now| now.cuts > born || matches!(now.mode, Mode::Cut | Mode::Reset));
    let mut upstream = None;
    let reset = tokio::select! {
        biased;
        ended = ended => ended.is_ok_and(|now| now.mode == Mode::Reset),
        () = pass(&mut client, &mut upstream, server, &weather) => false,
    };
    if reset {
        for stream in upstream.iter().chain([&client]) {
            // Nothing to do if it is gone already.
            let _gone = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
        }
    }
}

/// Passes bytes until both ways have ended or one of them fails.
async fn pass(
    client: &mut TcpStream,
    upstream: &mut Option<TcpStream>,
    server: SocketAddr,
    weather: &watch::Receiver<Weather>,
) {
    let Ok(stream) = TcpStream::connect(server).await else { return };
    let upstream = upstream.insert(stream);
    let (Ok(()), Ok(())) = (client.set_nodelay(true), upstream.set_nodelay(true)) else { return };
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = upstream.split();
    let up = one_way(from_client, to_server, Way::Up, weather.clone());
    let down = one_way(from_server, to_client, Way::Down, weather.clone());
    // A failure of one way ends the other: the connection is broken.
    let _broken = tokio::try_join!(up, down);
}

async fn one_way(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    way: Way,
    weather: watch::Receiver<Weather>,
) -> std::io::Result<()> {
    let (chunks, arriving) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let leave = async {
        leave(from, chunks, way, weather.clone()).await?;
        // What left still has to arrive.
        std::future::pending().await
    };
    tokio::select! {
        failed = leave => failed,
        arrived = arrive(arriving, to, way, weather.clone()) => arrived,
    }
}

/// Reads what is sent, and notes when it is due.
async fn leave(
    mut from: ReadHalf<'_>,
    chunks: mpsc::Sender<(Instant, Vec<u8>)>,
    way: Way,
    mut weather: watch::Receiver<Weather>,
) -> std::io::Result<()> {
    loop {
        pause_while_held(&mut weather, way).await;
        let mut chunk = Vec::with_capacity(CHUNK);
        let length = tokio::select! {
            biased;
            _ = weather.changed() => continue,
            length = from.read_buf(&mut chunk) => length?,
        };
        if length == 0 {
            return Ok(());
        }
        let due = Instant::now() + weather.borrow().mode.delay();
        if chunks.send((due, chunk)).await.is_err() {
            return Ok(());
        }
    }
}

/// Writes what is due, and the end when there is no more.
async fn arrive(
    mut chunks: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut to: WriteHalf<'_>,
    way: Way,
    mut weather: watch::Receiver<Weather>,
) -> std::io::Result<()> {
    let mut half_closed = weather.clone();
    tokio::select! {
        biased;
        _ = half_closed.wait_for(|now| now.mode.ends(way)) => {}
        written = async {
            while let Some((due, chunk)) = chunks.recv().await {
                sleep_until(due).await;
                write(&chunk, &mut to, way, &mut weather).await?;
            }
            Ok::<_, std::io::Error>(())
        } => written?,
    }
    to.shutdown().await
}

async fn write(
    mut chunk: &[u8],
    to: &mut WriteHalf<'_>,
    way: Way,
    weather: &mut watch::Receiver<Weather>,
) -> std::io::Result<()> {
    while !chunk.is_empty() {
        pause_while_held(weather, way).await;
        let mode = weather.borrow_and_update().mode;
        let Mode::Throttle(bytes_per_second) = mode else { return to.write_all(chunk).await };
        let bytes_per_second = bytes_per_second.max(1);
        let (now, later) = chunk.split_at(chunk.len().min(bytes_per_second.div_ceil(THROTTLE_TICKS_PER_SECOND)));
        to.write_all(now).await?;
        sleep(Duration::from_secs(1).mul_f64(now.len() as f64 / bytes_per_second as f64)).await;
        chunk = later;
    }
    Ok(())
}

async fn pause_while_held(weather: &mut watch::Receiver<Weather>, way: Way) {
    // An error says that the proxy was dropped: its connections end with it.
    let _dropped = weather.wait_for(|now| !now.mode.holds(way)).await;
}
