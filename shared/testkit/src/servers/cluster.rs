//! Three NATS servers that replicate.

use std::net::SocketAddr;
use std::ops::{Index, IndexMut};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::nats::{READY_WITHIN, Routes};
use super::{Nats, NatsOptions};
use crate::wire::{free_port, http_get, loopback};

const NODES: usize = 3;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Three servers, for streams with three replicas. `cluster[0]` is one of them.
#[derive(Debug)]
pub struct NatsCluster {
    nodes: Vec<Nats>,
}

impl NatsCluster {
    /// Starts three servers and waits until all of them have elected and know each other.
    ///
    /// # Errors
    /// If they have not in time, with the end of a log.
    pub async fn start(options: NatsOptions) -> anyhow::Result<Self> {
        let routes: Vec<SocketAddr> = (0..NODES).map(|_| loopback(free_port())).collect();
        let prepare = |(node, own): (usize, &SocketAddr)| {
            Nats::prepare(&format!("n{node}"), &options, Some(Routes { own: *own, all: &routes }))
        };
        let mut nodes = routes.iter().enumerate().map(prepare).collect::<anyhow::Result<Vec<_>>>()?;
        for node in &mut nodes {
            node.launch()?;
        }
        let mut cluster = Self { nodes };
        cluster.until_ready().await?;
        Ok(cluster)
    }

    /// Waits until all three answer and their replicas are current, so that a stream with three replicas can be made.
    ///
    /// # Errors
    /// If one of them is down, or they are not ready in time.
    pub async fn until_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        for node in &mut self.nodes {
            node.until_ready().await?;
        }
        loop {
            let nodes: Vec<_> = self.nodes.iter().map(|node| (node.name().to_owned(), node.monitor())).collect();
            match tokio::task::spawn_blocking(move || all_current(&nodes)).await? {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error.context("the NATS cluster is not ready")),
                Err(_) => sleep(LOOK_EVERY).await,
            }
        }
    }

    /// All servers, as a client of a cluster is told of them: separated by commas.
    pub fn url(&self) -> String {
        self.nodes.iter().map(Nats::url).collect::<Vec<_>>().join(",")
    }

    /// The servers.
    pub fn nodes_mut(&mut self) -> &mut [Nats] {
        &mut self.nodes
    }

    /// Which server leads `stream` now; asked of whichever answers.
    ///
    /// # Errors
    /// If nobody knows.
    pub async fn leader_of(&self, stream: &str) -> anyhow::Result<usize> {
        let mut unknown = anyhow::anyhow!("no server runs");
        for node in &self.nodes {
            match node.api(&format!("$JS.API.STREAM.INFO.{stream}"), "").await {
                Ok(info) => {
                    let leader = info.pointer("/cluster/leader").and_then(Value::as_str).context("it has no leader")?;
                    return self.nodes.iter().position(|node| node.name() == leader).context("an unknown leader");
                }
                Err(error) => unknown = error,
            }
        }
        Err(unknown.context(format!("find the leader of {stream}")))
    }
}

#[expect(clippy::indexing_slicing, reason = "as a slice does")]
impl Index<usize> for NatsCluster {
    type Output = Nats;

    fn index(&self, node: usize) -> &Nats {
        &self.nodes[node]
    }
}

#[expect(clippy::indexing_slicing, reason = "as a slice does")]
impl IndexMut<usize> for NatsCluster {
    fn index_mut(&mut self, node: usize) -> &mut Nats {
        &mut self.nodes[node]
    }
}

/// The leader of the cluster's own metadata sees both others, current.
fn all_current(nodes: &[(String, SocketAddr)]) -> anyhow::Result<()> {
    for (name, monitor) in nodes {
        let (_, body) = http_get(*monitor, "/jsz")?;
        let jsz: Value = serde_json::from_str(&body).context("parse /jsz")?;
        let meta = jsz.get("meta_cluster").context("it is in no cluster")?;
        if meta.get("leader").and_then(Value::as_str) != Some(name) {
            continue;
        }
        let replicas = meta.get("replicas").and_then(Value::as_array).context("the leader has no replicas")?;
        let current = replicas.iter().filter(|peer| peer.get("current") == Some(&Value::Bool(true))).count();
        ensure!(current == NODES - 1, "{current} replicas are current");
        return Ok(());
    }
    bail!("nobody leads")
}
