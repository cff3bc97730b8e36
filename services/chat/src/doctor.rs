//! `chat doctor`: everything that has to be right before a node starts, one line each.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use chat_bus::Log;

use crate::engines::{Engines, cluster};
use crate::limits::file_limit;
use crate::listen::bind;
use crate::settings::{Backends, Settings};

/// A gateway admits 0.9 × the limit of open files.
const FILES_MIN: u64 = 1_024;
/// Below it the embedded engines soon refuse writes.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// Servers that need longer are not well.
const PATIENCE: Duration = Duration::ZERO;

/// The findings, and whether all is well. Changes nothing, except that the embedded data is created if it is missing,
/// as the first start would.
pub async fn run(settings: &Settings) -> (String, bool) {
    let mut report = Report { text: String::new(), healthy: true };
    report.line("files", files());
    report.line("listen", address(settings.listen, "--listen"));
    report.line("ops", address(settings.ops_listen, "--ops-listen"));
    report.line("keys", keys(settings));
    match settings.backends() {
        Ok(Backends::Embedded) => {
            report.line("disk", disk(&settings.data_dir));
            report.line("data", data(settings).await);
        }
        Ok(Backends::Cluster { log: urls, store: url }) => {
            let (log, store) = tokio::join!(log(&urls, settings), store(&url, settings));
            report.line("log", log);
            report.line("store", store);
        }
        Err(err) => report.line("engines", Err(err)),
    }
    (report.text, report.healthy)
}

struct Report {
    text: String,
    healthy: bool,
}

impl Report {
    fn line(&mut self, what: &str, found: anyhow::Result<String>) {
        self.healthy &= found.is_ok();
        let _ = match found {
            Ok(found) => writeln!(self.text, "ok   {what:<8} {found}"),
            Err(err) => writeln!(self.text, "BAD  {what:<8} {err:#}"),
        };
    }
}

fn files() -> anyhow::Result<String> {
    match file_limit() {
        None => Ok("any number of open files".to_owned()),
        Some(files) if files >= FILES_MIN => Ok(format!("{files} open files, {} of them sockets", files / 10 * 9)),
        Some(files) => bail!("only {files} open files: raise the limit (`ulimit -n`), each socket is one"),
    }
}

fn address(address: SocketAddr, flag: &str) -> anyhow::Result<String> {
    bind(address, flag).map(|_| format!("{address} is free"))
}

fn keys(settings: &Settings) -> anyhow::Result<String> {
    let auth = &settings.auth;
    if auth.configured_keys()?.is_some() {
        return Ok("given by configuration".to_owned());
    }
    match settings.backends()? {
        Backends::Cluster { .. } => auth.cluster_keys().map(|_| "shared by the cluster".to_owned()),
        Backends::Embedded if settings.data_dir.join(chat_auth::keys::FILE_NAME).exists() => {
            auth.keys_in_force(&settings.data_dir).map(|_| "in the data directory".to_owned())
        }
        Backends::Embedded => Ok("made at the first start".to_owned()),
    }
}

fn disk(data_dir: &Path) -> anyhow::Result<String> {
    let existing = data_dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("."));
    let found = rustix::fs::statvfs(existing).with_context(|| format!("look at {}", existing.display()))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let mib = free >> 20;
    if free < FREE_BYTES_MIN {
        bail!("only {mib} MiB free for {}", data_dir.display());
    }
    Ok(format!("{mib} MiB free for {}", data_dir.display()))
}

async fn data(settings: &Settings) -> anyhow::Result<String> {
    let Engines { log, store } = Engines::open(settings, PATIENCE).await?;
    store.check().await.context("check the store")?;
    Ok(durability(&*log))
}

async fn log(urls: &str, settings: &Settings) -> anyhow::Result<String> {
    Ok(durability(&*cluster::log(urls, settings, PATIENCE).await?))
}

async fn store(url: &str, settings: &Settings) -> anyhow::Result<String> {
    cluster::store(url, &settings.store_settings, PATIENCE).await?.check().await.context("check the schema")?;
    Ok("answers, with the schema of this version".to_owned())
}

fn durability(log: &dyn Log) -> String {
    let durability = log.status().durability;
    format!("answers; durability {}: {}", durability.profile, durability.sync)
}
