//! The command line: one verb, and settings that may stand anywhere.

use std::path::PathBuf;

use chat_protocol::{SessionId, UserId};
use clap::{Parser, Subcommand};

use crate::health::Question;
use crate::settings::Settings;

/// A chat server: one process to try, the same binary for a cluster
///
/// Every setting is a flag, an environment variable and a key in a TOML file (`--config`), in this order of precedence:
/// `--auth-keys-file`, CHAT_AUTH_KEYS_FILE, and `keys_file` under `[auth]`.
#[derive(Debug, Parser)]
#[command(name = "chat", version, max_term_width = 120)]
pub struct Cli {
    #[command(flatten)]
    pub settings: Settings,

    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run everything in this process (the default)
    All,
    /// Run a gateway of a cluster: WebSocket and REST
    Gateway,
    /// Run a persister of a cluster: from the log to the store
    Persister,
    /// Run a canary: a user who says something every few seconds, and measures how it arrives
    Canary,
    /// Run a presence worker of a cluster: who is there, told to whom it matters
    Presence,
    /// Bring the schema of the store up to date; nothing else ever changes it
    Migrate {
        /// Copies of each row, the same everywhere, for a keyspace that does not exist yet
        #[arg(long, value_name = "N", default_value_t = 3)]
        replicas: u8,

        /// Copies of each row in each datacenter, for a keyspace that does not exist yet: for production
        #[arg(long, value_name = "NAME=N", value_parser = datacenter, conflicts_with = "replicas")]
        datacenter: Vec<(String, u8)>,
    },
    /// Print the settings in force and where each came from, secrets masked
    Config {
        /// Print instead what can be set, as Markdown
        #[arg(long)]
        docs: bool,
    },
    /// Print the REST interface as an OpenAPI document
    Openapi,
    /// Print what is measured, as Markdown
    Metrics,
    /// Make keys and tokens
    #[command(subcommand)]
    Token(Token),
    /// Check log, store, keys, limits and addresses, and say what is wrong
    Doctor,
    /// Ask the node that runs here how it is, at its `--ops-listen`; anything but yes fails
    Health {
        #[arg(value_enum, default_value_t = Question::Live)]
        question: Question,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub enum Token {
    /// Print fresh keys for a cluster. They are a secret: keep them where only the gateways can read them
    Keys {
        /// Print the keys of this file after one rotation instead
        #[arg(long, value_name = "FILE")]
        rotate: Option<PathBuf>,
    },
    /// Print an access token for a user, signed with the keys in force
    Mint {
        /// For whom
        #[arg(value_name = "USER")]
        user: UserId,
        /// For which session [default: a new one]
        #[arg(value_name = "SESSION")]
        session: Option<SessionId>,
    },
}

fn datacenter(text: &str) -> Result<(String, u8), String> {
    let parsed = text.split_once('=').and_then(|(name, copies)| Some((name.to_owned(), copies.parse().ok()?)));
    parsed.ok_or_else(|| "want NAME=N, such as eu-1=3".to_owned())
}
