//! A real Prometheus scrapes a real node with our rules, and every panel of every dashboard asks it something it knows.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chat_testkit::play::Play;
use chat_testkit::process::Chat;
use chat_testkit::program::{Program, free_port, http_get, loopback, tool};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::files;
use super::world::BINARY;

const SOON: Duration = Duration::from_secs(60);
/// What a short chat on one node shows in any case.
const SHOWN: [&str; 8] = [
    "chat:sockets:sum",
    "chat:sends:rate5m",
    "chat:deliveries:rate5m",
    "chat:append_seconds:p99_5m",
    "chat:delivery_seconds:p99_5m",
    "chat:lag_events:sum",
    "chat:log_fill:ratio",
    "chat:query_seconds:p99_5m",
];

#[tokio::test(flavor = "multi_thread")]
async fn dashboards_ask_prometheus_what_it_knows() -> anyhow::Result<()> {
    let chat = Chat::start(BINARY, &["all"]).await?;
    let (_prometheus, address) = prometheus(chat.ops()).await?;
    let play = Play::at([chat.public()]);
    let (alice, bob) = (play.user("alice").await?, play.user("bob").await?);
    let room = play.room(&[&alice, &bob]).await?;

    // Rates need a counter that moves between two looks.
    let deadline = Instant::now() + SOON;
    loop {
        alice.says(&room, "still here").await?;
        let mut missing = Vec::new();
        for name in SHOWN {
            let rows = ask(&address, name).await.with_context(|| name.to_owned())?;
            missing.extend(rows.is_empty().then_some(name));
        }
        if missing.is_empty() {
            break;
        }
        ensure!(Instant::now() < deadline, "never seen: {missing:?}");
        sleep(Duration::from_millis(200)).await;
    }

    let rules = get(&address, "/api/v1/rules", &[]).await?;
    for rule in rules["groups"].as_array().into_iter().flatten().flat_map(|group| group["rules"].as_array()).flatten() {
        ensure!(rule["health"] != "err", "{}: {}", rule["name"], rule["lastError"]);
    }
    for dashboard in files::of("deploy/grafana/dashboards")? {
        for (panel, query) in queries(&files::text(&dashboard.display().to_string())?)? {
            let query = query.replace("$__rate_interval", "1m");
            ask(&address, &query).await.with_context(|| format!("{}: {panel}: {query}", dashboard.display()))?;
        }
    }
    Ok(())
}

/// With our configuration, looking at one node, often.
async fn prometheus(node: SocketAddr) -> anyhow::Result<(Program, SocketAddr)> {
    let (mut prometheus, address) = (Program::prepare("prometheus")?, loopback(free_port()));
    let shipped = files::text("deploy/prometheus/prometheus.yml")?;
    let jobs = shipped.split("scrape_configs:").next().unwrap_or_default();
    let rules = files::root().join("deploy/prometheus/rules/*.yml");
    let here = jobs.replace("15s", "1s").replace("rules/*.yml", &rules.display().to_string());
    let job = format!(
        "{here}scrape_configs:\n  - job_name: chat\n    static_configs: [{{labels: {{role: all}}, targets: ['{node}']}}]\n"
    );
    std::fs::write(prometheus.dir().join("prometheus.yml"), job)?;
    let mut command = Command::new(tool("prometheus")?);
    command.args([
        "--config.file",
        "prometheus.yml",
        "--storage.tsdb.path",
        "data",
        "--web.listen-address",
        &address.to_string(),
    ]);
    let ready = move || match http_get(address, "/-/ready")? {
        (200, _) => Ok(()),
        (status, _) => bail!("answers {status}"),
    };
    prometheus.launch(&mut command, ready).await?;
    Ok((prometheus, address))
}

async fn ask(prometheus: &SocketAddr, query: &str) -> anyhow::Result<Vec<Value>> {
    let answer = get(prometheus, "/api/v1/query", &[("query", query)]).await?;
    answer["result"].as_array().cloned().context("a result")
}

async fn get(prometheus: &SocketAddr, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
    let url = reqwest::Url::parse_with_params(&format!("http://{prometheus}{path}"), query)?;
    let text = reqwest::get(url).await?.text().await?;
    let answer: Value = serde_json::from_str(&text)?;
    ensure!(answer["status"] == "success", "{text}");
    Ok(answer["data"].clone())
}

/// The queries of all panels, each with its panel's title.
fn queries(dashboard: &str) -> anyhow::Result<Vec<(String, String)>> {
    let dashboard: Value = serde_json::from_str(dashboard)?;
    let panels = dashboard["panels"].as_array().context("panels")?;
    let mut found = Vec::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        for target in panel["targets"].as_array().context("a panel asks something")? {
            let query = target["expr"].as_str().context("a query")?;
            found.push((panel["title"].to_string(), query.to_owned()));
        }
    }
    ensure!(!found.is_empty(), "nothing is asked");
    Ok(found)
}
