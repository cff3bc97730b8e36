//! WebSocket frames by their headers: what a generator needs of RFC 6455 and no more.
//!
//! Client frames carry the mask 00 00 00 00: valid, and it leaves the payload as it is, so a frame is built once and
//! patched in place. The server unmasks it at its usual price.

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// A message.
    Text,
    /// A message.
    Binary,
    /// The end.
    Close,
    /// Are you there?
    Ping,
    /// I am.
    Pong,
}

impl Opcode {
    const fn code(self) -> u8 {
        match self {
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    const fn of(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Text),
            2 => Some(Self::Binary),
            8 => Some(Self::Close),
            9 => Some(Self::Ping),
            10 => Some(Self::Pong),
            _ => None,
        }
    }
}

/// One whole frame in somebody's buffer. The payload is as it was sent, masked or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is.
    pub opcode: Opcode,
    /// What it carries.
    pub payload: &'a [u8],
    /// The key that a client's payload is masked with.
    pub mask: Option<[u8; 4]>,
    /// Bytes of the whole frame: the next one begins there.
    pub len: usize,
}

/// A header that no peer of ours sends: fragments, reserved bits, unknown opcodes, absurd lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not a frame that this generator reads")
    }
}

impl std::error::Error for Broken {}

/// Nobody sends more than this to a generator.
const PAYLOAD_BYTES_MAX: u64 = 16 << 20;

/// The frame at the start of `bytes`, or `None` while a part of it is missing.
pub fn first(bytes: &[u8]) -> Result<Option<Frame<'_>>, Broken> {
    let [head, second, ..] = bytes else { return Ok(None) };
    if head & 0xf0 != 0x80 {
        return Err(Broken);
    }
    let opcode = Opcode::of(head & 0x0f).ok_or(Broken)?;
    let (payload_len, mut at) = match second & 0x7f {
        126 => match bytes.get(2..4) {
            Some(two) => (u64::from(u16::from_be_bytes(two.try_into().expect("two bytes"))), 4),
            None => return Ok(None),
        },
        127 => match bytes.get(2..10) {
            Some(eight) => (u64::from_be_bytes(eight.try_into().expect("eight bytes")), 10),
            None => return Ok(None),
        },
        short => (u64::from(short), 2),
    };
    if payload_len > PAYLOAD_BYTES_MAX {
        return Err(Broken);
    }
    let mut mask = None;
    if second & 0x80 != 0 {
        let Some(key) = bytes.get(at..at + 4) else { return Ok(None) };
        mask = Some(key.try_into().expect("four bytes"));
        at += 4;
    }
    let len = at + payload_len as usize;
    Ok(bytes.get(at..len).map(|payload| Frame { opcode, payload, mask, len }))
}

/// A server's frame.
pub fn unmasked(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    frame(opcode, payload, 0)
}

/// A client's frame, with the mask of zeros.
pub fn masked(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    frame(opcode, payload, 0x80)
}

fn frame(opcode: Opcode, payload: &[u8], mask_bit: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 14);
    bytes.push(0x80 | opcode.code());
    match payload.len() {
        len @ 0..126 => bytes.push(mask_bit | len as u8),
        len @ 126..0x1_0000 => {
            bytes.push(mask_bit | 126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            bytes.push(mask_bit | 127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    if mask_bit != 0 {
        bytes.extend_from_slice(&[0; 4]);
    }
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_frame_is_found_only_when_all_of_it_is_there() {
        let bytes = unmasked(Opcode::Text, b"hello");
        for cut in 0..bytes.len() {
            assert_eq!(first(&bytes[..cut]), Ok(None));
        }
        let frame = first(&bytes).unwrap().unwrap();
        assert_eq!((frame.opcode, frame.payload, frame.len), (Opcode::Text, &b"hello"[..], bytes.len()));
    }

    #[test]
    fn fragments_reserved_bits_and_absurd_lengths_are_broken() {
        assert_eq!(first(&[0x01, 0x00]), Err(Broken));
        assert_eq!(first(&[0xc1, 0x00]), Err(Broken));
        assert_eq!(first(&[0x83, 0x00]), Err(Broken));
        assert_eq!(first(&[0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0]), Err(Broken));
    }

    proptest! {
        #[test]
        fn frames_in_a_row_come_out_as_they_went_in(sizes in prop::collection::vec(0usize..70_000, 1..6), client: bool) {
            let payloads: Vec<Vec<u8>> = sizes.iter().map(|&size| vec![size as u8; size]).collect();
            let build = if client { masked } else { unmasked };
            let bytes: Vec<u8> = payloads.iter().flat_map(|payload| build(Opcode::Binary, payload)).collect();
            let mut rest = &bytes[..];
            for payload in &payloads {
                let frame = first(rest).unwrap().unwrap();
                prop_assert_eq!(frame.payload, &payload[..]);
                prop_assert_eq!(frame.mask.is_some(), client);
                rest = &rest[frame.len..];
            }
            prop_assert!(rest.is_empty());
        }
    }
}
