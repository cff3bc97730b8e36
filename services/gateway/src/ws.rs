//! RFC 6455 on a raw socket, for servers: finished frames out, messages in.
//!
//! tungstenite parses the headers; assembly and buffers are ours, because its own allocate a read buffer for every
//! idle socket and copy every payload that goes out (ADR 0003).

mod read; // bytes → messages and control frames

pub use read::{Incoming, Reader, Violation};

use bytes::{BufMut, Bytes, BytesMut};
use chat_protocol::codec::Codec;

const FIN: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
/// RFC 6455 §5.5: the payload of a control frame.
const CONTROL_BYTES: usize = 125;

/// One whole, unmasked message of the codec's kind.
pub fn message(codec: Codec, document: &[u8]) -> Bytes {
    let opcode = match codec {
        Codec::Json => TEXT,
        Codec::MsgPack => BINARY,
    };
    frame(opcode, document)
}

/// An empty ping.
pub fn ping() -> Bytes {
    Bytes::from_static(&[FIN | PING, 0])
}

/// The answer to a ping.
pub fn pong(payload: &[u8]) -> Bytes {
    frame(PONG, payload.get(..CONTROL_BYTES).unwrap_or(payload))
}

/// The last frame: a code and a few words (cut to what fits).
pub fn close(code: u16, reason: &str) -> Bytes {
    let mut end = reason.len().min(CONTROL_BYTES - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = Vec::with_capacity(2 + end);
    payload.put_u16(code);
    payload.extend_from_slice(reason.get(..end).unwrap_or_default().as_bytes());
    frame(CLOSE, &payload)
}

fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(10 + payload.len());
    out.put_u8(FIN | opcode);
    match payload.len() {
        len @ 0..=125 => out.put_u8(len as u8),
        len @ 126..=0xffff => {
            out.put_u8(126);
            out.put_u16(len as u16);
        }
        len => {
            out.put_u8(127);
            out.put_u64(len as u64);
        }
    }
    out.put_slice(payload);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_shortest_form() {
        assert_eq!(&message(Codec::Json, b"{}")[..], b"\x81\x02{}");
        assert_eq!(&message(Codec::MsgPack, &[0; 126])[..4], &[0x82, 126, 0, 126]);
        assert_eq!(&message(Codec::MsgPack, &vec![0; 65_536])[..10], &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn close_reasons_are_cut_at_a_character() {
        let bytes = close(4001, &"é".repeat(100));
        assert_eq!(bytes.len(), 2 + 2 + 122);
        assert!(std::str::from_utf8(&bytes[4..]).is_ok());
    }
}
