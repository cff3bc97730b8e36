//! The JetStream API's words, as far as we use them, and what its refusals mean for a caller.

use serde::{Deserialize, Serialize};

use crate::{BusError, Full};

/// Before every subject of the API.
pub(super) const PREFIX: &str = "$JS.API";

/// An answer of the API: what was asked for, or why not.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Answer<T> {
    Refused { error: Refusal },
    Given(T),
}

/// Why the server did not do it.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    #[serde(default)]
    pub code: u16,
    #[serde(default)]
    pub err_code: u32,
    #[serde(default)]
    pub description: String,
}

/// `err_code`s that change what we do.
pub(super) mod code {
    pub(crate) const CONSUMER_NOT_FOUND: u32 = 10_014;
    pub(crate) const NO_MESSAGE: u32 = 10_037;
    pub(crate) const STREAM_EXISTS: u32 = 10_058;
    pub(crate) const STREAM_NOT_FOUND: u32 = 10_059;
    /// Compare-and-append lost; the description names the head.
    pub(crate) const WRONG_LAST: u32 = 10_071;
    /// The same nonce is being stored right now.
    pub(crate) const DUPLICATE_IN_PROCESS: u32 = 10_158;
    /// Compare-and-append met another append in flight.
    pub(crate) const WRONG_LAST_IN_PROCESS: u32 = 10_164;

    pub(super) const ACCOUNT_RESOURCES: u32 = 10_002;
    pub(super) const INSUFFICIENT_RESOURCES: u32 = 10_023;
    pub(super) const MEMORY_RESOURCES: u32 = 10_028;
    pub(super) const STORAGE_RESOURCES: u32 = 10_047;
    pub(super) const MESSAGE_TOO_LARGE: u32 = 10_054;
    pub(super) const STORE_FAILED: u32 = 10_077;
    pub(super) const HEADER_TOO_LARGE: u32 = 10_097;
}

impl Refusal {
    /// What it means for whoever asked. Refused is not stored.
    pub(super) fn meaning(&self) -> BusError {
        match self.err_code {
            _ if self.lacks_room() => BusError::Full(Full::Storage),
            // Its own size, the disk's or the account's; anything else is a store that is closing.
            code::STORE_FAILED => match ["maximum", "no space", "exceeded"].iter().any(|why| self.says(why)) {
                true => BusError::Full(Full::Storage),
                false => BusError::Unavailable,
            },
            code::MESSAGE_TOO_LARGE | code::HEADER_TOO_LARGE => BusError::TooLarge,
            code::WRONG_LAST => BusError::WrongHead(self.named_head()),
            code::WRONG_LAST_IN_PROCESS => BusError::WrongHead(None),
            code::STREAM_NOT_FOUND => BusError::Unavailable,
            _ if matches!(self.code, 429 | 503) => BusError::Unavailable,
            _ => BusError::Other(format!("{} (error {})", self.description, self.err_code)),
        }
    }

    /// Whether the servers, or the account's share of them, have less room than was asked for.
    pub(super) const fn lacks_room(&self) -> bool {
        matches!(
            self.err_code,
            code::ACCOUNT_RESOURCES | code::INSUFFICIENT_RESOURCES | code::MEMORY_RESOURCES | code::STORAGE_RESOURCES
        )
    }

    fn says(&self, word: &str) -> bool {
        self.description.contains(word)
    }

    /// "wrong last sequence: 1008"
    fn named_head(&self) -> Option<chat_protocol::Seq> {
        let (_, seq) = self.description.rsplit_once(' ')?;
        seq.parse().ok().and_then(chat_protocol::Seq::new)
    }
}

/// `STREAM.INFO`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct StreamInfo {
    pub config: StreamConfig,
    pub state: StreamState,
}

/// What the stream was made with.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct StreamConfig {
    #[serde(default)]
    pub first_seq: u64,
}

/// What the stream holds.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct StreamState {
    pub messages: u64,
    pub bytes: u64,
    pub first_seq: u64,
    pub last_seq: u64,
}

/// `CONSUMER.INFO`.
#[derive(Debug, Deserialize)]
pub(super) struct ConsumerInfo {
    pub ack_floor: AckFloor,
    #[serde(default)]
    pub num_ack_pending: u64,
    #[serde(default)]
    pub num_pending: u64,
}

/// Everything up to here was acknowledged.
#[derive(Debug, Deserialize)]
pub(super) struct AckFloor {
    pub stream_seq: u64,
}

/// `STREAM.PURGE`: everything below `seq`.
#[derive(Serialize)]
pub(super) struct Purge {
    pub seq: u64,
}

/// The answer to [`Purge`].
#[derive(Debug, Deserialize)]
pub(super) struct Purged {
    pub success: bool,
}

/// `STREAM.MSG.GET`.
#[derive(Debug, Deserialize)]
pub(super) struct Stored {
    pub message: StoredMessage,
}

/// Of a stored message only its place: the body comes through direct gets.
#[derive(Debug, Deserialize)]
pub(super) struct StoredMessage {
    pub seq: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str) -> BusError {
        match serde_json::from_str::<Answer<Purged>>(json).unwrap() {
            Answer::Refused { error } => error.meaning(),
            Answer::Given(_) => panic!("a refusal"),
        }
    }

    #[test]
    fn refusals_say_what_to_do() {
        let wrong = refusal(r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 1008"}}"#);
        assert!(matches!(wrong, BusError::WrongHead(Some(head)) if head.get() == 1008));
        let full = refusal(r#"{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}"#);
        assert!(matches!(full, BusError::Full(Full::Storage)));
        let closing = refusal(r#"{"error":{"code":503,"err_code":10077,"description":"store is closed"}}"#);
        assert!(matches!(closing, BusError::Unavailable));
        let strange = refusal(r#"{"error":{"code":400,"err_code":10999,"description":"something new"}}"#);
        assert!(matches!(strange, BusError::Other(_)));
    }
}
