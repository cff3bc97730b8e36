//! What an attacker may try with a token (RFC 8725), one row each; and what a rotation must not break.

use base64::engine::general_purpose::STANDARD;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::from_ms(1_795_132_800_123);
const ISSUER: &str = "https://chat.example";
const AUDIENCE: &str = "chat";
const ALICE: UserId = UserId::from_u128(1);
const PHONE: SessionId = SessionId::from_u128(2);

fn keys(seed: u64) -> Keys {
    Keys::generate(&mut StdRng::seed_from_u64(seed))
}

fn verifier(keys: &Keys) -> Verifier {
    Verifier::new(keys, ISSUER, AUDIENCE)
}

fn issued(keys: &Keys) -> String {
    let mut rng = StdRng::seed_from_u64(3);
    Issuer::new(keys, ISSUER, AUDIENCE).issue(ALICE, PHONE, NOW, &mut rng).text.expose().to_owned()
}

/// The parts of a good token, to be changed and signed again with the right key.
struct Forgery {
    header: Value,
    claims: Value,
    seed: Key,
}

impl Forgery {
    fn of(keys: &Keys) -> Self {
        let token = issued(keys);
        let part = |n: usize| {
            let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(n).unwrap()).unwrap();
            serde_json::from_slice(&bytes).unwrap()
        };
        Self { header: part(0), claims: part(1), seed: keys.access.current }
    }

    fn header(mut self, name: &str, value: Value) -> Self {
        self.header[name] = value;
        self
    }

    fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims[name] = value;
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.claims.as_object_mut().unwrap().remove(name);
        self
    }

    fn message(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", part(&self.header), part(&self.claims))
    }

    fn signed(&self) -> String {
        use ed25519_dalek::Signer;
        let message = self.message();
        let signature = SigningKey::from_bytes(&self.seed).sign(message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}

#[test]
fn a_good_token_says_who_it_speaks_for() {
    let keys = keys(1);
    let access = verifier(&keys).verify(&issued(&keys), NOW).unwrap();
    assert_eq!((access.user, access.session), (ALICE, PHONE));
    assert_eq!(access.issued_at, NOW, "to the millisecond, for revocations");
    assert_eq!(access.expires_at, Timestamp::from_ms(1_795_132_800_000 + 900_000));
    assert!(verifier(&keys).verify(&Forgery::of(&keys).signed(), NOW).is_ok(), "the forger's tools work");
}

#[test]
fn every_forgery_is_refused() {
    let keys = keys(1);
    let good = || Forgery::of(&keys);
    let (kid, public) = public_of(&keys.access.current);
    let hs256 = |secret: &[u8]| {
        let header = Header { typ: Some(TYPE.into()), kid: Some(kid.clone()), ..Header::new(Algorithm::HS256) };
        encode(&header, &good().claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    let seconds = |offset: i64| json!(1_795_132_800_i64 + offset);
    let foreign = Forgery { seed: [9; 32], ..good() };
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(public));

    let forgeries = [
        ("no algorithm", format!("{}.", good().header("alg", json!("none")).message())),
        ("no algorithm, signed", good().header("alg", json!("none")).signed()),
        ("no algorithm in capitals", format!("{}.", good().header("alg", json!("NONE")).message())),
        ("the public key as an HMAC secret", hs256(&public)),
        ("the public key as PEM as an HMAC secret", hs256(pem.as_bytes())),
        ("another algorithm's name", good().header("alg", json!("ES256")).signed()),
        ("another key behind our name", foreign.signed()),
        ("no signature", format!("{}.", good().message())),
        ("a foreign signature", format!("{}.{}", good().claim("sub", json!(PHONE)).message(), "A".repeat(86))),
        ("another audience", good().claim("aud", json!("mail")).signed()),
        ("no audience", good().without("aud").signed()),
        ("another issuer", good().claim("iss", json!("https://chat.example.evil")).signed()),
        ("a list of issuers", good().claim("iss", json!([ISSUER])).signed()),
        ("no issuer", good().without("iss").signed()),
        ("no subject", good().without("sub").signed()),
        ("a subject that is no user", good().claim("sub", json!("alice")).signed()),
        ("no session", good().without("sid").signed()),
        ("no token id", good().without("jti").signed()),
        ("a token id of another time", good().claim("jti", json!(TokenId::ulid(5, 5))).signed()),
        ("no time of issue", good().without("iat").signed()),
        ("no end", good().without("exp").signed()),
        ("an end in words", good().claim("exp", json!("1795133700")).signed()),
        ("an end beyond its life", good().claim("exp", seconds(901)).signed()),
        ("an end before its beginning", good().claim("exp", seconds(-1)).signed()),
        ("not valid yet", good().claim("nbf", seconds(31)).signed()),
        ("a wrong kind of not-before", good().claim("nbf", json!("soon")).signed()),
        ("issued in the future", good().claim("iat", seconds(31)).claim("exp", seconds(931)).signed()),
        ("no key id", good().header("kid", Value::Null).signed()),
        ("a key id as a path", good().header("kid", json!("../../../../dev/null")).signed()),
        ("a key id as a query", good().header("kid", json!("x' UNION SELECT 'k")).signed()),
        ("an unknown key id", good().header("kid", json!("AAAAAAAAAAAAAAAA")).signed()),
        ("a key's address", good().header("jku", json!("https://evil.example/jwks.json")).signed()),
        ("a certificate's address", good().header("x5u", json!("https://evil.example/x.pem")).signed()),
        ("a certificate", good().header("x5c", json!(["AAAA"])).signed()),
        ("terms we do not know", good().header("crit", json!(["b64"])).header("b64", json!(false)).signed()),
        ("another type", good().header("typ", json!("JWT")).signed()),
        ("no type", good().header("typ", Value::Null).signed()),
        ("a huge one", good().claim("note", json!("x".repeat(TOKEN_BYTES_MAX))).signed()),
        ("two parts", good().message()),
        ("four parts", format!("{}.x", good().signed())),
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
    ];
    let verifier = verifier(&keys);
    for (what, token) in forgeries {
        let refused = verifier.verify(&token, NOW).expect_err(what);
        assert_eq!(refused.code(), ErrorCode::Unauthenticated, "{what}");
    }
}

#[test]
fn a_header_that_brings_its_own_key_is_refused() {
    let keys = keys(1);
    let (_, public) = public_of(&[9; 32]);
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(public) });
    let forged = Forgery { seed: [9; 32], ..Forgery::of(&keys) }.header("jwk", jwk);
    assert_eq!(
        verifier(&keys).verify(&forged.signed(), NOW).map_err(TokenError::code),
        Err(ErrorCode::Unauthenticated)
    );
}

