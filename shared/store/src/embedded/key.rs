//! How ids, positions and times become bytes that sort as they do.

use chat_protocol::{ClientId, ConversationId, JobId, MessageId, Seq, SessionId, Shard, Timestamp, UserId};

use crate::StoreError;

/// A key, or the beginning of one. A text can only come last: nothing says where it ends.
pub(super) trait Key {
    /// Appends its bytes.
    fn write(&self, to: &mut Vec<u8>);
}

macro_rules! big_endian {
    ($($name:ident: $number:expr),+ $(,)?) => {$(
        impl Key for $name {
            fn write(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&$number(*self).to_be_bytes());
            }
        }
    )+};
}

big_endian! {
    UserId: UserId::as_u128,
    SessionId: SessionId::as_u128,
    ConversationId: ConversationId::as_u128,
    ClientId: ClientId::as_u128,
    JobId: JobId::as_u128,
    MessageId: MessageId::as_u64,
    Seq: Seq::get,
    Shard: Shard::get,
    // Never negative, so its bits sort.
    Timestamp: Timestamp::as_ms,
}

impl Key for str {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.as_bytes());
    }
}

impl Key for [u8] {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self);
    }
}

impl Key for () {
    fn write(&self, _: &mut Vec<u8>) {}
}

impl<K: Key + ?Sized> Key for &K {
    fn write(&self, to: &mut Vec<u8>) {
        (**self).write(to);
    }
}

macro_rules! tuples {
    ($($($part:ident)+;)+) => {$(
        impl<$($part: Key),+> Key for ($($part,)+) {
            #[expect(non_snake_case, reason = "the parts are named after their types")]
            fn write(&self, to: &mut Vec<u8>) {
                let ($($part,)+) = self;
                $($part.write(to);)+
            }
        }
    )+};
}

tuples! {
    A B;
    A B C;
    A B C D;
}

/// The last 128 bits of a key that ends with an id.
pub(super) fn ends_with_id(key: &[u8]) -> Result<u128, StoreError> {
    key.last_chunk().copied().map(u128::from_be_bytes).ok_or_else(too_short)
}

/// The position a key ends with.
pub(super) fn ends_with_seq(key: &[u8]) -> Result<Seq, StoreError> {
    let bits = key.last_chunk().copied().map(u64::from_be_bytes).ok_or_else(too_short)?;
    Seq::new(bits).ok_or_else(too_short)
}

fn too_short() -> StoreError {
    StoreError::Other("a key does not end with what its table says".into())
}
