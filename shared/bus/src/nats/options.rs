//! What `Nats::connect` needs to know.

use std::{fmt, path::PathBuf, time::Duration};

use chat_protocol::Shard;

use super::StartError;
use crate::Durability;

/// How to reach the log, and what its streams must look like. The first group is the connection's, the second is
/// fixed for the whole cluster and verified at start, the third is this node's own.
#[derive(Clone)]
pub struct NatsOptions {
    /// `nats://host:port` or `tls://host:port`; any of them, the others are tried when it is away.
    pub urls: Vec<String>,
    /// What the servers list this node as.
    pub name: String,
    /// Who this node is.
    pub credentials: Credentials,
    /// Certificates; `None` uses TLS only where a URL or the server asks for it, with the usual roots.
    pub tls: Option<Tls>,

    /// Shards, each a stream; fixed when the cluster is created.
    pub shards: u16,
    /// Copies of each event: 1, 3 or 5.
    pub replicas: usize,
    /// How long an event stays in the log.
    pub retention: Duration,
    /// The most bytes a shard holds before appends are refused; all shards together must fit the volume.
    pub max_bytes: u64,
    /// How long a nonce is remembered; at most `retention`.
    pub dedupe_window: Duration,
    /// What the servers' configuration says about syncing; clients cannot ask for it.
    pub sync: SyncInterval,
    /// Makes missing streams; else a missing stream is an error.
    pub create_streams: bool,

    /// How long to wait at start until the streams are there: elections take some seconds.
    pub start_timeout: Duration,
    /// Until an append whose acknowledgement did not come is `Unknown`.
    pub append_timeout: Duration,
    /// Until a read is `Unavailable`.
    pub read_timeout: Duration,
    /// Appends of this node in flight to one shard before further ones are refused.
    pub append_window: usize,
    /// Live events waiting for one slow reader before the newest are dropped and it is told so.
    pub live_capacity: usize,
    /// How long an unwatched conversation stays subscribed, against churn.
    pub live_linger: Duration,
    /// Signals waiting for one slow reader before the newest are dropped.
    pub signal_capacity: usize,
    /// Until a delivery that was not settled comes again; at least three times the store's timeout.
    pub ack_wait: Duration,
    /// Looks for traces in what comes from the log; else nobody pays for looking.
    pub traced: bool,
}

impl NatsOptions {
    /// The defaults, for servers at these addresses, each a URL or several separated by commas.
    pub fn new(urls: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let urls = urls.into_iter();
        Self {
            urls: urls
                .flat_map(|some| some.as_ref().split(',').map(|url| url.trim().to_owned()).collect::<Vec<_>>())
                .collect(),
            name: "chat".to_owned(),
            credentials: Credentials::None,
            tls: None,
            shards: 16,
            replicas: 1,
            retention: Duration::from_secs(72 * 3600),
            max_bytes: 1 << 30,
            dedupe_window: Duration::from_secs(120),
            sync: SyncInterval::Unstated,
            create_streams: true,
            start_timeout: Duration::from_secs(30),
            append_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(5),
            append_window: 1_000,
            live_capacity: 1_024,
            live_linger: Duration::from_secs(5),
            signal_capacity: 256,
            ack_wait: Duration::from_secs(15),
            traced: false,
        }
    }

    /// What an acknowledgement is worth with these settings.
    pub fn durability(&self) -> Durability {
        let durable = self.replicas >= 3 && self.sync == SyncInterval::Always;
        let sync = match self.sync {
            SyncInterval::Always => "on disk before it is acknowledged".to_owned(),
            SyncInterval::Every(every) => format!("on disk within {every:?} of being acknowledged"),
            SyncInterval::Unstated => {
                "not stated; the server's default is within 2 min of being acknowledged".to_owned()
            }
        };
        Durability { profile: if durable { "durable" } else { "fast" }, replicas: self.replicas, sync }
    }

    pub(super) fn validate(&self) -> Result<(), StartError> {
        let checks = [
            (!self.urls.is_empty(), "at least one url is needed"),
            ((1..=Shard::COUNT_MAX).contains(&self.shards), "shards must be 1 to 1024"),
            (matches!(self.replicas, 1 | 3 | 5), "replicas must be 1, 3 or 5"),
            (self.dedupe_window <= self.retention, "the dedupe window must not be longer than the retention"),
            (self.dedupe_window >= Duration::from_millis(100), "the dedupe window must be at least 100 ms"),
            (self.max_bytes > 0 && i64::try_from(self.max_bytes).is_ok(), "max_bytes must be positive"),
            (self.append_window > 0, "the append window must be positive"),
            (self.credentials.name_a_token(), "a user's name is letters, digits, - and _"),
            (self.live_capacity > 0 && self.signal_capacity > 0, "capacities must be positive"),
        ];
        match checks.iter().find(|(holds, _)| !holds) {
            Some((_, wrong)) => Err(StartError::Options(wrong)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for NatsOptions {
    /// Leaves out what may hold secrets: URLs too can carry a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsOptions")
            .field("name", &self.name)
            .field("shards", &self.shards)
            .field("replicas", &self.replicas)
            .field("sync", &self.sync)
            .finish_non_exhaustive()
    }
}

/// Who a node is to the servers.
#[derive(Clone)]
pub enum Credentials {
    /// Nobody in particular.
    None,
    /// A `.creds` file: JWT and seed.
    File(PathBuf),
    /// A name and its password.
    User {
        /// The name.
        name: String,
        /// Its password.
        password: String,
    },
    /// A shared token.
    Token(String),
}

impl Credentials {
    /// A user's name becomes part of a subject, that of its inbox.
    fn name_a_token(&self) -> bool {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        match self {
            Self::User { name, .. } => !name.is_empty() && name.chars().all(fits),
            Self::None | Self::File(_) | Self::Token(_) => true,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::File(_) => "File(***)",
            Self::User { .. } => "User(***)",
            Self::Token(_) => "Token(***)",
        })
    }
}

/// Certificates, as PEM files.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Roots to trust beside the usual ones.
    pub roots: Option<PathBuf>,
    /// This node's certificate and key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// When the servers write to disk what they have acknowledged (`sync_interval`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncInterval {
    /// Before they acknowledge it.
    Always,
    /// Some time after.
    Every(Duration),
    /// The operator did not say.
    Unstated,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_shown_nowhere() {
        let mut options = NatsOptions::new(["nats://chat:hunter2@localhost:4222"]);
        options.credentials = Credentials::User { name: "chat".to_owned(), password: "hunter2".to_owned() };
        assert!(!format!("{options:?} {:?}", options.credentials).contains("hunter2"));
    }

    #[test]
    fn a_user_whose_name_fits_no_subject_is_refused() {
        let mut options = NatsOptions::new(["nats://localhost"]);
        for (name, fits) in [("gateway", true), ("eu-1_a", true), ("", false), ("a.b", false), (">", false)] {
            options.credentials = Credentials::User { name: name.to_owned(), password: String::new() };
            assert_eq!(options.validate().is_ok(), fits, "{name}");
        }
    }

    #[test]
    fn durable_means_synced_copies() {
        let mut options = NatsOptions::new(["nats://localhost"]);
        options.sync = SyncInterval::Always;
        assert_eq!(options.durability().profile, "fast", "one copy is one disk");
        options.replicas = 3;
        assert_eq!(options.durability().profile, "durable");
        options.sync = SyncInterval::Unstated;
        assert_eq!(options.durability().profile, "fast");
    }
}
