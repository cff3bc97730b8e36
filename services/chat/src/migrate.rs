//! `chat migrate`: the only thing that ever changes a schema.

use std::collections::BTreeMap;

use anyhow::Context;
use chat_store::migrate::{Replication, migrate};

use crate::settings::{Backends, Settings};

/// Brings the store up to date; what it says is for a person. `datacenters` (`name=copies`) rules `replicas` out.
pub async fn run(settings: &Settings, replicas: u8, datacenters: BTreeMap<String, u8>) -> anyhow::Result<String> {
    let store = match settings.backends()? {
        Backends::Embedded => return Ok("the embedded store needs no migration\n".to_owned()),
        Backends::Cluster { store, .. } => store,
    };
    let options = settings.store_settings.options(&store)?;
    let replication =
        if datacenters.is_empty() { Replication::Simple(replicas) } else { Replication::Datacenters(datacenters) };
    let done = migrate(&options, &replication).await.context("migrate the store")?;
    Ok(if done.from == done.to {
        format!("the schema is up to date at version {}\n", done.to)
    } else {
        format!("the schema went from version {} to {}\n", done.from, done.to)
    })
}
