//! The environment that tests run in, and where the tools lie.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// A program that `make tools` brought.
///
/// # Errors
/// If it is not there, with what to do about it.
pub fn tool(name: &str) -> anyhow::Result<PathBuf> {
    let path = tools().join("bin").join(name);
    if !path.exists() {
        bail!("{} is missing; `make tools` fetches it", path.display());
    }
    Ok(path)
}

/// The folder of our own recipes for what `make tools` brought.
pub(crate) fn recipes() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tools"))
}

/// `CHAT_TOOLS`, or `.tools` in the workspace.
pub fn tools() -> PathBuf {
    let workspace = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    workspace.join(var("CHAT_TOOLS").unwrap_or_else(|| ".tools".to_owned()))
}

/// `CHAT_TEST_CQL`: the CQL server that all test programs of one run share, if somebody started one.
pub(crate) fn shared_cql() -> anyhow::Result<Option<SocketAddr>> {
    var("CHAT_TEST_CQL").map(|text| text.parse().context("parse CHAT_TEST_CQL as address:port")).transpose()
}

/// `CHAT_SEED`: the chance of an earlier run, to be had again.
pub(crate) fn seed() -> Option<u64> {
    var("CHAT_SEED").map(|text| text.parse().expect("CHAT_SEED is the number that an earlier run printed"))
}

/// `CHAT_CHAOS`: crowds as large and faults as frequent as the fault matrix has them, not as few as everybody can wait for.
pub fn thorough() -> bool {
    var("CHAT_CHAOS").is_some()
}

/// `CHAT_PREVIOUS`: the binary of an earlier version, to run beside this one.
///
/// # Errors
/// If there is none, with how to get one.
pub fn previous() -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(var("CHAT_PREVIOUS").context("CHAT_PREVIOUS names no binary; `make chaos` builds one")?);
    path.canonicalize().with_context(|| format!("find {}", path.display()))
}

/// The names of all `CHAT_…` variables: none of them is meant for the processes that a test starts.
pub(crate) fn ours() -> Vec<OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("CHAT_")).collect()
}

#[expect(clippy::disallowed_methods, reason = "tests have no configuration, and this is its only replacement")]
fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
