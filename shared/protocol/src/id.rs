//! Identifiers. All are opaque to clients and print as upper-case Crockford base32 in one canonical form.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ULID_LEN: usize = 26;

/// A text that is not the canonical form of the identifier that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid identifier")]
pub struct InvalidId;

/// A 128-bit identifier that prints as 26 characters.
macro_rules! id128 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// The identifier with exactly these bits.
            pub const fn from_u128(bits: u128) -> Self {
                Self(bits)
            }

            /// The 128 bits, most significant first.
            pub const fn as_u128(self) -> u128 {
                self.0
            }

            /// A ULID: 48 bits of milliseconds since the epoch, then 80 bits of `chance`.
            pub const fn ulid(at_ms: u64, chance: u128) -> Self {
                Self((((at_ms & ((1 << 48) - 1)) as u128) << 80) | (chance & ((1 << 80) - 1)))
            }

            /// The milliseconds since the epoch that a ULID was minted at.
            pub const fn ulid_ms(self) -> u64 {
                (self.0 >> 80) as u64
            }
        }

        impl $name {
            /// As it prints, on the stack.
            pub(crate) const fn digits(self) -> Digits {
                Digits::of(self.0, ULID_LEN)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.digits().as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_base32(text, ULID_LEN, 7).map(Self)
            }
        }

        text_serde!($name);
    };
}

/// Serialises as its digits and parses through `FromStr`, in every codec.
macro_rules! text_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.digits().as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("a ", stringify!($name)))
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

id128! {
    /// A user: a ULID.
    UserId
}
id128! {
    /// A log-in of one device: a ULID. Refreshing keeps it.
    SessionId
}
id128! {
    /// One access token: a ULID. A refresh mints a new one.
    TokenId
}
id128! {
    /// A conversation, or a user's feed (then its bits are the user's).
    ConversationId
}
id128! {
    /// Minted by a client when its user presses send: a ULID, unique per (conversation, sender).
    ClientId
}
id128! {
    /// One WebSocket connection: a ULID.
    SocketId
}
id128! {
    /// Long work that somebody started: a ULID.
    JobId
}
id128! {
    /// One run of a gateway or a worker: a ULID. A restart is another one.
    NodeId
}

impl Default for NodeId {
    fn default() -> Self {
        Self::from_u128(0)
    }
}

impl ConversationId {
    /// The one direct conversation of two users, whichever of them asks first.
    pub fn direct(a: UserId, b: UserId) -> Self {
        let (low, high) = if a <= b { (a, b) } else { (b, a) };
        Self(hash128(&[&low.0.to_be_bytes(), &high.0.to_be_bytes()]))
    }

    /// The conversation that `creator` made with `client_id`: creating twice makes one.
    pub fn created(creator: UserId, client_id: ClientId) -> Self {
        Self(hash128(&[&creator.0.to_be_bytes(), &client_id.0.to_be_bytes()]))
    }

    /// The durable events of one user on all devices.
    pub const fn feed(user: UserId) -> Self {
        Self(user.0)
    }
}

/// The first 128 bits of SHA-256 over the parts.
fn hash128(parts: &[&[u8]]) -> u128 {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(part);
    }
    let digest: [u8; 32] = sha.finalize().into();
    digest[..16].iter().fold(0, |bits, byte| (bits << 8) | u128::from(*byte))
}

/// A position in the log of one shard. Orders a conversation for everybody.
///
/// Zero is "before everything". Below 2^53, so it is exact as a JSON number.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Seq(u64);

impl Seq {
    /// Before everything.
    pub const ZERO: Self = Self(0);
    /// The last position a JSON number holds exactly.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The position, or `None` beyond [`Seq::MAX`].
    pub const fn new(seq: u64) -> Option<Self> {
        if seq <= Self::MAX.0 { Some(Self(seq)) } else { None }
    }

