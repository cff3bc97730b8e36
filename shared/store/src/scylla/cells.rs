//! Our types as cells of a row, and back. What the store holds was written by us: a cell that does not read back is a
//! fault, and its text names the type, never the content.

use bytes::Bytes;
use chat_protocol::{ClientId, ConversationId, JobId, Seq, SessionId, Shard, Timestamp, UserId};
use scylla::{deserialize::row::DeserializeRow, response::query_result::QueryRowsResult, value::CqlTimestamp};
use serde::{
    Serialize,
    de::{DeserializeOwned, IntoDeserializer, value::StrDeserializer},
};
use serde_json::Value;

use crate::StoreError;

/// The 16 bytes of an id, most significant first.
pub(crate) type Key = [u8; 16];

macro_rules! keys {
    ($($id:ident $read:ident),+) => {$(
        impl AsKey for $id {
            fn key(self) -> Key {
                self.as_u128().to_be_bytes()
            }
        }

        pub(crate) fn $read(cell: &[u8]) -> Result<$id, StoreError> {
            let bytes = cell.try_into().map_err(|_| broken(stringify!($id)))?;
            Ok($id::from_u128(u128::from_be_bytes(bytes)))
        }
    )+};
}

/// An id as it stands in a cell.
pub(crate) trait AsKey {
    fn key(self) -> Key;
}

keys!(UserId user_id, SessionId session_id, ConversationId conversation_id, ClientId client_id, JobId job_id);

pub(crate) const fn position(seq: Seq) -> i64 {
    seq.get().cast_signed()
}

pub(crate) fn seq(cell: i64) -> Result<Seq, StoreError> {
    u64::try_from(cell).ok().and_then(Seq::new).ok_or_else(|| broken("position"))
}

pub(crate) const fn shard_cell(shard: Shard) -> i16 {
    shard.get().cast_signed()
}

pub(crate) fn shard(cell: i16) -> Result<Shard, StoreError> {
    Shard::new(cell.cast_unsigned()).ok_or_else(|| broken("shard"))
}

pub(crate) const fn time_cell(at: Timestamp) -> CqlTimestamp {
    CqlTimestamp(at.as_ms())
}

pub(crate) const fn time(cell: CqlTimestamp) -> Timestamp {
    Timestamp::from_ms(cell.0)
}

/// The name of a unit variant.
pub(crate) fn word<T: Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

pub(crate) fn from_word<T: DeserializeOwned>(cell: &str) -> Result<T, StoreError> {
    let input: StrDeserializer<'_, serde::de::value::Error> = cell.into_deserializer();
    T::deserialize(input).map_err(|_| broken("word"))
}

/// JSON as text; absent is empty.
pub(crate) fn json_cell<T: Serialize>(value: Option<&T>) -> Result<String, StoreError> {
    value.map_or_else(|| Ok(String::new()), |value| serde_json::to_string(value).map_err(|_| broken("JSON")))
}

pub(crate) fn json<T: DeserializeOwned>(cell: Option<&str>) -> Result<Option<T>, StoreError> {
    filled(cell).map(|text| serde_json::from_str(text).map_err(|_| broken("JSON"))).transpose()
}

/// A text that is there; absent is empty or never written.
pub(crate) fn text(cell: Option<&str>) -> Option<String> {
    filled(cell).map(str::to_owned)
}

fn filled(cell: Option<&str>) -> Option<&str> {
    cell.filter(|text| !text.is_empty())
}

/// Bytes that outlive the answer they came in.
pub(crate) fn owned(cell: &[u8]) -> Bytes {
    Bytes::copy_from_slice(cell)
}

pub(crate) fn broken(what: &str) -> StoreError {
    StoreError::Other(format!("a stored {what} does not read back"))
}

/// Every row of an answer, taken apart by `take`.
pub(crate) fn each<'frame, R: DeserializeRow<'frame, 'frame>, T>(
    answer: &'frame QueryRowsResult,
    mut take: impl FnMut(R) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut taken = Vec::with_capacity(answer.rows_num());
    for row in answer.rows::<R>().map_err(|error| StoreError::Other(error.to_string()))? {
        taken.push(take(row.map_err(|error| StoreError::Other(error.to_string()))?)?);
    }
    Ok(taken)
}

/// The first row of an answer, if it has one.
pub(crate) fn first<'frame, R: DeserializeRow<'frame, 'frame>>(
    answer: &'frame QueryRowsResult,
) -> Result<Option<R>, StoreError> {
    answer.maybe_first_row::<R>().map_err(|error| StoreError::Other(error.to_string()))
}

#[cfg(test)]
mod tests {
    use chat_protocol::{model::AccountState, rights::Role};

    use super::*;

    #[test]
    fn ids_sort_in_cells_as_they_do_as_numbers() {
        let (low, high) = (UserId::from_u128(0xff), UserId::from_u128(0x100));
        assert!(low < high && low.key() < high.key());
        assert_eq!(user_id(&high.key()).unwrap(), high);
        assert!(user_id(&[1, 2, 3]).is_err());
    }

    #[test]
    fn words_read_back() {
        for role in Role::ALL {
            assert_eq!(from_word::<Role>(&word(role)).unwrap(), role);
        }
        assert_eq!(word(AccountState::Suspended), "suspended");
        assert!(from_word::<Role>("").is_err());
    }

    #[test]
    fn what_is_no_position_or_shard_is_refused() {
        assert!(seq(-1).is_err());
        assert!(seq(i64::MAX).is_err());
        assert!(shard(-1).is_err());
        assert_eq!(seq(position(Seq::MAX)).unwrap(), Seq::MAX);
    }
}
