//! Alerts and dashboards name what the code counts, and each alert fires, is explained, and is quiet when all is well.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, ensure};
use chat_testkit::program::tool;

use super::files::{self, prints};

const RULES: [&str; 2] = ["deploy/prometheus/rules/recorded.yml", "deploy/prometheus/rules/alerts.yml"];

#[test]
fn prometheus_takes_the_rules_and_each_alert_fires_on_what_it_is_for() -> anyhow::Result<()> {
    let prometheus = files::root().join("deploy/prometheus");
    let promtool = || -> anyhow::Result<Command> {
        let mut command = Command::new(tool("promtool")?);
        command.current_dir(&prometheus);
        Ok(command)
    };
    prints(promtool()?.args(["check", "config", "prometheus.yml"]))?;
    prints(promtool()?.args(["check", "rules", "rules/recorded.yml", "rules/alerts.yml"]))?;
    for tests in files::of("deploy/prometheus/tests")? {
        prints(promtool()?.args(["test", "rules"]).arg(&tests))?;
    }

    let tests = files::text("deploy/prometheus/tests/alerts.yml")?;
    for alert in alerts()? {
        let fires = tests
            .split("  - name: ")
            .any(|test| test.starts_with(&format!("{alert}\n")) && test.contains("- exp_labels:"));
        ensure!(fires, "no test fires {alert}");
        ensure!(tests.contains(&format!("alertname: {alert}, exp_alerts: []")), "{alert} may fire when all is well");
    }
    Ok(())
}

#[test]
fn each_alert_has_its_paragraph_in_the_operations_manual() -> anyhow::Result<()> {
    let (rules, manual) = (files::text(RULES[1])?, files::text("docs/operations.md")?);
    let paragraphs: Vec<&str> = manual.split("\n### ").skip(1).collect();
    for alert in alerts()? {
        ensure!(rules.contains(&format!("runbook: docs/operations.md#{}\n", alert.to_lowercase())), "{alert}: where?");
        let paragraph = paragraphs.iter().find(|text| text.starts_with(&format!("{alert}\n")));
        let paragraph = paragraph.with_context(|| format!("{alert} is not explained"))?;
        for part in ["**Look**", "**Do**"] {
            ensure!(paragraph.contains(part), "{alert}: nothing says what to {part}");
        }
    }
    Ok(())
}

#[test]
fn rules_and_dashboards_name_only_what_the_code_counts() -> anyhow::Result<()> {
    let counted = counted()?;
    let mut readers = RULES.map(str::to_owned).to_vec();
    readers.extend(["deploy/prometheus/tests/alerts.yml".to_owned(), "k8s/prometheus-adapter.yaml".to_owned()]);
    for dashboard in files::of("deploy/grafana/dashboards")? {
        readers.push(dashboard.display().to_string());
    }
    for reader in &readers {
        let text = files::text(reader)?;
        for name in names(&text) {
            let base =
                ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
            ensure!(counted.contains(name) || counted.contains(base), "{reader} names {name}, which nothing counts");
        }
    }
    Ok(())
}

fn alerts() -> anyhow::Result<Vec<String>> {
    let rules = files::text(RULES[1])?;
    Ok(rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect())
}

/// The metrics of the code, by the files that hold them all.
fn counted() -> anyhow::Result<BTreeSet<String>> {
    let mut counted = BTreeSet::new();
    for folder in ["services", "shared"] {
        for part in files::of(folder)? {
            if let Ok(text) = std::fs::read_to_string(part.join("src/metrics.rs")) {
                let constants =
                    text.lines().filter(|line| line.contains("const ")).filter_map(|line| line.split('"').nth(1));
                counted.extend(constants.filter(|name| name.starts_with("chat_")).map(str::to_owned));
            }
        }
    }
    ensure!(counted.len() > 30, "not found: {counted:?}");
    Ok(counted)
}

/// Words like `chat_gateway_sockets`; recorded ones have colons and are Prometheus' own affair.
fn names(text: &str) -> BTreeSet<&str> {
    let part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == ':';
    let words = text.split(|c| !part(c)).filter(|word| word.starts_with("chat_"));
    words
        .filter(|word| {
            [
                "chat_gateway_",
                "chat_persister_",
                "chat_bus_",
                "chat_store_",
                "chat_presence_",
                "chat_canary_",
                "chat_build_",
            ]
            .iter()
            .any(|own| word.starts_with(own))
        })
        .collect()
}
