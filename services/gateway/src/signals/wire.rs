//! What gateways tell each other about one conversation or one user's devices.

use bytes::Bytes;
use chat_protocol::{
    ConversationId, Seq, SocketId, UserId,
    frame::{MarkerShown, ServerFrame, TypingShown, TypingState, Want},
    limits,
};
use serde::{Deserialize, Serialize};

/// One signal. Maps with names, so that a later version may add to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// A user has come so far.
    Marker {
        /// Where; a user's devices hear it of all their conversations.
        conversation: ConversationId,
        /// Who.
        user: UserId,
        /// How far.
        read: Seq,
        /// How far.
        delivered: Seq,
        /// The socket that said so, which knows.
        #[serde(default)]
        from: Option<SocketId>,
    },
    /// A user types, or no longer.
    Typing {
        /// Who.
        user: UserId,
        /// Which of the two.
        state: TypingState,
    },
}

impl Signal {
    /// For the log.
    pub fn encode(&self) -> Bytes {
        // Only numbers and names: this cannot fail, and nobody understands an empty signal.
        Bytes::from(rmp_serde::to_vec_named(self).unwrap_or_default())
    }

    /// `None` for what another version says.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes).ok()
    }

    /// What a socket gets to see.
    pub const fn frame(&self, of: ConversationId) -> ServerFrame {
        match *self {
            Self::Marker { conversation, user, read, delivered, .. } => {
                ServerFrame::Marker(MarkerShown { conversation, user, read, delivered })
            }
            Self::Typing { user, state } => ServerFrame::Typing(TypingShown {
                conversation: of,
                user,
                state,
                expires_ms: limits::TYPING_SHOWN.as_millis() as u64,
            }),
        }
    }

    /// What a socket must want to see it.
    pub const fn want(&self) -> Want {
        match self {
            Self::Marker { .. } => Want::Markers,
            Self::Typing { .. } => Want::Typing,
        }
    }

    /// Of its frame, for metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Marker { .. } => "marker",
            Self::Typing { .. } => "typing",
        }
    }

    /// Who it is about.
    pub const fn user(&self) -> UserId {
        match self {
            Self::Marker { user, .. } | Self::Typing { user, .. } => *user,
        }
    }

    /// The socket that said so.
    pub const fn from(&self) -> Option<SocketId> {
        match self {
            Self::Marker { from, .. } => *from,
            Self::Typing { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_can_be_read_back_and_anything_else_is_none() {
        let user = UserId::from_u128(1);
        let (conversation, read) = (ConversationId::from_u128(2), Seq::new(3).unwrap());
        let from = Some(SocketId::from_u128(4));
        for signal in [
            Signal::Typing { user, state: TypingState::Start },
            Signal::Marker { conversation, user, read, delivered: read, from },
        ] {
            assert_eq!(Signal::decode(&signal.encode()), Some(signal));
        }
        for bytes in [&b""[..], b"\x01", b"\x81\xa5dance\x80", &[0xff; 40]] {
            assert_eq!(Signal::decode(bytes), None, "{bytes:?}");
        }
    }
}
