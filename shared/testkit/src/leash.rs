//! A child process that cannot outlive the test.
//!
//! It is killed when its handle is dropped. If the test itself is killed, or never drops the handle (a `static`), a
//! watcher sees the pipe to it close, kills the child and removes its files.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::time::{Instant, sleep};

/// Between two looks at a process that has no way to call us.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// As much of a log as helps to see why something did not start.
const LOG_TAIL_LINES: usize = 40;

#[derive(Debug)]
pub(crate) struct Leashed {
    name: String,
    child: Child,
    watcher: Child,
    log: PathBuf,
}

impl Leashed {
    /// Starts `command`; its output is added to the file `log`. `scratch` is removed when the test itself is gone.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path, scratch: &Path) -> anyhow::Result<Self> {
        let out = File::options().create(true).append(true).open(log).context("open the log")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("start {name}: {}", command.get_program().display()))?;
        let watcher = Command::new("sh")
            .args(["-c", r#"trap "" INT TERM HUP; read -r _; kill -9 "$0"; rm -rf "$1" || { sleep 1; rm -rf "$1"; }"#])
            .arg(child.id().to_string())
            .arg(scratch)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start the watcher")?;
        Ok(Self { name: name.to_owned(), child, watcher, log: log.to_owned() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours can be waited for")
    }

    /// SIGSTOP; it has stopped when this returns.
    pub(crate) fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)?;
        waitid(WaitId::Pid(self.unix_pid()), WaitIdOptions::STOPPED).context("wait until it has stopped")?;
        Ok(())
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    /// SIGTERM, without waiting.
    pub(crate) fn ask_to_end(&self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// If it is still there after `within`.
    pub(crate) async fn end(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            match self.ended() {
                Some(status) => return Ok(status),
                None if Instant::now() > deadline => bail!("{} has not ended after {within:?}", self.name),
                None => sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Asks `probe`, which may block for a moment, until it succeeds.
    ///
    /// # Errors
    /// If the process ends, or `within` is over, with the end of its log.
    pub(crate) async fn until<T: Send + 'static>(
        &mut self,
        within: Duration,
        probe: impl Fn() -> anyhow::Result<T> + Send + Sync + 'static,
    ) -> anyhow::Result<T> {
        let probe = Arc::new(probe);
        let deadline = Instant::now() + within;
        loop {
            let ended = self.ended();
            let asked = Arc::clone(&probe);
            let answer = tokio::task::spawn_blocking(move || asked()).await.context("probe")?;
            match (answer, ended) {
                (Ok(answer), None) => return Ok(answer),
                (_, Some(status)) => bail!("{} ended with {status}\n{}", self.name, self.log_tail()),
                (Err(error), None) if Instant::now() > deadline => {
                    bail!("{} is not ready after {within:?}: {error:#}\n{}", self.name, self.log_tail())
                }
                (Err(_), None) => sleep(LOOK_EVERY).await,
            }
        }
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill_process(self.unix_pid(), signal).with_context(|| format!("send {signal:?} to {}", self.name))
    }

    fn unix_pid(&self) -> Pid {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.expect("the system gave out this process id")
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let before_tail = log.lines().count().saturating_sub(LOG_TAIL_LINES);
        let tail: Vec<&str> = log.lines().skip(before_tail).collect();
        format!("--- the end of {}\n{}", self.log.display(), tail.join("\n"))
    }
}

impl Drop for Leashed {
    /// SIGKILL. The watcher goes before the child is reaped, so it can never hit a process id that was given out again.
    fn drop(&mut self) {
        let killed =
            [self.child.kill(), self.watcher.kill(), self.watcher.wait().map(drop), self.child.wait().map(drop)];
        for error in killed.into_iter().filter_map(Result::err) {
            tracing::warn!(name = self.name, %error, "cannot end a child process");
        }
    }
}

/// Where a process may be: what is asked of a stopped one is an error, not a hang.
#[derive(Debug)]
pub(crate) struct Slot {
    name: String,
    running: Option<Leashed>,
}

impl Slot {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), running: None }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn fill(&mut self, command: &mut Command, log: &Path, scratch: &Path) -> anyhow::Result<()> {
        ensure!(self.running.is_none(), "{} is running", self.name);
        self.running = Some(Leashed::start(&self.name, command, log, scratch)?);
        Ok(())
    }

    pub(crate) fn get(&mut self) -> anyhow::Result<&mut Leashed> {
        self.running.as_mut().with_context(|| format!("{} is not running", self.name))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_none()
    }

    /// SIGKILL; gone when this returns.
    pub(crate) fn kill9(&mut self) {
        self.running = None;
    }

    /// SIGTERM, and its exit status. It is killed if it has not ended after `within`, and that is an error.
    pub(crate) async fn terminate(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        self.get()?.ask_to_end()?;
        self.end(within).await
    }

    /// Waits until it ends by itself. It is killed if it has not after `within`, and that is an error.
    pub(crate) async fn end(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        let mut leashed = self.running.take().with_context(|| format!("{} is not running", self.name))?;
        leashed.end(within).await
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[tokio::test]
    async fn a_child_and_its_files_are_gone_when_the_test_is_killed() -> anyhow::Result<()> {
        let outer = tempfile::tempdir()?;
        let scratch = outer.path().join("scratch");
        std::fs::create_dir(&scratch)?;
        let mut sleeper = Leashed::start("sleeper", Command::new("sleep").arg("600"), &scratch.join("log"), &scratch)?;

        // What the system does to the pipes of a process that is killed.
        drop(sleeper.watcher.stdin.take());

        assert_eq!(sleeper.end(Duration::from_secs(20)).await?.signal(), Some(Signal::KILL.as_raw()));
        sleeper.watcher.wait()?;
        assert!(!scratch.exists(), "its files are still there");
        Ok(())
    }
}
