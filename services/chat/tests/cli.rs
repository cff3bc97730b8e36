//! The binary as an operator meets it on a command line.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const USER: &str = "01M814RE33CM9JD7GD6ZSAEKF4";

/// The binary in a directory of its own, with no environment but what a test gives.
struct Shell {
    home: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
}

impl Shell {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), env: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }

    fn writes(&self, file: &str, text: &str) {
        std::fs::write(self.home.path().join(file), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
        command.current_dir(self.home.path()).args(args).stdin(Stdio::null()).env_clear();
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a verb to its end, which must come soon.
    fn runs(&self, args: &[&str]) -> Output {
        let mut child = self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        ended(&mut child);
        child.wait_with_output().unwrap()
    }

    fn prints(&self, args: &[&str]) -> String {
        let output = self.runs(args);
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a verb that must fail; its words on stderr.
    fn is_refused(&self, args: &[&str]) -> String {
        let output = self.runs(args);
        assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        stderr(&output)
    }

    /// Starts a node on free ports.
    fn starts(&self, args: &[&str]) -> Node {
        let free = ["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"];
        let mut command = self.command(&[&free, args].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut words = String::new();
            child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
            panic!("did not start: {words}");
        }
        Node { child, line }
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running node. Dropping it kills it.
struct Node {
    child: Child,
    /// What it said on stdout.
    line: String,
}

impl Node {
    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    fn exits(mut self) -> Option<i32> {
        ended(&mut self.child)
    }
}

/// The exit code. A process that runs on for half a minute is killed, and the test fails.
fn ended(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("still running");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let ping = |shell: &Shell, args: &[&str]| {
        let config = shell.prints(&[&["config"], args].concat());
        config.lines().find(|line| line.starts_with("ping_interval = ")).unwrap().to_owned()
    };
    let shell = Shell::new();
    shell.writes("chat.toml", "[gateway]\nping_interval = \"24s\"\n");
    let file = ["--config", "chat.toml"];
    assert_eq!(ping(&shell, &[]), "ping_interval = \"25s\"  # default");
    assert_eq!(ping(&shell, &file), "ping_interval = \"24s\"  # file");

    let shell = shell.with("CHAT_GATEWAY_PING_INTERVAL", "23s");
    assert_eq!(ping(&shell, &file), "ping_interval = \"23s\"  # environment CHAT_GATEWAY_PING_INTERVAL");
    let flag = [&file[..], &["--gateway-ping-interval", "22s"]].concat();
    assert_eq!(ping(&shell, &flag), "ping_interval = \"22s\"  # flag --gateway-ping-interval");
}

#[test]
fn secrets_are_never_printed() {
    let shell = Shell::new().with("CHAT_AUTH_KEYS", "hunter2").with("CHAT_LOG", "nats://me:hunter3@10.0.0.1");
    let config = shell.prints(&["config"]);
    assert!(config.contains("keys = \"***\"  # environment CHAT_AUTH_KEYS"), "{config}");
    assert!(config.contains("log = \"nats://***@10.0.0.1\""), "{config}");
    assert!(!shell.is_refused(&["token", "mint", USER]).contains("hunter"));
}

#[test]
fn unknown_keys_and_wrong_values_are_refused() {
    let shell = Shell::new();
    shell.writes("chat.toml", "[auth]\nkeys_fil = \"x\"\n");
    let refused = shell.is_refused(&["config", "--config", "chat.toml"]);
    assert!(refused.contains("unknown key `auth.keys_fil`; did you mean `auth.keys_file`?"), "{refused}");

    let refused = Shell::new().with("CHAT_LOG_RETENTION", "60").is_refused(&["config"]);
    assert!(refused.contains("CHAT_LOG_RETENTION"), "{refused}");
}

#[test]
fn the_documented_settings_are_those_there_are() {
    let documented =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md")).unwrap();
    assert_eq!(documented, Shell::new().prints(&["config", "--docs"]), "run `make generate`");
}

#[test]
fn the_committed_openapi_document_is_the_one_that_is_served() {
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json")).unwrap();
    // More than a pipe holds: read while it runs.
    let output = Shell::new().command(&["openapi"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(committed.as_bytes() == output.stdout, "run `make generate`");
}

#[test]
fn the_documented_metrics_are_those_there_are() {
    let documented = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md")).unwrap();
    assert_eq!(documented, Shell::new().prints(&["metrics"]), "run `make generate`");
}

#[test]
fn a_wrong_role_is_an_error_and_never_a_default() {
    let refused = Shell::new().is_refused(&["gatway"]);
    assert!(refused.contains("gatway"), "{refused}");
}

#[test]
fn one_role_needs_a_cluster() {
    for role in ["gateway", "persister"] {
        let refused = Shell::new().is_refused(&[role]);
        assert!(refused.contains("--log and --store"), "{refused}");
    }
    let refused = Shell::new().is_refused(&["--log", "nats://127.0.0.1"]);
    assert!(refused.contains("without --store"), "{refused}");
}

#[test]
fn keys_are_made_rotated_and_used() {
    let shell = Shell::new();
    shell.writes("keys.json", &shell.prints(&["token", "keys"]));
    let rotated = shell.prints(&["token", "keys", "--rotate", "keys.json"]);
    assert!(rotated.contains("previous"), "rotation keeps the old key");

    let token = shell.prints(&["token", "mint", USER, "--auth-keys-file", "keys.json"]);
    assert_eq!(token.trim().split('.').count(), 3, "a JWT");
    assert!(shell.is_refused(&["token", "mint", USER]).contains("there are no keys yet"));
}

#[test]
fn a_taken_port_is_said_in_plain_words() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _held = TcpListener::bind(taken).unwrap();
    for flag in ["--listen", "--ops-listen"] {
        let other = if flag == "--ops-listen" { "--listen" } else { "--ops-listen" };
        let refused = Shell::new().is_refused(&[flag, &taken.to_string(), other, "127.0.0.1:0"]);
        assert!(refused.contains(&format!("{taken} is taken by another process")), "{refused}");
        assert!(refused.contains(flag), "{refused}");
    }
}

#[test]
fn data_that_another_process_holds_is_said_in_plain_words() {
    let shell = Shell::new();
    let _node = shell.starts(&[]);
    let refused = shell.is_refused(&["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"]);
    assert!(refused.contains("another process holds the data"), "{refused}");
}

#[test]
fn it_says_where_it_listens_and_ends_on_a_signal() {
    let node = Shell::new().starts(&[]);
    let words: Vec<_> = node.line.split_whitespace().collect();
    assert!(matches!(words[..], ["listening", public, ops]
        if public.starts_with("public=127.0.0.1:") && ops.starts_with("ops=127.0.0.1:") && !node.line.contains(":0 ")));

    node.signal(rustix::process::Signal::TERM);
    assert_eq!(node.exits(), Some(0));
}
