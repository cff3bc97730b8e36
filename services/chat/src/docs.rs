//! `chat config --docs` and `chat metrics`: pages about settings and metrics, from their own declarations.

use chat_service::{catalogue, config};
use clap::CommandFactory;

use crate::cli::Cli;
use crate::serve::describe_metrics;

const INTRODUCTION: &str = "\
# Configuration

<!-- Made by `make generate` from the settings' own declarations: change those. -->

Every setting has one name in three spellings: a flag, an environment variable, and a key in the TOML file that
`--config` (or `CHAT_CONFIG`) names. A flag wins over the environment, that over the file, that over the default.
Unknown keys in the file are refused. `chat config` prints what is in force and where it came from, secrets masked.

Durations have a unit (`250ms`, `10s`, `15m`, `72h`, `30d`), sizes may have one (`64KiB`, `8GiB`). Lists are arrays in
the file, and have commas in the environment.

## At the top of the file

";

/// The page, as Markdown.
pub fn settings() -> String {
    format!("{INTRODUCTION}{}", config::reference(&Cli::command()))
}

const METRICS: &str = "\
# Metrics

<!-- Made by `make generate` from the metrics' own descriptions: change those. -->

Every process shows its own at `/metrics` of the operations listener (`--ops-listen`), in the Prometheus text format.
Labels come from closed sets: roles, codes, routes, shards; never a user, a conversation or an address. A metric with
labels appears when it first counts.

| metric | type | unit | what it means |
|---|---|---|---|
";

/// The page about metrics, as Markdown.
pub fn metrics() -> String {
    let rows = catalogue::of(describe_metrics).into_iter().map(|(name, described)| {
        let catalogue::Described { kind, description, unit } = described;
        format!("| `{name}` | {kind} | {} | {description} |\n", unit.unwrap_or_default())
    });
    METRICS.to_owned() + &rows.collect::<String>()
}
