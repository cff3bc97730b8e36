//! Resume tokens: all a gateway needs to go on where another one stopped, signed by the cluster.
//!
//! `r1.` and base64url of HMAC-SHA256 followed by the state in a compact form of its own ([`wire`]). Opening one costs
//! two hashes and touches neither the store nor an issuer's key.

mod wire;

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chat_protocol::{
    ConversationId, ErrorCode, Seq, SessionId, Shard, Timestamp, UserId,
    frame::{FollowMode, SecretText, Want},
    limits::RESUME_TOKEN_LIFE,
};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::keys::{Key, Keys};

const PREFIX: &str = "r1.";
/// Signed with the state, so that no other HMAC of these keys can ever stand in for one of these.
const PURPOSE: &[u8] = b"chat resume token 1\0";
const MAC_BYTES: usize = 32;
/// 500 follows on 1,024 shards fit; nothing longer is even decoded.
pub const TOKEN_BYTES_MAX: usize = 24 * 1024;

/// Where a socket was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeState {
    /// Who.
    pub user: UserId,
    /// Which log-in.
    pub session: SessionId,
    /// What the client called its device; at most 64 characters.
    pub device: String,
    /// When the access token that opened the socket was issued: revocations are judged by it.
    pub token_issued_at: Timestamp,
    /// When that access token ends.
    pub token_expires_at: Timestamp,
    /// Whether conversations added later are followed too.
    pub follow: FollowMode,
    /// The ephemeral frames it wants, each at most once, in the order of [`WANTS`].
    pub want: Vec<Want>,
    /// What it follows beside its feed; at most 500.
    pub follows: Vec<ConversationId>,
    /// Up to where everything of a shard was delivered.
    pub settled: BTreeMap<Shard, Seq>,
}

/// Every ephemeral frame there is, in wire order; what an absent `want` stands for.
pub const WANTS: [Want; 3] = [Want::Typing, Want::Markers, Want::Presence];

/// Why a resume token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// It was right, once.
    #[error("resume token expired")]
    Expired,
    /// Changed, cut, of another cluster, or signed by a key that was rotated out.
    #[error("resume token refused")]
    Refused,
}

impl ResumeError {
    /// Either way the client says `hello` instead, with its access token.
    pub const fn code(self) -> ErrorCode {
        ErrorCode::ResumeExpired
    }
}

/// Seals and opens resume tokens.
#[derive(Clone)]
pub struct ResumeSealer {
    current: Key,
    trusted: Vec<Key>,
}

impl ResumeSealer {
    /// Seals with the current key, opens what any key of the ring sealed.
    pub fn new(keys: &Keys) -> Self {
        Self { current: keys.resume.current, trusted: keys.resume.trusted().copied().collect() }
    }

    /// A token of [`RESUME_TOKEN_LIFE`], and its end.
    pub fn seal(&self, state: &ResumeState, now: Timestamp) -> (SecretText, Timestamp) {
        let life_ms = i64::try_from(RESUME_TOKEN_LIFE.as_millis()).unwrap_or(i64::MAX);
        let expires_at = now.plus_ms(life_ms);
        let mut bytes = vec![0; MAC_BYTES];
        wire::write(state, expires_at, &mut bytes);
        let (mac, body) = bytes.split_at_mut(MAC_BYTES);
        mac.copy_from_slice(&hmac(&self.current, body).finalize().into_bytes());
        (format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)).into(), expires_at)
    }

    /// The state inside.
    ///
    /// # Errors
    /// [`ResumeError`]; a token with any bit changed is refused.
    pub fn open(&self, token: &str, now: Timestamp) -> Result<ResumeState, ResumeError> {
        let text = token.strip_prefix(PREFIX).filter(|_| token.len() <= TOKEN_BYTES_MAX);
        let bytes = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).ok_or(ResumeError::Refused)?;
        let (mac, body) = bytes.split_at_checked(MAC_BYTES).ok_or(ResumeError::Refused)?;
        if !self.trusted.iter().any(|key| hmac(key, body).verify_slice(mac).is_ok()) {
            return Err(ResumeError::Refused);
        }
        let (state, expires_at) = wire::read(body).ok_or(ResumeError::Refused)?;
        if now >= expires_at { Err(ResumeError::Expired) } else { Ok(state) }
    }
}

fn hmac(key: &Key, body: &[u8]) -> Hmac<Sha256> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    hmac.update(PURPOSE);
    hmac.update(body);
    hmac
}

#[cfg(test)]
mod tests;
