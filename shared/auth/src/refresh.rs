//! Refresh tokens: 256 random bits behind the session's id, stored hashed, good for one use.
//!
//! A token that was used before tells of a thief, or of the thief's victim: nobody knows which, so the session ends.

use std::str::FromStr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chat_protocol::{ErrorCode, SessionId, Timestamp, frame::SecretText};
use rand::{CryptoRng, Rng};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const PREFIX: &str = "rt_";
/// `rt_`, the session, `_`, 32 bytes in base64url.
const TEXT_BYTES: usize = PREFIX.len() + 26 + 1 + 43;

/// One refresh token: `rt_<session>_<secret>`.
#[derive(Clone)]
pub struct RefreshToken {
    session: SessionId,
    secret: [u8; 32],
}

/// What the store keeps of a session's current token.
#[derive(Clone, Copy)]
pub struct Stored {
    /// SHA-256 of the current secret.
    pub hash: [u8; 32],
    /// The token's end.
    pub expires_at: Timestamp,
}

/// What to do with a refresh token that somebody shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It is the current one: replace it and answer a new pair.
    Rotate,
    /// It was replaced before: revoke the whole session.
    Reused,
    /// The session was revoked or logged out.
    Revoked,
    /// Nothing is known of it, or it has ended.
    Unknown,
}

impl Judgement {
    /// What the client is told, unless the token is good.
    ///
    /// # Errors
    /// The refusal's code.
    pub const fn verdict(self) -> Result<(), ErrorCode> {
        match self {
            Self::Rotate => Ok(()),
            Self::Reused | Self::Revoked => Err(ErrorCode::TokenRevoked),
            Self::Unknown => Err(ErrorCode::Unauthenticated),
        }
    }
}

impl RefreshToken {
    /// A new token for a session.
    pub fn mint(session: SessionId, rng: &mut (impl Rng + CryptoRng)) -> Self {
        Self { session, secret: rng.random() }
    }

    /// The session it belongs to, if it is genuine.
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// What the client keeps.
    pub fn text(&self) -> SecretText {
        format!("{PREFIX}{}_{}", self.session, URL_SAFE_NO_PAD.encode(self.secret)).into()
    }

    /// What the store keeps.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }

    /// Decides, given what the store knows of the session and whether it stands on the revocation list.
    pub fn judge(&self, stored: Option<Stored>, revoked: bool, now: Timestamp) -> Judgement {
        match stored {
            _ if revoked => Judgement::Revoked,
            Some(stored) if now >= stored.expires_at => Judgement::Unknown,
            Some(stored) if bool::from(stored.hash.ct_eq(&self.hash())) => Judgement::Rotate,
            Some(_) => Judgement::Reused,
            None => Judgement::Unknown,
        }
    }
}

impl FromStr for RefreshToken {
    type Err = ErrorCode;

    /// Anything but the exact form is [`ErrorCode::Unauthenticated`].
    fn from_str(text: &str) -> Result<Self, ErrorCode> {
        let parse = || {
            let rest = text.strip_prefix(PREFIX).filter(|_| text.len() == TEXT_BYTES)?;
            let (session, secret) = rest.split_once('_')?;
            let secret = URL_SAFE_NO_PAD.decode(secret).ok()?.try_into().ok()?;
            Some(Self { session: session.parse().ok()?, secret })
        };
        parse().ok_or(ErrorCode::Unauthenticated)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_795_132_800_000);

    fn minted(seed: u64) -> RefreshToken {
        RefreshToken::mint(SessionId::from_u128(7), &mut StdRng::seed_from_u64(seed))
    }

    fn stored(token: &RefreshToken) -> Option<Stored> {
        Some(Stored { hash: token.hash(), expires_at: NOW.plus_ms(1) })
    }

    #[test]
    fn reads_what_it_wrote_and_nothing_else() {
        let token = minted(1);
        let text = token.text();
        let read: RefreshToken = text.expose().parse().unwrap();
        assert_eq!((read.session(), read.hash()), (token.session(), token.hash()));

        let text = text.expose();
        let wrong = ["".into(), "rt_".into(), text.replace("rt_", "ck_"), text.to_lowercase(), format!("{text}A")];
        for wrong in wrong {
            assert!(wrong.parse::<RefreshToken>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_current_one_rotates_and_a_used_one_ends_the_session() {
        let (used, current) = (minted(1), minted(2));
        assert_eq!(current.judge(stored(&current), false, NOW), Judgement::Rotate);
        assert_eq!(used.judge(stored(&current), false, NOW), Judgement::Reused);
        assert_eq!(Judgement::Reused.verdict(), Err(ErrorCode::TokenRevoked));
    }

    #[test]
    fn after_its_end_or_a_log_out_it_is_worth_nothing() {
        let token = minted(1);
        assert_eq!(token.judge(stored(&token), false, NOW.plus_ms(1)), Judgement::Unknown);
        assert_eq!(token.judge(None, false, NOW), Judgement::Unknown);
        assert_eq!(token.judge(None, true, NOW), Judgement::Revoked);
        assert_eq!(token.judge(stored(&token), true, NOW), Judgement::Revoked);
        assert_eq!(Judgement::Unknown.verdict(), Err(ErrorCode::Unauthenticated));
    }
}
