//! What a shard's stream looks like. Any node may make it, several at once; every node verifies it.

use std::collections::HashMap;

use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, Republish, RetentionPolicy, StorageType};
use chat_protocol::Shard;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{
    Core, NatsOptions, RETRY_DELAY, StartError,
    api::code,
    link::{AskError, Link},
    shards::ShardLog,
};
use crate::{BusError, subject};

/// Where a stream notes how many shards its cluster has: with another number conversations would be looked for in
/// streams that never had them.
const SHARDS_KEY: &str = "chat.shards";

/// A question without content.
#[derive(Serialize)]
pub(super) struct Nothing {}

/// Refuses servers with known faults that matter here.
pub(super) fn supported(version: &str) -> Result<(), StartError> {
    let release = version.trim_start_matches('v').split('-').next().unwrap_or_default();
    let mut parts = release.split('.').map(|part| part.parse::<u32>().ok());
    let numbers = (parts.next().flatten(), parts.next().flatten(), parts.next().flatten());
    match numbers {
        (Some(major), Some(minor), Some(patch))
            if (major, minor) >= (2, 14) || ((major, minor) == (2, 12) && patch >= 7) =>
        {
            Ok(())
        }
        _ => Err(StartError::Version { found: version.to_owned() }),
    }
}

impl Core {
    /// Leaves a stream that is there and is as it should be, whoever made it.
    pub(super) async fn ensure_stream(
        &self,
        link: &Link,
        shard: &ShardLog,
        deadline: Instant,
    ) -> Result<(), StartError> {
        let wanted = config(shard.shard, &self.options, self.now_as_seq());
        loop {
            let failed =
                match link.ask::<_, Info>(&format!("STREAM.INFO.{}", shard.stream), &Nothing {}, deadline).await {
                    Ok(found) => return verify(&wanted, &found.config),
                    Err(err) if err.is(code::STREAM_NOT_FOUND) && !self.options.create_streams => {
                        return Err(StartError::Missing { stream: shard.stream.clone() });
                    }
                    Err(err) if err.is(code::STREAM_NOT_FOUND) => {
                        match link.ask::<_, Info>(&format!("STREAM.CREATE.{}", shard.stream), &wanted, deadline).await {
                            Ok(made) => {
                                tracing::info!(stream = shard.stream, first = wanted.first_sequence, "made a stream");
                                return verify(&wanted, &made.config);
                            }
                            // Another node was faster; its first sequence differs from ours, and counts.
                            Err(err) if err.is(code::STREAM_EXISTS) => continue,
                            Err(AskError::Refused(refusal)) if refusal.lacks_room() => {
                                let (shards, mib) = (self.options.shards, self.options.max_bytes >> 20);
                                return Err(StartError::NoRoom { stream: shard.stream.clone(), shards, mib });
                            }
                            Err(err) => err,
                        }
                    }
                    Err(err) => err,
                };
            match failed {
                AskError::Bus(BusError::Unavailable) => {}
                AskError::Refused(refusal) if matches!(refusal.meaning(), BusError::Unavailable) => {}
                other => return Err(StartError::NotReady(other.into())),
            }
            if Instant::now() + RETRY_DELAY >= deadline {
                return Err(StartError::NotReady(BusError::Unavailable));
            }
            sleep(RETRY_DELAY).await;
        }
    }
}

/// What a shard's stream must be. `first` counts only when it is made.
fn config(shard: Shard, options: &NatsOptions, first: u64) -> Config {
    Config {
        name: subject::stream(shard),
        subjects: vec![subject::log_of(shard)],
        storage: StorageType::File,
        num_replicas: options.replicas,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        max_age: options.retention,
        max_bytes: i64::try_from(options.max_bytes).unwrap_or(i64::MAX),
        max_messages: -1,
        max_messages_per_subject: -1,
        max_message_size: -1,
        max_consumers: -1,
        duplicate_window: options.dedupe_window,
        allow_direct: true,
        // Purging stays possible: a log that went back is moved ahead by it.
        deny_delete: true,
        republish: Some(Republish {
            source: subject::log_of(shard),
            destination: subject::live_of(shard),
            headers_only: false,
        }),
        first_sequence: Some(first),
        metadata: HashMap::from([(SHARDS_KEY.to_owned(), options.shards.to_string())]),
        ..Config::default()
    }
}

/// Names the first thing that is not as it should be.
fn verify(wanted: &Config, found: &Config) -> Result<(), StartError> {
    let differing = fields(wanted).into_iter().zip(fields(found)).find(|(wanted, found)| wanted.1 != found.1);
    match differing {
        None => Ok(()),
        Some(((field, wanted_value), (_, found_value))) => {
            Err(StartError::Drift { stream: wanted.name.clone(), field, wanted: wanted_value, found: found_value })
        }
    }
}

/// What must be equal, for people to read. Whatever else a server adds by itself is its own business.
fn fields(config: &Config) -> Vec<(&'static str, String)> {
    vec![
        ("the number of shards", config.metadata.get(SHARDS_KEY).cloned().unwrap_or_else(|| "not stated".to_owned())),
        ("subjects", format!("{:?}", config.subjects)),
        ("storage", format!("{:?}", config.storage)),
        ("num_replicas", config.num_replicas.to_string()),
        ("retention", format!("{:?}", config.retention)),
        ("discard", format!("{:?}", config.discard)),
        ("max_age", format!("{:?}", config.max_age)),
        ("max_bytes", config.max_bytes.to_string()),
        ("max_msgs", config.max_messages.to_string()),
        ("max_msgs_per_subject", config.max_messages_per_subject.to_string()),
        ("max_msg_size", config.max_message_size.to_string()),
        ("duplicate_window", format!("{:?}", config.duplicate_window)),
        ("allow_direct", config.allow_direct.to_string()),
        ("deny_delete", config.deny_delete.to_string()),
        ("deny_purge", config.deny_purge.to_string()),
        ("allow_rollup_hdrs", config.allow_rollup.to_string()),
        ("no_ack", config.no_ack.to_string()),
        ("sealed", config.sealed.to_string()),
        ("republish", format!("{:?}", config.republish)),
        ("mirror", format!("{:?}", config.mirror.as_ref().map(|source| &source.name))),
        ("sources", format!("{:?}", config.sources.as_ref().map_or(0, Vec::len))),
        ("subject_transform", format!("{:?}", config.subject_transform)),
        ("persist_mode", format!("{:?}", config.persist_mode.unwrap_or_default())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_with_known_faults_are_refused() {
        for good in ["2.12.7", "2.12.11", "2.14.0", "2.15.1", "v2.14.3-beta.1", "3.0.0"] {
            assert!(supported(good).is_ok(), "{good}");
        }
        for bad in ["2.9.10", "2.12.6", "2.13.0", "2.13.9", "", "latest"] {
            assert!(supported(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn drift_names_the_field() {
        let options = NatsOptions::new(["nats://localhost"]);
        let shard = Shard::new(3).unwrap();
        let wanted = config(shard, &options, 1);
        assert!(verify(&wanted, &config(shard, &options, 2)).is_ok(), "the first sequence is its maker's");
        let mut other = wanted.clone();
        other.discard = DiscardPolicy::Old;
        let drift = verify(&wanted, &other).unwrap_err().to_string();
        assert_eq!(drift, "stream CHAT_3: discard is Old, and this node wants New");
    }
}
