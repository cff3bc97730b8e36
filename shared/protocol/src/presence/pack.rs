//! Lists of fixed records, big-endian, one after the other: a session is 28 bytes. A broken end is left out.

use bytes::Bytes;

use super::{End, Lease};
use crate::id::UserId;

const USER: usize = 16;
const DEVICE: usize = 8;
const IDLE: usize = 4;
/// Set in the idle time of a device on which nothing was done.
const UNTOUCHED: u32 = 1 << 31;

/// Packs users.
pub fn pack_users(users: &[UserId]) -> Bytes {
    users.iter().flat_map(|user| user.as_u128().to_be_bytes()).collect()
}

/// Users that were packed.
pub fn unpack_users(bytes: &[u8]) -> impl Iterator<Item = UserId> {
    let records = bytes.as_chunks::<USER>().0;
    records.iter().map(|user| UserId::from_u128(u128::from_be_bytes(*user)))
}

/// Packs ends.
pub fn pack_ends(ends: &[End]) -> Bytes {
    let mut bytes = Vec::with_capacity(ends.len() * (USER + DEVICE));
    for end in ends {
        bytes.extend_from_slice(&end.user.as_u128().to_be_bytes());
        bytes.extend_from_slice(&end.device.to_be_bytes());
    }
    bytes.into()
}

/// Ends that were packed.
pub fn unpack_ends(bytes: &[u8]) -> impl Iterator<Item = End> {
    let records = bytes.as_chunks::<{ USER + DEVICE }>().0;
    records.iter().filter_map(|record| {
        let (user, rest) = record.split_first_chunk()?;
        let (device, _) = rest.split_first_chunk()?;
        Some(End { user: UserId::from_u128(u128::from_be_bytes(*user)), device: u64::from_be_bytes(*device) })
    })
}

/// Packs leases.
pub fn pack_leases(leases: &[Lease]) -> Bytes {
    let mut bytes = Vec::with_capacity(leases.len() * (USER + DEVICE + IDLE));
    for lease in leases {
        let idle = lease.idle_s.min(UNTOUCHED - 1) | if lease.acted { 0 } else { UNTOUCHED };
        bytes.extend_from_slice(&lease.user.as_u128().to_be_bytes());
        bytes.extend_from_slice(&lease.device.to_be_bytes());
        bytes.extend_from_slice(&idle.to_be_bytes());
    }
    bytes.into()
}

/// Leases that were packed.
pub fn unpack_leases(bytes: &[u8]) -> impl Iterator<Item = Lease> {
    let records = bytes.as_chunks::<{ USER + DEVICE + IDLE }>().0;
    records.iter().filter_map(|record| {
        let (user, rest) = record.split_first_chunk()?;
        let (device, rest) = rest.split_first_chunk()?;
        let (idle, _) = rest.split_first_chunk()?;
        let idle = u32::from_be_bytes(*idle);
        Some(Lease {
            user: UserId::from_u128(u128::from_be_bytes(*user)),
            device: u64::from_be_bytes(*device),
            idle_s: idle & !UNTOUCHED,
            acted: idle & UNTOUCHED == 0,
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lease() -> impl Strategy<Value = Lease> {
        (any::<u128>(), any::<u64>(), 0..UNTOUCHED, any::<bool>()).prop_map(|(user, device, idle_s, acted)| Lease {
            user: UserId::from_u128(user),
            device,
            idle_s,
            acted,
        })
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked_and_no_bytes_are_too_strange(leases in prop::collection::vec(lease(), 0..20), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let ends: Vec<End> = leases.iter().map(|lease| End { user: lease.user, device: lease.device }).collect();
            let users: Vec<UserId> = leases.iter().map(|lease| lease.user).collect();
            prop_assert_eq!(unpack_leases(&pack_leases(&leases)).collect::<Vec<_>>(), leases);
            prop_assert_eq!(unpack_ends(&pack_ends(&ends)).collect::<Vec<_>>(), ends);
            prop_assert_eq!(unpack_users(&pack_users(&users)).collect::<Vec<_>>(), users);
            prop_assert_eq!(unpack_leases(&bytes).count(), bytes.len() / 28);
        }
    }
}
