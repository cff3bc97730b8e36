//! Real servers, from what `make tools` brought.

mod nats;

mod cluster;

mod cql;

pub use cluster::NatsCluster;
pub use cql::{Cql, Keyspace};
pub use nats::{Fsync, Nats, NatsOptions};
