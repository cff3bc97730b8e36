//! The recorder behind `/metrics`, and the metrics every process has.

use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Gauge, always 1; labels `version` and `commit` say what runs.
pub const BUILD_INFO: &str = "chat_build_info";

/// From half a millisecond to half a minute: acks on one disk, elections, drains.
const SECONDS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Up to the frame bound of 64 KiB.
const BYTES: &[f64] = &[64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0];
/// Up to twice the largest persister batch.
const ROWS: &[f64] = &[1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0];

static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();
static INSTALLING: Mutex<()> = Mutex::new(());

/// Installs the recorder of this process, or gives the one that is installed: tests start many nodes in one process.
///
/// # Errors
/// If another kind of recorder is already installed.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = INSTALLED.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_bytes".into()), BYTES))
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_rows".into()), ROWS))
        .and_then(PrometheusBuilder::install_recorder)
        .context("install the metrics recorder")?;
    Ok(INSTALLED.get_or_init(|| handle).clone())
}

/// Tells the recorder what the names mean.
pub fn describe() {
    metrics::describe_gauge!(BUILD_INFO, "what runs: version and commit");
}

/// Says what runs.
pub fn build_info(version: &'static str, commit: &'static str) {
    metrics::gauge!(BUILD_INFO, "version" => version, "commit" => commit).set(1.0);
}
