//! Our binary as users run it: started with arguments, talked to only over its sockets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::env;
use crate::leash::{Leashed, Slot};
use crate::wire::{free_port, http_get, loopback};

const READY_WITHIN: Duration = Duration::from_secs(60);
/// Roles that serve no users, so have no public listener.
const BEHIND: [&str; 3] = ["persister", "presence", "canary"];

/// All users of a test come from one address, and are quick; a test of one of these limits names its own.
const OPEN: [&str; 12] = [
    "--gateway-limit-requests",
    "--gateway-limit-anonymous",
    "--gateway-limit-logins-name",
    "--gateway-limit-logins-address",
    "--gateway-limit-registrations",
    "--gateway-limit-sends",
    "--gateway-limit-sends-user",
    "--gateway-limit-conversation",
    "--gateway-limit-broadcast",
    "--gateway-limit-connects",
    "--gateway-limit-presence",
    "--gateway-limit-presence-all",
];

/// One process of the binary `chat`. Killed when dropped, and then its folder goes too.
///
/// It runs in a folder of its own (so `./chat-data` is its own too) and sees none of the tests' `CHAT_…` variables.
#[derive(Debug)]
pub struct Chat {
    slot: Slot,
    binary: PathBuf,
    args: Vec<String>,
    public: SocketAddr,
    ops: SocketAddr,
    dir: TempDir,
}

impl Chat {
    /// Starts `binary` (a test has it as `env!("CARGO_BIN_EXE_chat")`) with `args`, beginning with the role if any, on
    /// free ports, and waits until it says that it is ready.
    ///
    /// # Errors
    /// If it ends or is not ready in time, with the end of its log.
    pub async fn start(binary: impl AsRef<Path>, args: &[&str]) -> anyhow::Result<Self> {
        let mut chat = Self::prepare(binary, args)?;
        chat.launch()?;
        chat.until_ready().await?;
        Ok(chat)
    }

    /// As [`Chat::start`], but nothing runs before [`Chat::launch`] or [`Chat::restart`].
    ///
    /// # Errors
    /// If it cannot have a folder.
    pub fn prepare(binary: impl AsRef<Path>, args: &[&str]) -> anyhow::Result<Self> {
        let role = args.first().filter(|arg| !arg.starts_with('-')).unwrap_or(&"all");
        let (public, ops) = (loopback(free_port()), loopback(free_port()));
        let mut args: Vec<String> = args.iter().map(ToString::to_string).collect();
        args.extend(["--ops-listen".to_owned(), ops.to_string()]);
        if !BEHIND.contains(role) {
            args.extend(["--listen".to_owned(), public.to_string()]);
        }
        let dir = tempfile::Builder::new().prefix("chat-process.").tempdir()?;
        Ok(Self { slot: Slot::new(format!("chat {role}")), binary: binary.as_ref().to_owned(), args, public, ops, dir })
    }

    /// Where users connect, the same for its whole life.
    pub fn public(&self) -> SocketAddr {
        self.public
    }

    /// Where its operations listener answers.
    pub fn ops(&self) -> SocketAddr {
        self.ops
    }

    /// The folder it runs in.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The log of all its starts.
    pub fn log(&self) -> PathBuf {
        self.dir.path().join("chat.log")
    }

    /// Its process id.
    ///
    /// # Errors
    /// If it is not running.
    pub fn pid(&mut self) -> anyhow::Result<u32> {
        Ok(self.slot.get()?.pid())
    }

