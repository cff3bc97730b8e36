//! Access tokens: JWTs of fifteen minutes, signed with Ed25519, verified without any store.
//!
//! What a token says about its own keys is never believed: `kid` chooses from our own map, the key fixes the
//! algorithm, and header fields that bring a key along are refused.

use std::collections::HashMap;
use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chat_protocol::{
    ErrorCode, SessionId, Timestamp, UserId, frame::SecretText, id::TokenId, limits::ACCESS_TOKEN_LIFE,
};
use ed25519_dalek::SigningKey;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use rand::{CryptoRng, Rng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cache::Cache;
use crate::keys::{Key, Keys};

/// `iss` and `aud` of the tokens that our own gateways sign for each other.
pub const OURS: &str = "chat";
/// RFC 9068: this JWT is an access token and nothing else.
const TYPE: &str = "at+jwt";
/// Clocks of nodes differ by less.
const LEEWAY: Duration = Duration::from_secs(30);
/// A token is a few hundred bytes; nothing longer is even looked at.
const TOKEN_BYTES_MAX: usize = 4 * 1024;
/// Remembered tokens, some 100 bytes each.
const CACHED_TOKENS: usize = 65_536;

/// Who a verified token speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Who.
    pub user: UserId,
    /// The log-in behind it.
    pub session: SessionId,
    /// The token itself.
    pub token: TokenId,
    /// When it was signed.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A token that was just signed.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The JWT.
    pub text: SecretText,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was right, once.
    #[error("token expired")]
    Expired,
    /// It never was. The reason is for debug logs, not for whoever sent it.
    #[error("token refused: {0}")]
    Refused(&'static str),
}

impl TokenError {
    /// What the client is told.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Expired => ErrorCode::TokenExpired,
            Self::Refused(_) => ErrorCode::Unauthenticated,
        }
    }
}

/// Signs access tokens.
#[derive(Clone)]
pub struct Issuer {
    issuer: String,
    audience: String,
    kid: String,
    key: EncodingKey,
}

/// Checks access tokens. Shared by all requests and sockets of a gateway.
pub struct Verifier {
    keys: HashMap<String, DecodingKey>,
    validation: Validation,
    cache: Cache,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: UserId,
    sid: SessionId,
    jti: TokenId,
    iat: u64,
    exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<u64>,
}

/// Claims with the audience, which the verifier's library checks and we only write.
#[derive(Serialize)]
struct Signed<'a> {
    aud: &'a str,
    #[serde(flatten)]
    claims: Claims,
}

impl Issuer {
    /// Signs with the current key.
    pub fn new(keys: &Keys, issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        let (kid, _) = public_of(&keys.access.current);
        Self { issuer: issuer.into(), audience: audience.into(), kid, key: signing_key(&keys.access.current) }
    }

    /// A token of [`ACCESS_TOKEN_LIFE`] for one session.
    pub fn issue(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
        rng: &mut (impl Rng + CryptoRng),
    ) -> AccessToken {
        let now_ms = now.as_ms().unsigned_abs();
        let issued_s = now_ms / 1_000;
        let expires_s = issued_s + ACCESS_TOKEN_LIFE.as_secs();
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: user,
            sid: session,
            jti: TokenId::ulid(now_ms, rng.random()),
            iat: issued_s,
            exp: expires_s,
            nbf: None,
        };
        let header = Header { typ: Some(TYPE.into()), kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let text = encode(&header, &Signed { aud: &self.audience, claims }, &self.key)
            .expect("an Ed25519 key signs any claims that serialise");
        AccessToken { text: text.into(), expires_at: seconds(expires_s) }
    }
}

impl Verifier {
    /// Trusts every key of the ring, for tokens of this issuer to this audience.
    pub fn new(keys: &Keys, issuer: &str, audience: &str) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Time is ours to judge, by the clock that is handed in.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let keys = keys.access.trusted().map(public_of).map(|(kid, public)| (kid, DecodingKey::from_ed_der(&public)));
        Self { keys: keys.collect(), validation, cache: Cache::new(CACHED_TOKENS) }
    }

    /// Who the token speaks for. A token that was verified before is not verified again until it ends.
    ///
    /// # Errors
    /// [`TokenError`]; its text holds nothing of the token.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Access, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Refused("too long"));
        }
        let digest: [u8; 32] = Sha256::digest(token).into();
        let access = match self.cache.get(&digest) {
            Some(access) => access,
            None => self.verify_signed(token, now)?,
        };
        if now > access.expires_at.plus_ms(leeway_ms()) {
            return Err(TokenError::Expired);
        }
        self.cache.put(digest, access);
        Ok(access)
    }

    /// Everything but the end of the token's life.
    fn verify_signed(&self, token: &str, now: Timestamp) -> Result<Access, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Refused("header"))?;
        let key = self.key_for(&header)?;
        let claims = decode::<Claims>(token, key, &self.validation)
            .map_err(|_| TokenError::Refused("signature or claims"))?
            .claims;

        let latest = now.plus_ms(leeway_ms());
        let (issued, expires) = (seconds(claims.iat), seconds(claims.exp));
        if issued > latest || claims.nbf.is_some_and(|nbf| seconds(nbf) > latest) {
            return Err(TokenError::Refused("not valid yet"));
        }
        if claims.exp <= claims.iat || claims.exp - claims.iat > ACCESS_TOKEN_LIFE.as_secs() {
            return Err(TokenError::Refused("life too long"));
        }
        let minted_ms = claims.jti.ulid_ms();
        if minted_ms / 1_000 != claims.iat {
            return Err(TokenError::Refused("token id"));
        }
        Ok(Access {
            user: claims.sub,
            session: claims.sid,
            token: claims.jti,
            issued_at: millis(minted_ms),
            expires_at: expires,
        })
    }

    /// The key that the header may use.
    fn key_for(&self, header: &Header) -> Result<&DecodingKey, TokenError> {
        let brings_a_key = header.jku.is_some()
            || header.jwk.is_some()
            || header.x5u.is_some()
            || header.x5c.is_some()
            || header.x5t.is_some()
            || header.x5t_s256.is_some();
        if brings_a_key || header.crit.is_some() {
            return Err(TokenError::Refused("header brings its own key or terms"));
        }
        if header.typ.as_deref() != Some(TYPE) {
            return Err(TokenError::Refused("type"));
        }
        if header.alg != Algorithm::EdDSA {
            return Err(TokenError::Refused("algorithm"));
        }
        let kid = header.kid.as_deref().ok_or(TokenError::Refused("no key id"))?;
        self.keys.get(kid).ok_or(TokenError::Refused("unknown key"))
    }
}

/// A key's name, derived from its public half, and that half.
fn public_of(seed: &Key) -> (String, [u8; 32]) {
    let public = SigningKey::from_bytes(seed).verifying_key().to_bytes();
    let digest: [u8; 32] = Sha256::digest(public).into();
    let (name, _) = digest.split_at(12);
    (URL_SAFE_NO_PAD.encode(name), public)
}

/// The seed in its PKCS#8 frame (RFC 8410), which is what the JWT library takes.
fn signing_key(seed: &Key) -> EncodingKey {
    const FRAME: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    EncodingKey::from_ed_der(&[FRAME.as_slice(), seed].concat())
}

fn leeway_ms() -> i64 {
    i64::try_from(LEEWAY.as_millis()).unwrap_or(i64::MAX)
}

fn seconds(since_epoch: u64) -> Timestamp {
    millis(since_epoch.saturating_mul(1_000))
}

fn millis(since_epoch: u64) -> Timestamp {
    Timestamp::from_ms(i64::try_from(since_epoch).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