#[test]
fn every_character_counts() {
    let keys = keys(1);
    let (token, verifier) = (issued(&keys), verifier(&keys));
    for place in 0..token.len() {
        let other = if token.as_bytes()[place] == b'A' { "B" } else { "A" };
        let mut changed = token.clone();
        changed.replace_range(place..=place, other);
        assert!(verifier.verify(&changed, NOW).is_err(), "character {place}");
    }
}

#[test]
fn it_ends_with_half_a_minute_of_leeway_also_when_remembered() {
    let keys = keys(1);
    let token = issued(&keys);
    let end = Timestamp::from_ms(1_795_132_800_000 + 900_000);
    let remembering = verifier(&keys);
    remembering.verify(&token, NOW).unwrap();
    for verifier in [&remembering, &verifier(&keys)] {
        assert!(verifier.verify(&token, end.plus_ms(30_000)).is_ok());
        let late = verifier.verify(&token, end.plus_ms(30_001));
        assert_eq!(late.map_err(TokenError::code), Err(ErrorCode::TokenExpired));
    }
}

#[test]
fn a_rotation_refuses_nobody_on_nodes_before_or_after_it() {
    let mut rng = StdRng::seed_from_u64(5);
    let first = keys(1);
    let second = first.rotated(&mut rng);
    let third = second.rotated(&mut rng);

    assert!(verifier(&second).verify(&issued(&first), NOW).is_ok(), "an old token on a new node");
    assert!(verifier(&first).verify(&issued(&second), NOW).is_ok(), "a new token on an old node");
    assert!(verifier(&third).verify(&issued(&first), NOW).is_err(), "two rotations later the key is gone");
}

#[test]
fn refusals_say_nothing_of_the_token() {
    let keys = keys(1);
    let refused = verifier(&keys).verify(&Forgery::of(&keys).claim("sub", json!("alice")).signed(), NOW);
    let text = format!("{:?} {}", refused, refused.unwrap_err());
    assert!(!text.contains("alice") && !text.contains(ISSUER), "{text}");
}
