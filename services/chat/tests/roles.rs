//! The roles of a cluster as an operator starts them: on a real NATS server and a real CQL server.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use chat_testkit::process::Chat;
use chat_testkit::servers::{Cql, Keyspace, Nats, NatsOptions};

const BINARY: &str = env!("CARGO_BIN_EXE_chat");

/// Servers, keys and the flags that name them.
struct Cluster {
    nats: Nats,
    keyspace: Keyspace,
    keys: tempfile::NamedTempFile,
}

impl Cluster {
    async fn prepare() -> anyhow::Result<Self> {
        let nats = Nats::start(NatsOptions::default()).await?;
        let keyspace = Cql::shared().await?.keyspace().await?;
        let keys = tempfile::NamedTempFile::new()?;
        std::fs::write(keys.path(), runs(&["token", "keys"]).stdout)?;
        Ok(Self { nats, keyspace, keys })
    }

    /// A verb, and where everything is.
    fn flags(&self, verb: &str) -> Vec<String> {
        let keys = self.keys.path().to_string_lossy();
        let flags = [verb, "--log", &self.nats.url(), "--store", self.keyspace.url(), "--auth-keys-file", &keys];
        // One server holds one copy, and only a little.
        let small = ["--log-replicas", "1", "--log-shards", "2", "--log-bytes-max", "64MiB"];
        flags.iter().chain(&small).map(ToString::to_string).collect()
    }

    fn runs(&self, verb: &str) -> Output {
        let flags = self.flags(verb);
        runs(&flags.iter().map(String::as_str).collect::<Vec<_>>())
    }

    async fn starts(&self, role: &str) -> anyhow::Result<Chat> {
        let flags = self.flags(role);
        Chat::start(BINARY, &flags.iter().map(String::as_str).collect::<Vec<_>>()).await
    }
}

fn runs(args: &[&str]) -> Output {
    Command::new(Path::new(BINARY)).args(args).output().unwrap()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn they_refuse_a_store_without_schema_and_run_on_one_that_was_migrated() -> anyhow::Result<()> {
    let cluster = Cluster::prepare().await?;
    let unmigrated = cluster.runs("persister");
    assert!(!unmigrated.status.success());
    assert!(words(&unmigrated).contains("run `chat migrate`"), "{}", words(&unmigrated));

    let first = cluster.runs("migrate");
    assert!(first.status.success(), "{}", words(&first));
    assert!(words(&cluster.runs("migrate")).contains("up to date"), "the second time there is nothing to do");

    let (mut gateway, mut persister) = tokio::try_join!(cluster.starts("gateway"), cluster.starts("persister"))?;
    for node in [&gateway, &persister] {
        let (status, body) = node.get("/readyz").await?;
        assert_eq!(status, 200, "{body}");
        assert!(body.contains(r#""profile":"fast""#), "one copy is one disk: {body}");
        assert_eq!(node.get("/startupz").await?.0, 200);
    }
    for node in [&mut gateway, &mut persister] {
        assert!(node.terminate(Duration::from_secs(30)).await?.success());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_what_is_wrong() -> anyhow::Result<()> {
    let mut cluster = Cluster::prepare().await?;
    assert!(cluster.runs("migrate").status.success());
    let doctor = |cluster: &Cluster| {
        let mut flags = cluster.flags("doctor");
        flags.extend(["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"].map(str::to_owned));
        runs(&flags.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let healthy = doctor(&cluster);
    assert!(healthy.status.success(), "{}", words(&healthy));

    cluster.nats.kill9();
    let found = doctor(&cluster);
    assert!(!found.status.success());
    let report = words(&found);
    assert!(report.contains("BAD  log"), "{report}");
    assert!(report.contains("ok   store"), "{report}");
    Ok(())
}
