//! One name per setting, four places to set it: flag over environment over TOML file over default.
//!
//! A component writes a `clap::Args` struct beside the code that reads it; its doc comments are the `--help` lines and
//! its `default_value`s the only defaults. Nothing else is declared: `--persister-batch-rows` of a struct under
//! `#[command(next_help_heading = "persister")]` is also `CHAT_PERSISTER_BATCH_ROWS` and, in the file,
//! `batch_rows` under `[persister]`. A flag that does not begin with its heading is a key at the top of the file. (Two
//! structs of one name need `#[group(skip)]`: clap names a group after each.)
//!
//! ```toml
//! log = "nats://10.0.0.1"
//! [persister]
//! batch_rows = 500
//! ```
//!
//! The type of a setting decides the rest: a `Secret<String>` is masked, a `Vec` takes a TOML array or, in the
//! environment, a list with commas. An empty environment variable counts as not set. Environment variables that name
//! no setting are left alone (an orchestrator sets some of its own, such as `CHAT_SERVICE_HOST`); unknown keys in the
//! file are refused. Relations between settings (`requires`, `conflicts_with`) are for the reader to check: to clap a
//! value from the file or the environment is a default, and defaults have no relations.

mod file;
mod report;
mod setting;
pub mod units;

use std::any::TypeId;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

pub use report::{reference, render};
pub use setting::Key;

use crate::Secret;

/// What a process was told, and where each value came from.
#[derive(Debug)]
pub struct Loaded {
    /// Every layer applied; feed it to `FromArgMatches`.
    pub matches: ArgMatches,
    /// All settings in the order they are declared.
    pub settings: Vec<Setting>,
}

/// One setting in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub key: Key,
    /// As text; masked if secret. `None` = not set and without a default.
    pub values: Option<Vec<String>>,
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File,
    Environment,
    Flag,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A wrong flag, or the request for help: clap prints it and knows the exit code.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    #[error("read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{} is not TOML: {reason}", path.display())]
    NotToml { path: PathBuf, reason: String },
    #[error("{}: unknown key `{key}`{}", path.display(), hint.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownKey { path: PathBuf, key: String, hint: Option<String> },
    #[error("{place}: {reason}")]
    BadValue { place: String, reason: String },
}

/// Applies the layers to `command`, whose own arguments are the settings. `env` looks up one environment variable.
///
/// The command gets one more flag, `--config FILE` (or `CHAT_CONFIG`), and all settings may stand before or after a
/// subcommand.
pub fn load<I, T>(command: Command, args: I, env: impl Fn(&str) -> Option<String>) -> Result<Loaded, Error>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let keys = keys(&command);
    let command = command.arg(config_flag()).mut_args(|arg| arg.global(true));

    let flags = command.clone().try_get_matches_from(&args)?;
    let mut layers: HashMap<&str, (Origin, Vec<String>)> = HashMap::new();
    if let Some(path) = config_path(&flags, &env) {
        for (key, values) in file::read(&path, &keys)? {
            check(&command, key, &values, || format!("{}: `{}`", path.display(), key.path()))?;
            layers.insert(&key.id, (Origin::File, values));
        }
    }
    for key in &keys {
        let Some(text) = env(&key.env).filter(|text| !text.is_empty()) else {
            continue;
        };
        let values = if key.many { text.split(',').map(|part| part.trim().to_owned()).collect() } else { vec![text] };
        check(&command, key, &values, || key.env.clone())?;
        layers.insert(&key.id, (Origin::Environment, values));
    }

    let command = layers
        .iter()
        .fold(command, |command, (id, (_, values))| command.mut_arg(*id, |arg| arg.default_values(values.clone())));
    let matches = command.try_get_matches_from(&args)?;
    let origin_of = |id: &str| match matches.value_source(id) {
        Some(ValueSource::CommandLine) => Origin::Flag,
        _ => layers.get(id).map_or(Origin::Default, |(origin, _)| *origin),
    };
    let settings = keys
        .iter()
        .map(|key| Setting { key: key.clone(), values: report::shown(&matches, key), origin: origin_of(&key.id) })
        .collect();
    Ok(Loaded { matches, settings })
}

/// One variable of this process's environment, for [`load`]. What is not UTF-8 counts as not set.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The settings a command declares: its own long options, in order.
pub fn keys(command: &Command) -> Vec<Key> {
    command.get_arguments().filter_map(Key::of).collect()
}

fn config_flag() -> Arg {
    Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help("Settings as TOML; flags and environment win over it")
}

fn config_path(flags: &ArgMatches, env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let told = flags.get_one::<PathBuf>("config").cloned();
    told.or_else(|| env("CHAT_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from))
}

/// Parses one value as clap will, to name the place it came from if it is wrong.
fn check(command: &Command, key: &Key, values: &[String], place: impl Fn() -> String) -> Result<(), Error> {
    let Some(arg) = command.get_arguments().find(|arg| arg.get_id() == key.id.as_str()) else {
        return Ok(());
    };
    let words = std::iter::once("check".to_owned()).chain(values.iter().map(|value| format!("--{}={value}", key.long)));
    match Command::new("check").arg(arg.clone()).try_get_matches_from(words) {
        Ok(_) => Ok(()),
        Err(_) if key.secret => Err(Error::BadValue { place: place(), reason: "not a valid value".to_owned() }),
        Err(err) => Err(Error::BadValue { place: place(), reason: reason(&err) }),
    }
}

/// clap's own words without its frame: "invalid value 'x' …: invalid digit found in string".
fn reason(err: &clap::Error) -> String {
    let text = err.to_string();
    let words = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    words.split('\n').map(str::trim).collect::<Vec<_>>().join(" ")
}

fn is_secret(arg: &Arg) -> bool {
    arg.get_value_parser().type_id() == TypeId::of::<Secret<String>>()
}

#[cfg(test)]
mod tests;
