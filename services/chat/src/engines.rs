//! Log and store: one embedded database for both, or a cluster's by URL.

pub(crate) mod cluster;
mod embedded;

use std::sync::Arc;
use std::time::Duration;

use chat_bus::Log;
use chat_store::Store;

use crate::settings::{Backends, Settings};

/// What the roles work on.
#[derive(Clone)]
pub(crate) struct Engines {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) store: Arc<dyn Store>,
}

impl Engines {
    /// Opens the embedded engines, or connects to the cluster's. Servers that do not answer are tried again for
    /// `patience`: after a power cut everything starts at once.
    pub(crate) async fn open(settings: &Settings, patience: Duration) -> anyhow::Result<Self> {
        match settings.backends()? {
            Backends::Embedded => embedded::open(settings).await,
            Backends::Cluster { log, store } => {
                tracing::info!("connecting to log and store");
                let (log, store) = tokio::try_join!(
                    cluster::log(&log, settings, patience),
                    cluster::store(&store, &settings.store_settings, patience)
                )?;
                Ok(Self { log, store })
            }
        }
    }
}
