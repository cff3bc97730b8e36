//! Access tokens that must not count. All but a few are signed with the process's own key, as no attacker could: each
//! is wrong in one thing only, so the refusal is for that thing.

use std::path::Path;

use anyhow::{Context, ensure};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chat_protocol::{Clock, id::TokenId, time::SystemClock};
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Seconds an access token lives, and may be wrong by.
const LIFE_S: i64 = 900;
const LEEWAY_S: i64 = 30;

/// A token, and what whoever sends it is told.
pub struct Forged {
    pub what: &'static str,
    pub token: String,
    pub code: &'static str,
    pub close: u16,
}

/// The process's keys, and a genuine token to change.
pub struct Forge {
    current: SigningKey,
    next: SigningKey,
    header: Value,
    claims: Value,
}

impl Forge {
    pub fn open(data_dir: &Path, genuine: &str) -> anyhow::Result<Self> {
        let keys: Value = serde_json::from_slice(&std::fs::read(data_dir.join("keys.json"))?)?;
        let key = |name: &str| {
            let seed = STANDARD.decode(keys["access"][name].as_str().context("a key")?)?;
            let seed: [u8; 32] = seed.try_into().ok().context("a key of 32 bytes")?;
            anyhow::Ok(SigningKey::from_bytes(&seed))
        };
        let part = |place: usize| {
            let part = genuine.split('.').nth(place).context("a JWT")?;
            anyhow::Ok(serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part)?)?)
        };
        let forge = Self { current: key("current")?, next: key("next")?, header: part(0)?, claims: part(1)? };
        ensure!(forge.header["kid"] == key_id(&forge.current), "the key that signs is another one");
        Ok(forge)
    }

    /// What counts: without these the refusals would prove nothing.
    pub fn accepted(&self) -> Vec<(&'static str, String)> {
        let next = with(&self.header, &json!({"kid": key_id(&self.next)}));
        vec![
            ("signed here, nothing changed", self.header(json!({}))),
            ("the next key, for a rotation", signed(&self.next, &next, &self.claims)),
            ("ended within the leeway", self.claims(self.ended_ago(LEEWAY_S / 3))),
        ]
    }

    /// What does not.
    pub fn refused(&self) -> Vec<Forged> {
        let day_s = 24 * 3_600;
        let iat = self.claims["iat"].as_i64().unwrap_or_default();
        let strangers = SigningKey::from_bytes(&[7; 32]);
        let genuine = self.header(json!({}));
        let (document, signature) = genuine.rsplit_once('.').unwrap_or_default();
        let other_claims = with(&self.claims, &json!({"sub": "01M814RE33CM9JD7GD6ZSAEKF4"}));
        let other_first = if signature.starts_with('A') { 'B' } else { 'A' };
        let refused = [
            ("no token at all", String::new()),
            ("no JWT", "open-sesame".to_owned()),
            ("three empty parts", "..".to_owned()),
            ("algorithm none", format!("{}.", self.unsigned(&json!({"alg": "none"})))),
            ("algorithm none, a signature", self.header(json!({"alg": "none"}))),
            ("HS256 with the public key", self.by_public_key()),
            ("algorithm HS256, our signature", self.header(json!({"alg": "HS256"}))),
            ("no key id", self.header(json!({"kid": null}))),
            ("unknown key id", self.header(json!({"kid": "AAAAAAAAAAAAAAAA"}))),
            ("key id as a path", self.header(json!({"kid": "../../keys.json"}))),
            ("a key by address, jku", self.header(json!({"jku": "http://127.0.0.1:1/keys"}))),
            ("a key by address, x5u", self.header(json!({"x5u": "http://127.0.0.1:1/cert"}))),
            ("a key in the header", self.header(json!({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AA"}}))),
            ("a critical extension", self.header(json!({"crit": ["exp"]}))),
            ("another type", self.header(json!({"typ": "JWT"}))),
            ("no type", self.header(json!({"typ": null}))),
            ("another audience", self.claims(json!({"aud": "bank"}))),
            ("no audience", self.claims(json!({"aud": null}))),
            ("another issuer", self.claims(json!({"iss": "mallory"}))),
            ("no issuer", self.claims(json!({"iss": null}))),
            ("no subject", self.claims(json!({"sub": null}))),
            ("no user as subject", self.claims(json!({"sub": "admin"}))),
            ("no end", self.claims(json!({"exp": null}))),
            ("an end in words", self.claims(json!({"exp": "never"}))),
            ("no token id", self.claims(json!({"jti": null}))),
            ("a token id of another time", self.claims(json!({"jti": token_id(iat - 60)}))),
            ("a life of a day", self.claims(json!({"exp": iat + day_s}))),
            ("an end before the beginning", self.claims(json!({"exp": iat - 1}))),
            ("issued tomorrow", self.claims(self.ended_ago(-day_s))),
            ("not before tomorrow", self.claims(json!({"nbf": iat + day_s}))),
            ("a stranger's signature", signed(&strangers, &self.header, &self.claims)),
            ("a changed signature", format!("{document}.{other_first}{}", signature.get(1..).unwrap_or_default())),
            ("changed claims", format!("{}.{}.{signature}", part(&self.header), part(&other_claims))),
            ("over 4 KiB", self.claims(json!({"padding": "x".repeat(4_096)}))),
        ];
        let mut refused: Vec<Forged> = refused
            .into_iter()
            .map(|(what, token)| Forged { what, token, code: "unauthenticated", close: 4501 })
            .collect();
        let ended = self.claims(self.ended_ago(LEEWAY_S + 15));
        refused.push(Forged { what: "expired", token: ended, code: "token_expired", close: 4004 });
        refused
    }

    fn header(&self, changes: Value) -> String {
        signed(&self.current, &with(&self.header, &changes), &self.claims)
    }

    fn claims(&self, changes: Value) -> String {
        signed(&self.current, &self.header, &with(&self.claims, &changes))
    }

    fn unsigned(&self, changes: &Value) -> String {
        format!("{}.{}", part(&with(&self.header, changes)), part(&self.claims))
    }

    /// The classic confusion: what everybody may know, taken for a shared secret.
    fn by_public_key(&self) -> String {
        let document = self.unsigned(&json!({"alg": "HS256"}));
        let public = self.current.verifying_key().to_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(&public).expect("any length is a key");
        mac.update(document.as_bytes());
        format!("{document}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    /// The claims of a token that was right and ended this many seconds ago.
    fn ended_ago(&self, seconds: i64) -> Value {
        let exp = SystemClock.now().as_ms() / 1_000 - seconds;
        let iat = exp - LIFE_S;
        json!({"iat": iat, "exp": exp, "jti": token_id(iat)})
    }
}

fn token_id(at_s: i64) -> String {
    TokenId::ulid(at_s.unsigned_abs() * 1_000, rand::random()).to_string()
}

/// As the issuer names its keys.
fn key_id(key: &SigningKey) -> String {
    let digest = Sha256::digest(key.verifying_key().to_bytes());
    URL_SAFE_NO_PAD.encode(&digest[..12])
}

fn signed(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let document = format!("{}.{}", part(header), part(claims));
    let signature = key.sign(document.as_bytes()).to_bytes();
    format!("{document}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn part(document: &Value) -> String {
    URL_SAFE_NO_PAD.encode(document.to_string())
}

/// The object with some fields changed, or removed by `null`.
fn with(object: &Value, changes: &Value) -> Value {
    let mut object = object.as_object().cloned().unwrap_or_default();
    for (name, value) in changes.as_object().into_iter().flatten() {
        if value.is_null() {
            object.remove(name);
        } else {
            object.insert(name.clone(), value.clone());
        }
    }
    Value::Object(object)
}
