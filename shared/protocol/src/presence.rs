//! What gateways and presence workers tell each other. Every one of these may be lost: what counts is said again.
//!
//! A gateway sends [`Beat`]s: all its sessions once an interval, and those that begin or end at once. Workers share the
//! users by [`partition`], tell all gateways what changed ([`News`]) and answer [`Ask`]s.

mod pack; // many ids in few bytes

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    id::{NodeId, UserId},
    model::{Presence, Status},
    time::Timestamp,
};

pub use pack::{pack_ends, pack_leases, pack_users, unpack_ends, unpack_leases, unpack_users};

/// Parts that users are shared out in: so many workers at most have something to do.
pub const PARTITIONS: u8 = 64;

/// The part that a user belongs to; stable for ever.
pub const fn partition(user: UserId) -> u8 {
    let bits = user.as_u128();
    (mixed((bits as u64) ^ ((bits >> 64) as u64).rotate_left(32)) >> 58) as u8
}

/// How much a worker is the one for a part: the highest takes it (rendezvous hashing, Thaler and Ravishankar 1998), so
/// that a worker which comes or goes moves nothing but its own share.
pub const fn weight(worker: NodeId, partition: u8) -> u64 {
    let bits = worker.as_u128();
    mixed(mixed((bits as u64) ^ (bits >> 64) as u64) ^ (partition as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// The SplitMix64 finaliser (Steele, Lea, Flood 2014).
const fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Some of the parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Partitions(u64);

impl Partitions {
    /// None.
    pub const NONE: Self = Self(0);
    /// Every one.
    pub const ALL: Self = Self(u64::MAX);

    /// Those of a list.
    pub fn of(list: impl IntoIterator<Item = u8>) -> Self {
        list.into_iter().fold(Self::NONE, |some, part| some.with(part))
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, partition: u8) -> Self {
        Self(self.0 | (1 << (partition % PARTITIONS)))
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is among these and those.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// These without those.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether a part is among them.
    pub const fn contains(self, partition: u8) -> bool {
        self.0 & (1 << (partition % PARTITIONS)) != 0
    }

    /// Whether a user's part is among them.
    pub const fn has(self, user: UserId) -> bool {
        self.contains(partition(user))
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// One by one.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..PARTITIONS).filter(move |partition| self.contains(*partition))
    }
}

/// One device of a user at one gateway, alive for one lease time from when this is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Who.
    pub user: UserId,
    /// Which of their devices, as far as this gateway tells them apart.
    pub device: u64,
    /// Seconds since the user last did something there, or since the device came if they have not.
    pub idle_s: u32,
    /// Whether they did something there.
    pub acted: bool,
}

/// A device that is at a gateway no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Who.
    pub user: UserId,
    /// Which device.
    pub device: u64,
}

/// What a user set, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stated {
    /// Who.
    pub user: UserId,
    /// What.
    pub status: Status,
    /// When, by the gateway's clock: of two the later one counts.
    pub at: Timestamp,
}

/// A gateway says who is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Which run of which gateway.
    pub gateway: NodeId,
    /// [`Lease`]s, packed.
    #[serde(default)]
    pub leases: Bytes,
    /// [`End`]s, packed.
    #[serde(default)]
    pub ends: Bytes,
    /// Statuses that were set a moment ago.
    #[serde(default)]
    pub stated: Vec<Stated>,
    /// This gateway stops: all its sessions end.
    #[serde(default)]
    pub leaving: bool,
}

/// A worker says that it lives, what it does, and what changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// Which run of which worker.
    pub worker: NodeId,
    /// One more with every message that has changes: who missed one asks anew.
    pub seq: u64,
    /// The parts it answers for.
    pub owned: Partitions,
    /// The parts it has followed for a whole lease time, so that whoever it does not know is not there.
    pub warm: Partitions,
    /// How users are now.
    #[serde(default)]
    pub changes: Vec<Presence>,
    /// It stops.
    #[serde(default)]
    pub leaving: bool,
}

/// A gateway asks how users are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Named in the answer.
    pub id: u64,
    /// Who asks.
    pub gateway: NodeId,
    /// Users, packed.
    pub users: Bytes,
    /// Only how many of them are there.
    #[serde(default)]
    pub count: bool,
}

/// A worker's part of the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Of the question.
    pub id: u64,
    /// Whoever is asked about in these parts and not named below is not there.
    pub covered: Partitions,
    /// Those who are there, and those who were a moment ago.
    #[serde(default)]
    pub states: Vec<Presence>,
    /// How many of those asked about are there.
    #[serde(default)]
    pub online: u64,
}

/// For the bus. Maps with names, so that a later version may add to them.
pub fn encode<T: Serialize>(words: &T) -> Bytes {
    // Only numbers, texts and names: this cannot fail, and nobody understands an empty signal.
    Bytes::from(rmp_serde::to_vec_named(words).unwrap_or_default())
}

/// `None` for what another version says.
pub fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    rmp_serde::from_slice(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PresenceState;

    fn user(n: u128) -> UserId {
        UserId::ulid(1_795_132_800_000 + n as u64, n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
    }

    #[test]
    fn what_is_said_can_be_read_back_and_anything_else_is_none() {
        let lease = Lease { user: user(1), device: u64::MAX, idle_s: 299, acted: true };
        let beat = Beat {
            gateway: NodeId::from_u128(7),
            leases: pack_leases(&[lease]),
            ends: pack_ends(&[End { user: user(2), device: 3 }]),
            stated: vec![Stated { user: user(3), status: Status::default(), at: Timestamp::EPOCH }],
            leaving: false,
        };
        assert_eq!(decode(&encode(&beat)), Some(beat));
        let state = Presence { user: user(4), state: PresenceState::Away, text: Some("lunch".into()), last_seen: None };
        let news = News { seq: 9, owned: Partitions::ALL, changes: vec![state], ..News::default() };
        assert_eq!(decode(&encode(&news)), Some(news));
        for bytes in [&b""[..], b"\x01", b"\x81\xa5dance\x80", &[0xff; 40]] {
            assert_eq!(decode::<Beat>(bytes), None, "{bytes:?}");
            assert_eq!(decode::<Ask>(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn users_are_spread_over_the_parts_and_parts_over_the_workers() {
        let mut parts = [0; PARTITIONS as usize];
        for n in 0..64_000 {
            parts[partition(user(n)) as usize] += 1;
        }
        assert!(parts.iter().all(|users| (800..1_200).contains(users)), "{parts:?}");
        let workers: Vec<NodeId> = (1..=4).map(|n| NodeId::ulid(n, n as u128)).collect();
        let owner = |part| workers.iter().max_by_key(|worker| weight(**worker, part)).unwrap();
        for worker in &workers {
            let owned = (0..PARTITIONS).filter(|part| owner(*part) == worker).count();
            assert!((6..30).contains(&owned), "{owned} of 64");
        }
    }

    #[test]
    fn sets_of_parts() {
        let some = Partitions::of([0, 5, 63]);
        assert_eq!(some.iter().collect::<Vec<_>>(), [0, 5, 63]);
        assert_eq!((some.len(), some.contains(5), some.contains(6)), (3, true, false));
        assert_eq!(some.without(Partitions::of([5])), Partitions::of([0, 63]));
        assert_eq!(some.common(Partitions::of([5, 6])), Partitions::of([5]));
        assert_eq!(Partitions::ALL.len(), u32::from(PARTITIONS));
    }
}
