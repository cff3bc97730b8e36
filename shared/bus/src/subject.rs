//! The only place where subjects are made and taken apart, and where a conversation's shard is decided.

use chat_protocol::{ConversationId, Shard};

/// The shard of a conversation among `shards`: stable for ever, also over processes and versions.
///
/// The multiply-and-shift form of Lemire's range reduction over a SplitMix64 finaliser (Steele, Lea, Flood 2014).
pub fn shard_of(conversation: ConversationId, shards: u16) -> Shard {
    let bits = conversation.as_u128();
    let mut mixed = (bits as u64) ^ ((bits >> 64) as u64).rotate_left(32);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let shards = shards.clamp(1, Shard::COUNT_MAX);
    let shard = (u128::from(mixed) * u128::from(shards)) >> 64;
    Shard::new(shard as u16).expect("below `shards`, which is at most COUNT_MAX")
}