    /// `GET` from its operations listener: the status and the body.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let (ops, path) = (self.ops, path.to_owned());
        tokio::task::spawn_blocking(move || http_get(ops, &path)).await?
    }

    /// Starts it without waiting.
    ///
    /// # Errors
    /// If it is running, or cannot be started at all.
    pub fn launch(&mut self) -> anyhow::Result<()> {
        let mut args = self.args.clone();
        if args.iter().any(|arg| arg == "--listen") {
            let limits = OPEN.iter().filter(|limit| !self.args.iter().any(|arg| arg == *limit));
            for limit in limits.filter(|limit| knows(&self.binary, limit)) {
                args.extend([(*limit).to_owned(), "1000000/1s".to_owned()]);
            }
        }
        let mut command = command(&self.binary, &args, self.dir.path());
        self.slot.fill(&mut command, &self.log(), self.dir.path())
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Errors
    /// If it ends or is not ready in time, with the end of its log.
    pub async fn until_ready(&mut self) -> anyhow::Result<()> {
        let ops = self.ops;
        let ready = move || {
            let (status, body) = http_get(ops, "/readyz")?;
            ensure!(status == 200, "/readyz answers {status} {body}");
            Ok(())
        };
        self.slot.get()?.until(READY_WITHIN, ready).await
    }

    /// SIGKILL; gone when this returns. Nothing happens if it is down already.
    pub fn kill9(&mut self) {
        self.slot.kill9();
    }

    /// SIGTERM, and its exit status.
    ///
    /// # Errors
    /// If it is not running, or had to be killed because it had not ended after `within`.
    pub async fn terminate(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        self.slot.terminate(within).await
    }

    /// SIGTERM, without waiting: then [`Chat::end`].
    ///
    /// # Errors
    /// If it is not running.
    pub fn ask_to_end(&mut self) -> anyhow::Result<()> {
        self.slot.get()?.ask_to_end()
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// If it is not running, or had to be killed because it had not ended after `within`.
    pub async fn end(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        self.slot.end(within).await
    }

    /// Starts it again with the same arguments, addresses and folder (killing it first if it runs), and waits until it
    /// is ready.
    ///
    /// # Errors
    /// If it ends or is not ready in time, with the end of its log.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill9();
        self.launch()?;
        self.until_ready().await
    }

    /// Its next start runs another binary, with the same arguments, addresses and folder.
    pub fn becomes(&mut self, binary: impl AsRef<Path>) {
        binary.as_ref().clone_into(&mut self.binary);
    }

    /// SIGSTOP: it keeps its sockets and does nothing.
    ///
    /// # Errors
    /// If it is not running.
    pub fn pause(&mut self) -> anyhow::Result<()> {
        self.slot.get()?.pause()
    }

    /// SIGCONT, after [`Chat::pause`].
    ///
    /// # Errors
    /// If it is not running.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.slot.get()?.resume()
    }
}

/// What a verb of the binary (`chat migrate`, `chat config`) said.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed on standard output and standard error.
    pub output: String,
}

/// Runs `binary` to its end, in an empty folder, without the tests' `CHAT_…` variables.
///
/// # Errors
/// If it has not ended after `within` (then it is killed).
pub async fn run(binary: impl AsRef<Path>, args: &[&str], within: Duration) -> anyhow::Result<Finished> {
    let dir = tempfile::Builder::new().prefix("chat-process.").tempdir()?;
    let log = dir.path().join("chat.log");
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    let name = format!("chat {}", args.join(" "));
    let status =
        Leashed::start(&name, &mut command(binary.as_ref(), &args, dir.path()), &log, dir.path())?.end(within).await?;
    let output = std::fs::read(&log).context("read the output")?;
    Ok(Finished { status, output: String::from_utf8_lossy(&output).into_owned() })
}

/// Runs a program that `make tools` brought, to its end.
///
/// # Errors
/// If it is missing, or has not ended after `within` (then it is killed).
pub async fn run_tool(name: &str, args: &[&str], within: Duration) -> anyhow::Result<Finished> {
    run(env::tool(name)?, args, within).await
}

/// Whether a binary, perhaps of an earlier version, has this setting.
fn knows(binary: &Path, setting: &str) -> bool {
    static HELP: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());
    let mut help = HELP.lock().unwrap_or_else(PoisonError::into_inner);
    let help = help.entry(binary.to_owned()).or_insert_with(|| {
        let said = command(binary, &["all".to_owned(), "--help".to_owned()], Path::new("/")).output();
        said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default()
    });
    // What is started through another program cannot be asked; it is this version.
    !help.contains("--ops-listen") || help.contains(setting)
}

fn command(binary: &Path, args: &[String], dir: &Path) -> Command {
    let mut command = Command::new(binary);
    command.args(args).current_dir(dir).env("NO_COLOR", "1").stdin(Stdio::null());
    for name in env::ours() {
        command.env_remove(name);
    }
    command
}
