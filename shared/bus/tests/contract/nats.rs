//! The NATS engine under the contract: a real server of its own, or three.

use std::sync::Arc;

use async_trait::async_trait;
use chat_bus::{Log, Nats, NatsOptions};
use chat_protocol::time::SystemClock;
use chat_testkit::servers;
use tokio::sync::{Mutex, MutexGuard};

use super::world::{Tuning, World};

pub struct OnServer {
    server: servers::Nats,
    tuning: Tuning,
}

#[async_trait]
impl World for OnServer {
    async fn start(tuning: Tuning) -> Self {
        let server = servers::Nats::start(servers::NatsOptions::default()).await.expect("a server");
        Self { server, tuning }
    }

    async fn open(&self) -> Box<dyn Log> {
        connect(&self.server.url(), self.tuning, 1).await
    }
}

pub struct OnCluster {
    cluster: servers::NatsCluster,
    tuning: Tuning,
    _turn: MutexGuard<'static, ()>,
}

#[async_trait]
impl World for OnCluster {
    async fn start(tuning: Tuning) -> Self {
        // One cluster at a time: elections take long where many servers share a few cores.
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        let cluster = servers::NatsCluster::start(servers::NatsOptions::default()).await.expect("a cluster");
        Self { cluster, tuning, _turn: turn }
    }

    async fn open(&self) -> Box<dyn Log> {
        connect(&self.cluster.url(), self.tuning, 3).await
    }
}

async fn connect(url: &str, tuning: Tuning, replicas: usize) -> Box<dyn Log> {
    let options = NatsOptions {
        traced: true,
        replicas,
        shards: tuning.shards,
        dedupe_window: tuning.dedupe_window,
        ack_wait: tuning.ack_wait,
        live_capacity: tuning.live_behind,
        append_window: tuning.append_window,
        max_bytes: tuning.bytes_max / u64::from(tuning.shards),
        ..NatsOptions::new([url])
    };
    Box::new(Nats::connect(options, Arc::new(SystemClock)).await.expect("a log"))
}
