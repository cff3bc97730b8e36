//! The engines of a cluster: connections to NATS and to a CQL server.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use chat_bus::nats::{Credentials, StartError, SyncInterval, Tls};
use chat_bus::{Log, Nats, NatsOptions};
use chat_protocol::time::SystemClock;
use chat_service::Backoff;
use chat_store::{Scylla, Store, StoreError};
use tokio::time::timeout;

use crate::settings::{LogSettings, Settings, StoreSettings, Sync};

/// Of the whole log, unless told otherwise.
const LOG_BYTES_MAX: u64 = 16 << 30;
/// The last try, which begins when patience ends, may take this long.
const ONE_TRY: Duration = Duration::from_secs(10);
const RETRY_BASE: Duration = Duration::from_millis(500);
const RETRY_CAP: Duration = Duration::from_secs(5);

pub(crate) async fn log(urls: &str, settings: &Settings, patience: Duration) -> anyhow::Result<Arc<dyn Log>> {
    let mut options = options(urls, &settings.log_settings)?;
    options.traced = settings.traces.traces_url.is_some();
    // A stream that others make comes when they do.
    let away =
        |err: &StartError| matches!(err, StartError::Connect(_) | StartError::NotReady(_) | StartError::Missing { .. });
    let log = patiently("log", patience, away, async || Nats::connect(options.clone(), Arc::new(SystemClock)).await);
    Ok(Arc::new(log.await?))
}

pub(crate) async fn store(url: &str, settings: &StoreSettings, patience: Duration) -> anyhow::Result<Arc<dyn Store>> {
    let options = settings.options(url)?;
    let away = |err: &StoreError| matches!(err, StoreError::Unavailable);
    let store = patiently("store", patience, away, async || Scylla::connect(&options, Arc::new(SystemClock)).await);
    Ok(Arc::new(store.await?))
}

/// Connects, and tries again while the server is `away`, until `patience` is over.
async fn patiently<T, E>(
    what: &'static str,
    patience: Duration,
    away: impl Fn(&E) -> bool,
    connect: impl AsyncFn() -> Result<T, E>,
) -> anyhow::Result<T>
where
    E: Display + Into<anyhow::Error>,
{
    let started = Instant::now();
    let mut backoff = Backoff::new(RETRY_BASE, RETRY_CAP);
    let tries = async {
        loop {
            match connect().await {
                Err(err) if away(&err) && started.elapsed() < patience => {
                    tracing::warn!(error = %err, "{what} not reached, trying again");
                    let delay = backoff.next_delay(&mut rand::rng());
                    tokio::time::sleep(delay).await;
                }
                ended => return ended,
            }
        }
    };
    match timeout(patience + ONE_TRY, tries).await {
        Ok(connected) => connected.map_err(Into::into),
        Err(_) => bail!("the {what} did not answer within {} s", (patience + ONE_TRY).as_secs()),
    }
}

fn options(urls: &str, settings: &LogSettings) -> anyhow::Result<NatsOptions> {
    let urls: Vec<_> = urls.split(',').map(str::trim).collect();
    if !urls.iter().all(|url| url.starts_with("nats://") || url.starts_with("tls://")) {
        bail!("a log's URL is nats://host[:port] or tls://host[:port], several with commas");
    }
    let mut options = NatsOptions::new(urls);
    options.shards = settings.log_shards.unwrap_or(options.shards);
    options.replicas = settings.log_replicas;
    options.retention = settings.log_retention;
    options.max_bytes = settings.log_bytes_max.unwrap_or(LOG_BYTES_MAX) / u64::from(options.shards.max(1));
    options.dedupe_window = settings.log_dedupe_window;
    options.live_capacity = settings.log_live_capacity.unwrap_or(options.live_capacity);
    options.create_streams = settings.log_create_streams;
    options.sync = match settings.log_sync {
        Some(Sync::Always) => SyncInterval::Always,
        Some(Sync::Every(interval)) => SyncInterval::Every(interval),
        None => SyncInterval::Unstated,
    };
    options.credentials = credentials(settings)?;
    options.tls = tls(settings)?;
    Ok(options)
}

fn credentials(settings: &LogSettings) -> anyhow::Result<Credentials> {
    match (&settings.log_credentials_file, &settings.log_user, &settings.log_password) {
        (None, None, None) => Ok(Credentials::None),
        (Some(file), None, None) => Ok(Credentials::File(file.clone())),
        (None, Some(name), Some(password)) => {
            Ok(Credentials::User { name: name.clone(), password: password.reveal().clone() })
        }
        _ => bail!("the log wants a log_credentials_file, or log_user and log_password together, or none of them"),
    }
}

fn tls(settings: &LogSettings) -> anyhow::Result<Option<Tls>> {
    let client = match (&settings.log_certificate_file, &settings.log_key_file) {
        (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
        (None, None) => None,
        _ => bail!("log_certificate_file and log_key_file are given together, or not at all"),
    };
    let roots = settings.log_ca_file.clone();
    Ok((client.is_some() || roots.is_some()).then_some(Tls { roots, client }))
}
