//! The only place where subjects are made and taken apart, and where a conversation's shard is decided.

use chat_protocol::{ConversationId, Shard};

use crate::Topic;

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

/// Where events of a conversation are appended. Nobody reads here: an event is seen only once it was stored.
pub fn log(shard: Shard, conversation: ConversationId) -> String {
    format!("chat.log.{shard}.{conversation}")
}

/// What a shard stores.
pub fn log_of(shard: Shard) -> String {
    format!("chat.log.{shard}.*")
}

/// Where stored events of a conversation are seen live.
pub fn live(shard: Shard, conversation: ConversationId) -> String {
    format!("chat.live.{shard}.{conversation}")
}

/// The transform from [`log_of`] to [`live`].
pub fn live_of(shard: Shard) -> String {
    format!("chat.live.{shard}.{{{{wildcard(1)}}}}")
}

/// The conversation that a log or live subject belongs to.
pub fn conversation(subject: &str) -> Option<ConversationId> {
    let (_, last) = subject.rsplit_once('.')?;
    last.parse().ok()
}

/// The stream that stores a shard.
pub fn stream(shard: Shard) -> String {
    format!("CHAT_{shard}")
}

/// The shard whose stream is the last token of an advisory's subject.
pub fn shard_of_advisory(subject: &str) -> Option<Shard> {
    let (_, stream) = subject.rsplit_once('.')?;
    stream.strip_prefix("CHAT_")?.parse().ok().and_then(Shard::new)
}

/// Where signals of a topic go.
pub fn topic(topic: &Topic) -> String {
    match topic {
        Topic::Revocations => "chat.signal.revocations".to_owned(),
        Topic::Relations => "chat.signal.relations".to_owned(),
        Topic::Conversation(conversation) => format!("chat.signal.conversation.{conversation}"),
        Topic::Beats => "chat.signal.presence.beats".to_owned(),
        Topic::Asks => "chat.signal.presence.asks".to_owned(),
        Topic::PresenceNews => "chat.signal.presence.news".to_owned(),
        Topic::Answers(gateway) => format!("chat.signal.presence.answers.{gateway}"),
    }
}