    /// The number itself.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position after this one (saturating at [`Seq::MAX`]).
    pub const fn next(self) -> Self {
        if self.0 < Self::MAX.0 { Self(self.0 + 1) } else { Self::MAX }
    }

    /// The position before this one (saturating at [`Seq::ZERO`]).
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl<'de> Deserialize<'de> for Seq {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seq = u64::deserialize(deserializer)?;
        Self::new(seq).ok_or_else(|| de::Error::custom("a position is below 2^53"))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One of the log's streams: below 1,024.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(u16);

impl Shard {
    /// How many shards a message id has room for (10 bits).
    pub const COUNT_MAX: u16 = 1 << 10;

    /// The shard, or `None` from [`Shard::COUNT_MAX`] on.
    pub const fn new(shard: u16) -> Option<Self> {
        if shard < Self::COUNT_MAX { Some(Self(shard)) } else { None }
    }

    /// The number itself.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The address of an event: its shard (10 bits) and its position there (54 bits), as 13 characters.
///
/// Sorts like the position within a conversation; unique in the cluster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    shard: Shard,
    seq: Seq,
}

impl MessageId {
    const LEN: usize = 13;

    /// The event at `seq` of `shard`.
    pub const fn new(shard: Shard, seq: Seq) -> Self {
        Self { shard, seq }
    }

    /// The log's stream that holds it.
    pub const fn shard(self) -> Shard {
        self.shard
    }

    /// Its position there.
    pub const fn seq(self) -> Seq {
        self.seq
    }

    /// The 64 bits that are printed.
    pub const fn as_u64(self) -> u64 {
        ((self.shard.0 as u64) << 54) | self.seq.0
    }

    /// The inverse of [`MessageId::as_u64`]; refuses positions beyond [`Seq::MAX`].
    pub const fn from_u64(bits: u64) -> Option<Self> {
        match Seq::new(bits & ((1 << 54) - 1)) {
            Some(seq) => Some(Self { shard: Shard((bits >> 54) as u16), seq }),
            None => None,
        }
    }
}

impl MessageId {
    /// As it prints, on the stack.
    pub(crate) const fn digits(self) -> Digits {
        Digits::of(self.as_u64() as u128, Self::LEN)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.digits().as_str())
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MessageId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let bits = parse_base32(text, Self::LEN, 15)?;
        u64::try_from(bits).ok().and_then(Self::from_u64).ok_or(InvalidId)
    }
}

text_serde!(MessageId);

/// An identifier's digits, on the stack: some ten identifiers are printed for every message.
pub(crate) struct Digits {
    bytes: [u8; ULID_LEN],
    len: usize,
}

impl Digits {
    /// The lowest `len` digits, at most 26.
    const fn of(mut bits: u128, len: usize) -> Self {
        let mut bytes = [b'0'; ULID_LEN];
        let mut place = len;
        while place > 0 {
            place -= 1;
            bytes[place] = ALPHABET[(bits & 31) as usize];
            bits >>= 5;
        }
        Self { bytes, len }
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).expect("the alphabet is ASCII")
    }
}

/// Parses exactly `len` upper-case digits, the first at most `first_max` (the bits that do not fill a digit).
fn parse_base32(text: &str, len: usize, first_max: u8) -> Result<u128, InvalidId> {
    if text.len() != len {
        return Err(InvalidId);
    }
    let mut bits = 0_u128;
    for (place, byte) in text.bytes().enumerate() {
        let digit = DIGITS[usize::from(byte)];
        if digit == NO_DIGIT || (place == 0 && digit > first_max) {
            return Err(InvalidId);
        }
        bits = (bits << 5) | u128::from(digit);
    }
    Ok(bits)
}

const NO_DIGIT: u8 = u8::MAX;

/// What each byte is worth as a digit.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < ALPHABET.len() {
        digits[ALPHABET[digit] as usize] = digit as u8;
        digit += 1;
    }
    digits
};
