//! The keys that tokens are signed with.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chat_auth::{Keys, keys};
use chat_service::Secret;
use clap::Args;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "auth")]
pub struct AuthSettings {
    /// The cluster's keys, as `chat token keys` prints them; better given by the environment or a file
    #[arg(long, value_name = "JSON")]
    pub auth_keys: Option<Secret<String>>,

    /// A file with the cluster's keys [default: keys.json in the data directory, made at the first start]
    #[arg(long, value_name = "FILE")]
    pub auth_keys_file: Option<PathBuf>,
}

impl AuthSettings {
    /// The keys that configuration gives, if it gives any.
    pub fn configured_keys(&self) -> anyhow::Result<Option<Keys>> {
        match (&self.auth_keys, &self.auth_keys_file) {
            (Some(_), Some(_)) => bail!("auth_keys and auth_keys_file are both given: one of them is enough"),
            (Some(document), None) => Keys::parse(document.reveal()).map(Some).context("read auth_keys"),
            (None, Some(path)) => Keys::read(path).map(Some).context("read auth_keys_file"),
            (None, None) => Ok(None),
        }
    }

    /// The keys of a cluster, which every gateway must share.
    pub fn cluster_keys(&self) -> anyhow::Result<Keys> {
        self.configured_keys()?.context(
            "the gateways of a cluster share their keys: `chat token keys > keys.json`, then --auth-keys-file keys.json",
        )
    }

    /// The keys of one process; made in `data_dir` at its first start.
    pub fn own_keys(&self, data_dir: &Path) -> anyhow::Result<Keys> {
        match self.configured_keys()? {
            Some(keys) => Ok(keys),
            None => Keys::open_or_create(data_dir, &mut rand::rng()).context("keep keys in the data directory"),
        }
    }

    /// The keys that sign now. Never makes new ones, which nobody would trust.
    pub fn keys_in_force(&self, data_dir: &Path) -> anyhow::Result<Keys> {
        if let Some(keys) = self.configured_keys()? {
            return Ok(keys);
        }
        let path = data_dir.join(keys::FILE_NAME);
        if !path.exists() {
            bail!("there are no keys yet: start chat once, or give --auth-keys-file");
        }
        Keys::read(&path).context("read the keys of the data directory")
    }
}
