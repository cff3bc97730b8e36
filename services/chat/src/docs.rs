//! `chat config --docs`: the page about settings, from the settings themselves.

use chat_service::config;
use clap::CommandFactory;

use crate::cli::Cli;

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
