//! Alerts fire on what real processes show while real servers die: every scrape of the run is one minute for `promtool`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use chat_protocol::{ClientId, Clock, time::SystemClock};
use chat_testkit::play::{Cluster, Plan};
use chat_testkit::process::Chat;
use chat_testkit::program::{http_get, tool};
use tokio::time::sleep;

use super::files;
use super::world::BINARY;

/// Longer than the longest patience of the alerts that are provoked here (5 min), and the window behind their rates.
const ENOUGH: usize = 12;
const BETWEEN: Duration = Duration::from_millis(300);
/// While the store is away: its queries are given up after seconds.
const PATIENTLY: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn alerts_fire_on_what_real_processes_show() -> anyhow::Result<()> {
    let plan = Plan { gateways: 1, persisters: 1, presence: 1, own_cql: true, ..Plan::default() };
    let mut cluster = Cluster::start(BINARY, plan).await?;
    let server = format!("http://{}", cluster.gateways[0].public());
    let flags = ["canary", "--canary-server", &server, "--canary-password", "an old song of mine"];
    let quick = ["--canary-interval", "100ms", "--canary-patience", "1s"];
    let canary = Chat::start(BINARY, &[&flags[..], &quick].concat()).await?;
    let play = cluster.play();
    let alice = play.user("alice").await?;
    let room = play.room(&[&alice]).await?;

    let send = format!("{server}/v1/conversations/{}/messages", room.id);
    let http = reqwest::Client::builder().timeout(Duration::from_secs(2)).build()?;
    let token = alice.token().expose().to_owned();
    let talk = async || {
        for _ in 0..3 {
            let id = ClientId::ulid(SystemClock.now().as_ms().unsigned_abs(), rand::random());
            let body = serde_json::json!({ "client_id": id, "text": "is anybody there" });
            let _answer = http.post(&send).bearer_auth(&token).json(&body).send().await;
        }
    };
    let mut seen = Scrapes::of(&[
        ("gateway", cluster.gateways[0].ops()),
        ("persister", cluster.persisters[0].ops()),
        ("presence", cluster.presence[0].ops()),
        ("canary", canary.ops()),
    ]);

    seen.minutes(ENOUGH, &talk).await;
    seen.nobody_fires();

    cluster.nats.kill9();
    seen.minutes(ENOUGH, &talk).await;
    seen.fires(&["ChatLogAway", "ChatSendsFail", "ChatCanaryFails"]);
    cluster.nats.restart().await?;

    cluster.persisters[0].kill9();
    cluster.presence[0].kill9();
    seen.minutes(ENOUGH, &talk).await;
    seen.fires(&["ChatNoPersister", "ChatNoPresence", "ChatNodeDown"]);
    cluster.persisters[0].restart().await?;

    cluster.cql.as_mut().context("a server of its own")?.kill9();
    seen.between = PATIENTLY;
    seen.minutes(ENOUGH, &talk).await;
    seen.fires(&["ChatStoreFails", "ChatPersistersStuck"]);
    seen.between = BETWEEN;

    cluster.gateways[0].kill9();
    seen.minutes(ENOUGH, &talk).await;
    seen.fires(&["ChatNoGateway", "ChatNodeDown"]);
    seen.judge()
}

/// What each process said, minute by minute, and what is expected of it.
struct Scrapes {
    targets: Vec<(&'static str, SocketAddr)>,
    minutes: usize,
    between: Duration,
    series: BTreeMap<String, BTreeMap<usize, String>>,
    expected: String,
    wanted: BTreeSet<String>,
}

impl Scrapes {
    fn of(targets: &[(&'static str, SocketAddr)]) -> Self {
        let rules = ["recorded", "alerts"].map(|name| files::text(&format!("deploy/prometheus/rules/{name}.yml")));
        let rules = rules.into_iter().flatten().collect::<String>();
        let words =
            rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("chat_"));
        Self {
            targets: targets.to_vec(),
            minutes: 0,
            between: BETWEEN,
            series: BTreeMap::new(),
            expected: String::new(),
            wanted: words.map(str::to_owned).collect(),
        }
    }

    async fn minutes(&mut self, count: usize, meanwhile: &impl AsyncFn()) {
        for _ in 0..count {
            meanwhile().await;
            sleep(self.between).await;
            for (role, address) in self.targets.clone() {
                let said = tokio::task::spawn_blocking(move || http_get(address, "/metrics")).await;
                let said = said.ok().and_then(Result::ok).filter(|(status, _)| *status == 200).map(|(_, text)| text);
                self.keep(role, said.as_deref());
            }
            self.minutes += 1;
        }
    }

    fn keep(&mut self, role: &str, said: Option<&str>) {
        let labels = format!(r#"job="chat",role="{role}",instance="{role}-1:9090""#);
        let up = if said.is_some() { "1" } else { "0" };
        self.put(format!("up{{{labels}}}"), up);
        for line in said.unwrap_or_default().lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let (name, own) = name.split_once('{').map_or((name, ""), |(name, own)| (name, own.trim_end_matches('}')));
            if self.wanted.contains(name) && value.parse::<f64>().is_ok_and(f64::is_finite) {
                let comma = if own.is_empty() { "" } else { "," };
                self.put(format!("{name}{{{own}{comma}{labels}}}"), value);
            }
        }
    }

    fn put(&mut self, series: String, value: &str) {
        self.series.entry(series).or_default().insert(self.minutes, value.to_owned());
    }

    fn nobody_fires(&mut self) {
        self.expect(r#"count(ALERTS{alertstate="firing"}) or vector(0)"#, 0);
    }

    fn fires(&mut self, alerts: &[&str]) {
        for alert in alerts {
            self.expect(&format!(r#"count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > bool 0"#), 1);
        }
    }

    /// Of what was seen so far.
    fn expect(&mut self, query: &str, value: u8) {
        let at = self.minutes - 1;
        let _ = writeln!(self.expected, "      - eval_time: {at}m");
        let _ = writeln!(self.expected, "        expr: '{query}'");
        let _ = writeln!(self.expected, "        exp_samples: [{{labels: '{{}}', value: {value}}}]");
    }

    fn judge(&self) -> anyhow::Result<()> {
        let rules = files::root().join("deploy/prometheus/rules");
        let mut tests = format!("rule_files: ['{}/*.yml']\nevaluation_interval: 1m\ntests:\n", rules.display());
        tests.push_str("  - interval: 1m\n    input_series:\n");
        for (series, values) in &self.series {
            let at = |minute: usize| values.get(&minute).map_or("stale", String::as_str);
            let values: Vec<&str> = (0..self.minutes).map(at).collect();
            let _ = writeln!(tests, "      - series: '{series}'\n        values: '{}'", values.join(" "));
        }
        let _ = write!(tests, "    promql_expr_test:\n{}", self.expected);
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("run.yml");
        std::fs::write(&file, tests)?;
        println!("{} series over {} scrapes", self.series.len(), self.minutes);
        files::prints(Command::new(tool("promtool")?).args(["test", "rules"]).arg(&file)).map(drop)
    }
}
