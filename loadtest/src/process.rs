//! The processes under test: where they run, what they cost.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use rustix::{
    process::{Resource, getrlimit, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// Where something may run.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// On one core alone.
    Core(usize),
    /// On either of two.
    Either(usize, usize),
}

/// Where servers run, and where the generator runs.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    /// Servers.
    pub server: Place,
    /// The generator.
    pub generator: Place,
}

impl Cores {
    /// Servers on one core, the generator on another: what a server costs can be compared.
    pub const fn apart(server: usize, generator: usize) -> Self {
        Self { server: Place::Core(server), generator: Place::Core(generator) }
    }

    /// The same cores for everybody: what all of them achieve together can be compared.
    pub const fn together(self) -> Self {
        let (Place::Core(first) | Place::Either(first, _)) = self.server;
        let (Place::Core(second) | Place::Either(_, second)) = self.generator;
        let both = Place::Either(first, second);
        Self { server: both, generator: both }
    }
}

/// Moves this thread, and what it starts from now on.
pub fn pin(place: Place) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    match place {
        Place::Core(core) => set.set(core),
        Place::Either(first, second) => [first, second].into_iter().for_each(|core| set.set(core)),
    }
    sched_setaffinity(None, &set).with_context(|| format!("move to {place:?}"))
}

/// A server that this process started. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    child: Child,
}

impl Server {
    /// Starts `command` at `place` and waits, at most `patience`, for the first line of its output that holds `word`.
    pub fn start(mut command: Command, place: Place, word: &str, patience: Duration) -> anyhow::Result<(Self, String)> {
        command.stdout(Stdio::piped());
        let name = command.get_program().to_owned();
        let mut server = Self::spawn(command, place)?;
        let output = server.child.stdout.take().expect("it was piped");
        let line = wait_for_line(output, word, patience).with_context(|| format!("{name:?} did not print '{word}'"))?;
        Ok((server, line))
    }

    /// Starts `command` at `place`. Its standard input ends when it is dropped.
    pub fn spawn(mut command: Command, place: Place) -> anyhow::Result<Self> {
        let before = sched_getaffinity(None).context("read the own cores")?;
        pin(place)?;
        let spawned = command.stdin(Stdio::piped()).spawn();
        sched_setaffinity(None, &before).context("move back")?;
        let child = spawned.with_context(|| format!("start {:?}", command.get_program()))?;
        Ok(Self { child })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            // Both may fail only because it has ended already, which is the aim.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the rest of the output too, so that the server never blocks on a full pipe.
fn wait_for_line(output: ChildStdout, word: &str, patience: Duration) -> anyhow::Result<String> {
    let (found, wait) = mpsc::sync_channel(1);
    let word = word.to_owned();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if line.contains(&word) {
                // The one line that is waited for; later ones find nobody.
                let _ = found.try_send(line);
            }
        }
    });
    wait.recv_timeout(patience).context("it ended or took too long")
}

/// The address after `key=` in a line such as `listening public=127.0.0.1:4000 ops=127.0.0.1:4001`.
pub fn address_in(line: &str, key: &str) -> anyhow::Result<SocketAddr> {
    let text = line
        .split_whitespace()
        .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
        .with_context(|| format!("no '{key}=' in '{line}'"))?;
    text.parse().with_context(|| format!("no address in '{text}'"))
}

/// A process whose cost is counted, under the name of its class.
#[derive(Debug, Clone)]
pub struct Watched {
    /// `gateway`, `log`, `store`, …
    pub class: String,
    /// Its process id.
    pub pid: u32,
}

impl std::str::FromStr for Watched {
    type Err = anyhow::Error;

    /// `123` or `gateway=123`.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (class, pid) = text.split_once('=').unwrap_or(("server", text));
        Ok(Self { class: class.to_owned(), pid: pid.parse().context("a process id")? })
    }
}

/// CPU time, user and system, that the processes have used together.
pub fn cpu_of(watched: &[Watched]) -> anyhow::Result<Vec<Duration>> {
    watched.iter().map(|process| cpu_time(process.pid)).collect()
}

fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("no process {pid}"))?;
    let ticks = cpu_ticks(&stat).with_context(|| format!("read the times of process {pid}"))?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

/// `utime` + `stime`. The name in brackets may hold anything, so counting begins after the last bracket.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Resident bytes of a process.
pub fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .with_context(|| format!("read the memory of process {pid}"))?;
    kilobytes(&rollup, "Rss:").context("no Rss")
}

/// Bytes in the kernel's slab: sockets live there.
pub fn slab_bytes() -> anyhow::Result<u64> {
    kilobytes(&fs::read_to_string("/proc/meminfo")?, "Slab:").context("no Slab")
}

fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Allows as many open files as there may be, and refuses early what would fail in the middle: `sockets` and some to spare must fit the limit of open files.
pub fn check_files(sockets: usize) -> anyhow::Result<()> {
    let mut limits = getrlimit(Resource::Nofile);
    limits.current = limits.maximum;
    setrlimit(Resource::Nofile, limits).context("raise the limit of open files")?;
    let limit = limits.maximum.unwrap_or(u64::MAX);
    if (sockets + 200) as u64 > limit {
        bail!("{sockets} sockets do not fit the limit of {limit} open files");
    }
    Ok(())
}

/// What a figure depends on beside the code: kernel, processor, commit, profile.
pub fn facts() -> Vec<(&'static str, String)> {
    let first_line = |path: &str| fs::read_to_string(path).unwrap_or_default().lines().next().unwrap_or("?").to_owned();
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // Not what this process may use: it is pinned.
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let model = processors
        .lines()
        .find_map(|line| Some(line.strip_prefix("model name")?.trim_start_matches([' ', '\t', ':']).to_owned()));
    let commit = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output().ok();
    let commit = commit.and_then(|output| String::from_utf8(output.stdout).ok()).map(|text| text.trim().to_owned());
    vec![
        ("kernel", first_line("/proc/sys/kernel/osrelease")),
        ("cpu", model.unwrap_or_else(|| "?".to_owned())),
        ("cores", cores.to_string()),
        ("load", first_line("/proc/loadavg")),
        ("commit", commit.filter(|text| !text.is_empty()).unwrap_or_else(|| "?".to_owned())),
        ("generator_profile", if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "17 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(cpu_ticks("nonsense"), None);
    }

    #[test]
    fn the_own_process_costs_something() {
        let own = std::process::id();
        assert!(resident_bytes(own).unwrap() > 100_000);
        assert!(cpu_of(&[Watched { class: "self".into(), pid: own }]).unwrap()[0] < Duration::from_secs(3600));
    }

    #[test]
    fn addresses_are_read_from_the_ready_line() {
        let line = "listening public=127.0.0.1:4000 ops=127.0.0.1:4001";
        assert_eq!(address_in(line, "ops").unwrap().port(), 4001);
        assert!(address_in(line, "other").is_err());
    }

    #[test]
    fn a_watched_process_may_have_a_class() {
        let watched: Watched = "gateway=12".parse().unwrap();
        assert_eq!((watched.class.as_str(), watched.pid), ("gateway", 12));
        assert_eq!("7".parse::<Watched>().unwrap().class, "server");
        assert!("x".parse::<Watched>().is_err());
    }
}
