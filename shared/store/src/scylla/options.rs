//! Where the cluster is and how to sign in: `scylla://[user:password@]host[:port][,host…]/keyspace[?datacenter=…]`.

use std::{fmt, time::Duration};

use scylla::{
    client::{execution_profile::ExecutionProfile, session::Session, session_builder::SessionBuilder},
    errors::NewSessionError,
};

/// Signing in costs a server some milliseconds; a host that does not answer is given up.
const DIAL_TIMEOUT: Duration = Duration::from_secs(3);
/// For all hosts together: whoever starts us wants to know.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection whose peer vanished is noticed after both.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long one call of a store may take, its waiting and its retries included; then it is
/// [`crate::StoreError::Unavailable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// A read that takes longer is of no use to whoever waits for it.
    pub read: Duration,
    /// At most a third of what the log waits for an acknowledgement.
    pub write: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { read: Duration::from_millis(1_500), write: Duration::from_secs(5) }
    }
}

/// How to reach one keyspace. Its `Debug` form hides the password.
#[derive(Clone)]
pub struct ScyllaOptions {
    nodes: Vec<String>,
    keyspace: String,
    credentials: Option<(String, String)>,
    datacenter: Option<String>,
    deadlines: Deadlines,
}

/// Why a URL does not name a keyspace. Never repeats the URL: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a store's URL is scylla://[user:password@]host[:port][,host…]/keyspace[?datacenter=…]: {0}")]
pub struct InvalidUrl(&'static str);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("no answer in time")]
    TimedOut,
    #[error(transparent)]
    Refused(#[from] NewSessionError),
}

impl ScyllaOptions {
    /// Parses a URL. Special characters of a password are percent-encoded.
    pub fn from_url(url: &str) -> Result<Self, InvalidUrl> {
        let rest = url.strip_prefix("scylla://").ok_or(InvalidUrl("another scheme"))?;
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (authority, keyspace) = rest.split_once('/').ok_or(InvalidUrl("no keyspace"))?;
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (Some(sign_in(credentials)?), hosts),
            None => (None, authority),
        };
        let nodes: Vec<_> = hosts.split(',').map(node).collect::<Result<_, _>>()?;
        if !is_keyspace(keyspace) {
            return Err(InvalidUrl("a keyspace is 1–48 of a–z, 0–9 and _, beginning with a letter"));
        }
        let datacenter = query.map(datacenter).transpose()?;
        let keyspace = keyspace.to_owned();
        Ok(Self { nodes, keyspace, credentials, datacenter, deadlines: Deadlines::default() })
    }

    /// Signs in with these, whatever the URL said.
    #[must_use]
    pub fn with_credentials(mut self, user: String, password: String) -> Self {
        self.credentials = Some((user, password));
        self
    }

    /// With other deadlines than the default ones.
    #[must_use]
    pub const fn with_deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    pub(crate) const fn deadlines(&self) -> Deadlines {
        self.deadlines
    }

    /// The keyspace; safe to write into CQL.
    pub fn keyspace(&self) -> &str {
        &self.keyspace
    }

    /// Connects, or fails within [`CONNECT_TIMEOUT`].
    pub(crate) async fn dial(&self, builder: SessionBuilder, profile: ExecutionProfile) -> Result<Session, DialError> {
        let mut builder = builder
            .known_nodes(&self.nodes)
            .connection_timeout(DIAL_TIMEOUT)
            .hostname_resolution_timeout(Some(DIAL_TIMEOUT))
            .keepalive_interval(KEEPALIVE_INTERVAL)
            .keepalive_timeout(KEEPALIVE_TIMEOUT)
            .keyspaces_to_fetch([&self.keyspace])
            .default_execution_profile_handle(profile.into_handle());
        if let Some((user, password)) = &self.credentials {
            builder = builder.user(user, password);
        }
        if let Some(datacenter) = &self.datacenter {
            builder = builder.prefer_datacenter(datacenter.clone());
        }
        match tokio::time::timeout(CONNECT_TIMEOUT, builder.build()).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(DialError::TimedOut),
        }
    }
}

impl fmt::Debug for ScyllaOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScyllaOptions")
            .field("nodes", &self.nodes)
            .field("keyspace", &self.keyspace)
            .field("user", &self.credentials.as_ref().map(|(user, _)| user))
            .field("datacenter", &self.datacenter)
            .field("deadlines", &self.deadlines)
            .finish_non_exhaustive()
    }
}

fn sign_in(text: &str) -> Result<(String, String), InvalidUrl> {
    let (user, password) = text.split_once(':').ok_or(InvalidUrl("a user without a password"))?;
    Ok((decoded(user)?, decoded(password)?))
}

fn node(host: &str) -> Result<String, InvalidUrl> {
    if host.is_empty() {
        return Err(InvalidUrl("no host"));
    }
    // An IPv6 address stands in brackets, as in any URL.
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(name, port)| port.parse::<u16>().is_ok() && (!name.contains(':') || name.ends_with(']')));
    Ok(if has_port { host.to_owned() } else { format!("{host}:9042") })
}

fn datacenter(query: &str) -> Result<String, InvalidUrl> {
    match query.split_once('=') {
        Some(("datacenter", name)) if !name.is_empty() && !name.contains('&') => decoded(name),
        _ => Err(InvalidUrl("the one parameter is datacenter")),
    }
}

fn decoded(text: &str) -> Result<String, InvalidUrl> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
            let (high, low) = (digit(rest.next()), digit(rest.next()));
            let value = high.zip(low).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
            bytes.push(value.ok_or(InvalidUrl("a broken percent code"))?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| InvalidUrl("not UTF-8"))
}

fn is_keyspace(name: &str) -> bool {
    name.len() <= 48
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_hosts_keyspace_user_and_datacenter() {
        let options =
            ScyllaOptions::from_url("scylla://chat:p%40ss@a:9043,b,[::1]:9044/chat_1?datacenter=eu-1").unwrap();
        assert_eq!(options.nodes, ["a:9043", "b:9042", "[::1]:9044"]);
        assert_eq!(options.keyspace(), "chat_1");
        assert_eq!(options.credentials, Some(("chat".into(), "p@ss".into())));
        assert_eq!(options.datacenter.as_deref(), Some("eu-1"));
    }

    #[test]
    fn a_password_is_never_printed() {
        let options = ScyllaOptions::from_url("scylla://chat:hunter2@a/chat").unwrap();
        assert!(!format!("{options:?}").contains("hunter2"));
        let error = ScyllaOptions::from_url("scylla://chat:hunter2@a").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }

    #[test]
    fn what_is_no_url_of_a_keyspace_is_refused() {
        let urls = [
            "nats://a/chat",
            "scylla://a",
            "scylla:///chat",
            "scylla://a,/chat",
            "scylla://a/",
            "scylla://a/Chat",
            "scylla://a/chat; DROP",
            "scylla://user@a/chat",
            "scylla://a/chat?dc=x",
            "scylla://u:%zz@a/chat",
        ];
        for url in urls {
            assert!(ScyllaOptions::from_url(url).is_err(), "{url}");
        }
    }
}
