//! Attacks on one gateway, in a short form: slow clients, too many of them, one that floods. Others are served meanwhile.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use chat_testkit::play::Play;
use chat_testkit::process::Chat;
use futures_util::future::try_join_all;
use reqwest::Client;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

const BINARY: &str = env!("CARGO_BIN_EXE_chat");
/// What slow clients may hold a place for, and a busy machine on top.
const SLOW_MAX: Duration = Duration::from_secs(12 + 8);
const ATTACKERS: usize = 300;

fn open_files(pid: u32) -> anyhow::Result<usize> {
    Ok(std::fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd"))?.count())
}

/// Time on the processor so far.
fn busy(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().context("stat")?.split_whitespace().collect();
    let ticks: u64 = fields.get(11..13).context("stat")?.iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

async fn until(what: &str, within: Duration, mut so: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + within;
    while !so().await? {
        ensure!(Instant::now() < deadline, "{what}: not within {within:?}");
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// F30
#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_lose_their_places_and_others_are_served() -> anyhow::Result<()> {
    let mut chat = Chat::start(BINARY, &[]).await?;
    let pid = chat.pid()?;
    let play = Play::at([chat.public()]);
    let (alice, bob) = (play.user("alice").await?, play.user("bob").await?);
    let room = play.room(&[&alice, &bob]).await?;
    let before = open_files(pid)?;

    let reports = tempfile::tempdir()?;
    let attacks = [
        ("/v1/users/me", &["-H", "-t", "GET"][..]),
        ("/v1/users", &["-B", "-t", "POST", "-f", "application/json"]),
        ("/", &["-X", "-t", "GET"]),
    ];
    let attacks = attacks.map(|(path, how)| {
        let (url, count) = (format!("http://{}{path}", chat.public()), ATTACKERS.to_string());
        let mut command = Command::new("slowhttptest");
        command.args(how).args(["-u", &url, "-c", &count, "-r", &count, "-i", "3", "-l", "18", "-p", "5"]);
        command.current_dir(&reports).kill_on_drop(true);
        async move { command.output().await.context("slowhttptest") }
    });
    let attacks = tokio::spawn(try_join_all(attacks));
    until("they came", Duration::from_secs(10), async || Ok(open_files(pid)? >= before + 2 * ATTACKERS)).await?;
    let held = Instant::now();
    let mut served = 0;
    while open_files(pid)? > before + 10 {
        ensure!(held.elapsed() < SLOW_MAX, "{} places are still held", open_files(pid)? - before);
        let text = format!("number {served}");
        alice.says(&room, &text).await?;
        bob.hears(&text).await?;
        served += 1;
        sleep(Duration::from_millis(20)).await;
    }
    println!("{} slow clients gone after {:?}, {served} messages meanwhile", 3 * ATTACKERS, held.elapsed());
    attacks.await??;
    assert_eq!(chat.pid()?, pid);
    Ok(())
}

/// F33
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_free_descriptors_says_so_and_recovers() -> anyhow::Result<()> {
    let mut chat = Chat::start("prlimit", &["--nofile=512", BINARY, "all"]).await?;
    let pid = chat.pid()?;
    let mut crowd = Vec::new();
    for _ in 0..1_000 {
        crowd.push(TcpStream::connect(chat.public()).await?);
    }
    until("it is full", Duration::from_secs(5), async || Ok(chat.get("/readyz").await?.0 == 503)).await?;
    let (_, readiness) = chat.get("/readyz").await?;
    let reason = serde_json::from_str::<Value>(&readiness)?["reasons"][0].as_str().map(str::to_owned);
    ensure!(reason.is_some_and(|reason| reason.starts_with("connections: all ")), "{readiness}");
    let before = busy(pid)?;
    let watched = Instant::now();
    while watched.elapsed() < Duration::from_secs(2) {
        assert_eq!(chat.get("/livez").await?.0, 200, "health is not served");
        sleep(Duration::from_millis(100)).await;
    }
    let share = (busy(pid)? - before).as_secs_f64() / watched.elapsed().as_secs_f64();
    println!("{:.0} % of a core while full", share * 100.0);
    ensure!(share < 0.5, "busy with being full: {share}");

    // The first thousand hold every place and the queue behind: who says something there is told to go elsewhere.
    let url = format!("http://{}/v1/users/me", chat.public());
    let mut overflow = None;
    for socket in crowd.iter_mut().rev().take(600) {
        use tokio::io::AsyncWriteExt;
        let _ = socket.write_all(b"GET /v1/users/me HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut answer = vec![0; 1024];
        if let Ok(Ok(read)) = timeout(Duration::from_millis(500), socket.read(&mut answer)).await {
            let answer = String::from_utf8_lossy(answer.get(..read).unwrap_or_default()).into_owned();
            if answer.starts_with("HTTP/1.1 503") {
                overflow = Some(answer.to_ascii_lowercase());
                break;
            }
        }
    }
    let overflow = overflow.context("nobody was told that it is full")?;
    ensure!(overflow.contains("retry-after: ") && overflow.contains(r#""code":"overloaded""#), "{overflow}");
    drop(crowd);
    let http = Client::new();
    until("it serves again", Duration::from_secs(5), async || {
        Ok(http.get(&url).send().await.is_ok_and(|answer| answer.status() == 401))
    })
    .await?;
    until("it is ready again", Duration::from_secs(5), async || Ok(chat.get("/readyz").await?.0 == 200)).await
}

/// F31
#[tokio::test(flavor = "multi_thread")]
async fn one_that_floods_is_held_back_and_others_are_not() -> anyhow::Result<()> {
    let flags = ["--gateway-limit-sends", "30/10s", "--gateway-limit-connects", "20/1s"];
    let trusted = ["--gateway-trusted-proxies", "127.0.0.0/8"];
    let chat = Chat::start(BINARY, &[&flags[..], &trusted].concat()).await?;
    let play = Play::at([chat.public()]);
    let (alice, bob, mallory) = (play.user("alice").await?, play.user("bob").await?, play.user("mallory").await?);
    let (room, hers) = (play.room(&[&alice, &bob]).await?, play.room(&[&mallory]).await?);

    // The client tries again by itself what it is told to try later, so what it is told is seen at the gateway.
    let flood = async { futures_util::future::join_all((0..500).map(|_| mallory.says(&hers, "buy"))).await };
    let held_back = async {
        let began = Instant::now();
        until("the flood is held back", Duration::from_secs(10), async || {
            let (_, metrics) = chat.get("/metrics").await?;
            Ok(metrics
                .lines()
                .any(|line| line.starts_with("chat_gateway_rate_limited_total") && line.contains("enforced")))
        })
        .await?;
        anyhow::Ok(began.elapsed())
    };
    let held_back = async {
        tokio::select! {
            told = held_back => told,
            sent = flood => anyhow::bail!("all {} were taken", sent.len()),
        }
    };
    let http = Client::new();
    let storm = try_join_all((0..1_000).map(|_| {
        let request = http.get(format!("http://{}/v1/ws", chat.public())).header("x-forwarded-for", "198.51.100.7");
        let request = request.header("connection", "upgrade").header("upgrade", "websocket");
        let request = request.header("sec-websocket-version", "13");
        async {
            Ok::<_, reqwest::Error>(
                request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==").send().await?.status(),
            )
        }
    }));
    let talk = async {
        for number in 0..20 {
            let text = format!("number {number}");
            alice.says(&room, &text).await?;
            bob.hears(&text).await?;
        }
        anyhow::Ok(())
    };
    let (held_back, storm, talk) = tokio::join!(held_back, storm, talk);
    talk?;
    println!("the flood was held back after {:?}", held_back?);
    let storm = storm?;
    let shed = storm.iter().filter(|status| status.as_u16() == 503).count();
    println!("{shed} of {} connections of one address were shed", storm.len());
    ensure!(shed > storm.len() / 2, "{shed}");
    assert!(alice.lost().is_empty() && bob.lost().is_empty(), "others lost their sockets");
    Ok(())
}
