//! What crosses a socket: one WebSocket message is one frame, an object with `type`.

mod client; // what clients say
mod server; // what the server says

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::{client::*, server::*};
use crate::id::{ConversationId, Seq};

/// A client's number for a request, 0 … 2^53 − 1; the answer carries it.
pub type Ref = Seq;

/// Cursors: the last position a reader has, by conversation.
pub type Cursors = BTreeMap<ConversationId, Seq>;

/// A token on its way: prints as `***`, so that no log line can hold one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// The text itself, for the one place that checks or sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
