//! F32: thousands of clients, in several processes, lose their gateway at once and come to another one.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use chat_testkit::env::thorough;
use chat_testkit::play::{Cluster, Plan, Play};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

const BINARY: &str = env!("CARGO_BIN_EXE_chat");
const LIMITS: &[&str] = &["--gateway-sockets-per-address", "100000"];
const PROCESSES: usize = 4;
const QUERIES_OF_A_ROOM: f64 = 4.0;
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// Accounts cost a password each.
const ARRIVED_WITHIN: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn everybody_loses_a_gateway_at_once_and_comes_to_another() -> anyhow::Result<()> {
    // A room begins with a hundred members at most.
    let (clients, rooms_each) = if thorough() { (5_000, 16) } else { (400, 2) };
    let mut cluster = Cluster::start(BINARY, Plan { gateways: 2, gateway: LIMITS, ..Plan::default() }).await?;
    let addresses: Vec<String> = cluster.gateways.iter().map(|gateway| gateway.public().to_string()).collect();
    let mut crowds = Vec::new();
    for _ in 0..PROCESSES {
        let task = format!("{} {} {}\n", addresses.join(","), clients / PROCESSES, rooms_each);
        crowds.push(Crowd::start(&task).await?);
    }
    for crowd in &mut crowds {
        crowd.says("live", ARRIVED_WITHIN).await?;
    }
    let [first, other] = cluster.gateways.as_mut_slice() else { anyhow::bail!("two gateways") };
    let (before, queries, shed) = (rss_kib(first.pid()?)?, count(other, QUERIES).await?, count(other, SHED).await?);

    let cut = Instant::now();
    first.kill9();
    for crowd in &mut crowds {
        crowd.task.write_all(b"cut\n").await?;
    }
    let mut away = Vec::new();
    for crowd in &mut crowds {
        away.push(crowd.says("back", BACK_WITHIN + Duration::from_secs(30)).await?);
    }
    let took = cut.elapsed();
    let (after, queries) = (rss_kib(other.pid()?)?, count(other, QUERIES).await? - queries);
    let shed = count(other, SHED).await? - shed;
    println!(
        "{clients} clients back after {took:.1?} ({away:?}); {shed} were told to come later; {queries} store queries"
    );
    println!("the gateway that they left had {before} KiB, the one they came to has {after} KiB");
    ensure!(took < BACK_WITHIN, "back after {took:?}");
    // Few clients are more than a hundredth: rooms are looked up behind their backs.
    let rooms = (PROCESSES * rooms_each) as f64;
    ensure!(
        queries <= (clients as f64 / 100.0).max(QUERIES_OF_A_ROOM * rooms),
        "{queries} store queries while {clients} came back"
    );
    ensure!(after as f64 <= before as f64 * 1.5, "{before} KiB became {after} KiB");
    ensure!(!thorough() || shed > 0.0, "nobody was shed: that was no storm");
    // Histories are read where accounts were made.
    first.restart().await?;
    for crowd in &mut crowds {
        let verdict = crowd.says("verdict", ARRIVED_WITHIN).await?;
        println!("{verdict}");
        ensure!(crowd.process.wait().await?.success(), "{verdict}");
    }
    Ok(())
}

const QUERIES: &str = "chat_store_query_seconds_count";
const SHED: &str = "chat_gateway_rate_limited_total";

async fn count(gateway: &chat_testkit::process::Chat, name: &str) -> anyhow::Result<f64> {
    Cluster::metric(std::slice::from_ref(gateway), name).await
}

fn rss_kib(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Many clients in another process: this program again, asked for the play below.
struct Crowd {
    process: Child,
    task: ChildStdin,
    words: Lines<BufReader<ChildStdout>>,
}

impl Crowd {
    async fn start(task: &str) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["clients_of_one_process", "--exact", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (mut input, output) = (process.stdin.take().context("piped")?, process.stdout.take().context("piped")?);
        input.write_all(task.as_bytes()).await?;
        Ok(Self { process, task: input, words: BufReader::new(output).lines() })
    }

    /// Waits until it says this word; what it says of it.
    async fn says(&mut self, word: &str, within: Duration) -> anyhow::Result<String> {
        let said = async {
            while let Some(line) = self.words.next_line().await? {
                if let Some((_, about)) = line.split_once(&format!("crowd {word}")) {
                    return Ok(about.trim().to_owned());
                }
            }
            anyhow::bail!("it ended before {word:?}")
        };
        timeout(within, said).await.with_context(|| format!("{word:?} within {within:?}"))?
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process of the play above, which starts it"]
async fn clients_of_one_process() -> anyhow::Result<()> {
    let task = told().await?;
    if task.is_empty() {
        return Ok(()); // Nobody started it with a task.
    }
    let [addresses, users, rooms] = task.trim().split(' ').collect::<Vec<_>>()[..] else { anyhow::bail!("{task}") };
    let gateways = addresses.split(',').map(str::parse).collect::<Result<Vec<_>, _>>()?;
    let play = Play::at(gateways).beginning_at(1);
    let crowd = play.crowd(users.parse()?, rooms.parse()?).await?;
    println!("crowd live");

    ensure!(!told().await?.is_empty(), "nobody said when");
    let began = Instant::now();
    while !crowd.users.iter().all(|user| user.away().len() == 1) {
        ensure!(began.elapsed() < BACK_WITHIN, "not all came back");
        sleep(Duration::from_millis(20)).await;
    }
    let mut away: Vec<Duration> = crowd.users.iter().flat_map(|user| user.away()).collect();
    away.sort_unstable();
    println!("crowd back median {:.1?}, last {:.1?}", away[away.len() / 2], away[away.len() - 1]);

    for (number, room) in crowd.rooms.iter().enumerate() {
        let speaker = crowd.users.iter().find(|user| room.has(user)).context("somebody is in it")?;
        speaker.says(room, &format!("after the storm {number}")).await?;
    }
    let verdict = crowd.verdict(&play).await?;
    println!("crowd verdict {verdict}");
    verdict.assert_good();
    Ok(())
}

/// The next line of what this process is told; empty when that has ended.
async fn told() -> anyhow::Result<String> {
    let line = || std::io::stdin().lines().next().transpose().map(Option::unwrap_or_default);
    Ok(tokio::task::spawn_blocking(line).await??)
}
