//! The NATS engine under the contract: a real server of its own.

use std::sync::Arc;

use async_trait::async_trait;
use chat_bus::{Log, Nats, NatsOptions};
use chat_protocol::time::SystemClock;
use chat_testkit::servers;

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
        let options = NatsOptions {
            shards: self.tuning.shards,
            dedupe_window: self.tuning.dedupe_window,
            ack_wait: self.tuning.ack_wait,
            live_capacity: self.tuning.live_behind,
            append_window: self.tuning.append_window,
            max_bytes: self.tuning.bytes_max / u64::from(self.tuning.shards),
            ..NatsOptions::new([self.server.url()])
        };
        Box::new(Nats::connect(options, Arc::new(SystemClock)).await.expect("a log"))
    }
}
