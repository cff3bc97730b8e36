//! JSON and MessagePack from the same types, and the check of what a client says.

mod plain_send; // the common frame, read directly

use std::io::Cursor;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use self::plain_send::plain_send;

use crate::{
    error::ErrorCode,
    frame::{ClientFrame, Failure, Ref},
    id::{ClientId, ConversationId},
    limits,
};

/// Levels that an event's frame adds around a message's payload, and some to spare.
const ENVELOPE_DEPTH: usize = 8;

/// How frames are written on one socket; chosen by the WebSocket subprotocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// `chat.v1.json`, in text messages.
    Json,
    /// `chat.v1.msgpack`, in binary messages.
    MsgPack,
}

impl Codec {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Json, Self::MsgPack];

    /// Its WebSocket subprotocol.
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "chat.v1.json",
            Self::MsgPack => "chat.v1.msgpack",
        }
    }

    /// A word for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MsgPack => "msgpack",
        }
    }

    /// The document of a frame or any other plain value.
    pub fn encode<T: Serialize>(self, value: &T) -> Vec<u8> {
        match self {
            Self::Json => serde_json::to_vec(value).expect("frames have string keys and no failing parts"),
            Self::MsgPack => rmp_serde::to_vec_named(value).expect("frames have string keys and no failing parts"),
        }
    }

    /// The inverse of [`Codec::encode`]: the whole input is one document, a little deeper than [`limits::DEPTH`] at
    /// most, because a server's frame wraps what a client was allowed to send.
    pub fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, Undecodable> {
        self.decode_within(bytes, limits::DEPTH + ENVELOPE_DEPTH)
    }

    fn decode_within<T: DeserializeOwned>(self, bytes: &[u8], depth: usize) -> Result<T, Undecodable> {
        match self {
            Self::Json => {
                if json_deeper_than(bytes, depth) {
                    return Err(Undecodable("nested too deeply".into()));
                }
                serde_json::from_slice(bytes).map_err(|err| Undecodable(err.to_string()))
            }
            Self::MsgPack => {
                let mut input = rmp_serde::Deserializer::new(Cursor::new(bytes));
                input.set_max_depth(depth + 1);
                let value = T::deserialize(&mut input).map_err(|err| Undecodable(err.to_string()))?;
                if input.position() as usize == bytes.len() {
                    Ok(value)
                } else {
                    Err(Undecodable("more than one document".into()))
                }
            }
        }
    }

    /// A client's frame, or the answer it gets: `malformed` ends the socket, the others do not.
    pub fn decode_client(self, bytes: &[u8]) -> Result<ClientFrame, Box<Failure>> {
        // The common cases cost one pass; only what is refused is looked at again.
        if self.begins_object(bytes) {
            if let Some(send) = plain_send(self, bytes) {
                return Ok(ClientFrame::Send(Box::new(send)));
            }
            if let Ok(frame) = self.decode_within::<ClientFrame>(bytes, limits::DEPTH) {
                return Ok(frame);
            }
        }
        Err(Box::new(self.diagnose(bytes)))
    }

    /// serde would take a list of type and fields for a frame too.
    fn begins_object(self, bytes: &[u8]) -> bool {
        match self {
            Self::Json => bytes.trim_ascii_start().first() == Some(&b'{'),
            Self::MsgPack => matches!(bytes.first(), Some(0x80..=0x8f | 0xde | 0xdf)),
        }
    }

    /// Why `bytes` are no frame.
    fn diagnose(self, bytes: &[u8]) -> Failure {
        let head = match self.decode_within::<Value>(bytes, limits::DEPTH) {
            Ok(Value::Object(head)) => head,
            Ok(_) => return Failure::new(ErrorCode::Malformed, "a frame is an object with a type"),
            Err(_) => {
                return Failure::new(ErrorCode::Malformed, "not a document of this socket's codec");
            }
        };
        let Some(kind) = head.get("type").and_then(Value::as_str) else {
            return Failure::new(ErrorCode::Malformed, "a frame is an object with a type");
        };
        let mut failure = if ClientFrame::TYPES.contains(&kind) {
            let reason = serde_json::from_value::<ClientFrame>(Value::Object(head.clone())).err();
            Failure::new(ErrorCode::Invalid, reason.map_or_else(|| "wrong field".into(), |err| err.to_string()))
        } else {
            Failure::new(ErrorCode::UnknownType, "no such frame type")
        };
        failure.reference = head.get("ref").and_then(|v| Ref::deserialize(v).ok());
        failure.client_id = head.get("client_id").and_then(|v| ClientId::deserialize(v).ok());
        failure.conversation = head.get("conversation").and_then(|v| ConversationId::deserialize(v).ok());
        failure
    }
}

/// Bytes that are not one document of the expected shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Undecodable(String);

/// Whether brackets nest beyond `max`, outside of strings. Needs no valid JSON.
pub fn json_deeper_than(bytes: &[u8], max: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > max {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}
