//! Bytes in, messages out. Holds memory only while a message is incomplete.

use std::io::Cursor;

use chat_protocol::{codec::Codec, limits};
use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// What arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole message of the socket's kind.
    Message(Vec<u8>),
    /// To be answered with the same payload.
    Ping(Vec<u8>),
    /// The other side lives.
    Pong,
    /// The other side closes; its code if it gave one.
    Close(Option<u16>),
}

/// Why the bytes are refused. Ends the socket with the close code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// Not RFC 6455, or fragments without end: 1002.
    Protocol(&'static str),
    /// A text message where binary was agreed, or the other way round: our `malformed`.
    WrongKind,
    /// Text that is no UTF-8: 1007.
    NotUtf8,
    /// Larger than a frame may be: 1009, said before it is read.
    TooLarge,
}

/// The reading half of one socket.
#[derive(Debug)]
pub struct Reader {
    codec: Codec,
    /// The largest message taken now; the first frame is allowed less than later ones.
    message_bytes_max: usize,
    /// Bytes of an incomplete frame; unallocated when there is none.
    partial: Vec<u8>,
    /// Fragments of an incomplete message.
    message: Option<Box<Fragments>>,
}

#[derive(Debug, Default)]
struct Fragments {
    bytes: Vec<u8>,
    count: usize,
}

impl Reader {
    /// Reads messages of the codec's kind, at most [`limits::FRAME_BYTES`] each.
    pub const fn new(codec: Codec) -> Self {
        Self { codec, message_bytes_max: limits::FRAME_BYTES, partial: Vec::new(), message: None }
    }

    /// Takes what was read and hands every complete item to `each`, in order, until that answers `false`.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Incoming) -> bool) -> Result<(), Violation> {
        if self.partial.is_empty() {
            let used = self.parse(bytes, &mut each)?;
            self.partial.extend_from_slice(bytes.get(used..).unwrap_or_default());
        } else {
            self.partial.extend_from_slice(bytes);
            let joined = std::mem::take(&mut self.partial);
            let used = self.parse(&joined, &mut each)?;
            if used == 0 {
                self.partial = joined;
            } else {
                self.partial = joined.get(used..).unwrap_or_default().to_vec();
            }
        }
        Ok(())
    }

    /// How many bytes of complete frames `bytes` began with.
    fn parse(&mut self, bytes: &[u8], each: &mut impl FnMut(Incoming) -> bool) -> Result<usize, Violation> {
        let mut used = 0;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            let mut cursor = Cursor::new(rest);
            let header = FrameHeader::parse(&mut cursor).map_err(|_| Violation::Protocol("broken frame header"))?;
            let Some((header, length)) = header else { break };
            self.check(&header, length)?;
            let start = cursor.position() as usize;
            // `check` bounded the length, so it fits and does not overflow.
            let end = start + length as usize;
            let Some(payload) = rest.get(start..end) else { break };
            used += end;
            let Some(mask) = header.mask else { return Err(Violation::Protocol("unmasked frame")) };
            if let Some(incoming) = self.frame(&header, unmask(payload, mask))?
                && !each(incoming)
            {
                break;
            }
        }
        Ok(used)
    }

    /// Refuses a frame by its header alone, before its payload is waited for.
    fn check(&self, header: &FrameHeader, length: u64) -> Result<(), Violation> {
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Violation::Protocol("reserved bits"));
        }
        match header.opcode {
            OpCode::Control(Control::Reserved(_)) | OpCode::Data(Data::Reserved(_)) => {
                Err(Violation::Protocol("reserved opcode"))
            }
            OpCode::Control(_) if length > super::CONTROL_BYTES as u64 || !header.is_final => {
                Err(Violation::Protocol("control frames are short and whole"))
            }
            OpCode::Control(_) => Ok(()),
            OpCode::Data(kind) => {
                let before = self.message.as_ref().map_or(0, |message| message.bytes.len());
                match (kind, &self.message) {
                    (Data::Continue, None) => return Err(Violation::Protocol("nothing to continue")),
                    (Data::Text | Data::Binary, Some(_)) => return Err(Violation::Protocol("message in a message")),
                    (Data::Text, None) if self.codec != Codec::Json => return Err(Violation::WrongKind),
                    (Data::Binary, None) if self.codec != Codec::MsgPack => return Err(Violation::WrongKind),
                    _ => {}
                }
                if length > (self.message_bytes_max - before.min(self.message_bytes_max)) as u64 {
                    return Err(Violation::TooLarge);
                }
                Ok(())
            }
        }
    }

    fn frame(&mut self, header: &FrameHeader, payload: Vec<u8>) -> Result<Option<Incoming>, Violation> {
        match header.opcode {
            OpCode::Control(Control::Ping) => Ok(Some(Incoming::Ping(payload))),
            OpCode::Control(Control::Pong) => Ok(Some(Incoming::Pong)),
            OpCode::Control(_) => close_code(&payload).map(|code| Some(Incoming::Close(code))),
            OpCode::Data(_) if header.is_final && self.message.is_none() => self.whole(payload).map(Some),
            OpCode::Data(_) => {
                let message = self.message.get_or_insert_default();
                message.count += 1;
                if message.count > limits::FRAGMENTS {
                    return Err(Violation::Protocol("too many fragments"));
                }
                message.bytes.extend_from_slice(&payload);
                if !header.is_final {
                    return Ok(None);
                }
                let bytes = self.message.take().map(|message| message.bytes).unwrap_or_default();
                self.whole(bytes).map(Some)
            }
        }
    }

    fn whole(&self, bytes: Vec<u8>) -> Result<Incoming, Violation> {
        if self.codec == Codec::Json && std::str::from_utf8(&bytes).is_err() {
            return Err(Violation::NotUtf8);
        }
        Ok(Incoming::Message(bytes))
    }
}

/// RFC 6455 §7.4: which codes may stand in a close frame.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        [_] => return Err(Violation::Protocol("close code cut short")),
    };
    if std::str::from_utf8(reason).is_err() {
        return Err(Violation::NotUtf8);
    }
    match code {
        1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(Some(code)),
        _ => Err(Violation::Protocol("close code not allowed")),
    }
}

fn unmask(payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut out = vec![first];
        match payload.len() {
            len @ 0..=125 => out.push(0x80 | len as u8),
            len @ 126..=0xffff => {
                out.push(0x80 | 126);
                out.extend((len as u16).to_be_bytes());
            }
            len => {
                out.push(0x80 | 127);
                out.extend((len as u64).to_be_bytes());
            }
        }
        out.extend(mask);
        out.extend(unmask(payload, mask));
        out
    }

    fn read(codec: Codec, bytes: &[u8]) -> Result<Vec<Incoming>, Violation> {
        let mut items = Vec::new();
        Reader::new(codec).feed(bytes, |item| {
            items.push(item);
            true
        })?;
        Ok(items)
    }

    #[test]
    fn fragments_with_a_ping_between_make_one_message() {
        let bytes = [masked(0x01, b"he"), masked(0x89, b"p"), masked(0x80, b"llo")].concat();
        let expected = vec![Incoming::Ping(b"p".to_vec()), Incoming::Message(b"hello".to_vec())];
        assert_eq!(read(Codec::Json, &bytes), Ok(expected));
    }

    #[test]
    fn an_idle_reader_holds_no_buffer() {
        let mut reader = Reader::new(Codec::Json);
        reader.feed(&masked(0x81, b"{}"), |_| true).unwrap();
        assert_eq!((reader.partial.capacity(), reader.message.is_none()), (0, true));
    }

    #[test]
    fn what_is_not_allowed_is_refused() {
        assert_eq!(read(Codec::Json, &masked(0x82, b"x")), Err(Violation::WrongKind));
        assert_eq!(read(Codec::MsgPack, &masked(0x81, b"x")), Err(Violation::WrongKind));
        assert_eq!(read(Codec::Json, &masked(0x81, b"\xff")), Err(Violation::NotUtf8));
        assert_eq!(read(Codec::Json, b"\x81\x02{}"), Err(Violation::Protocol("unmasked frame")));
        assert!(matches!(read(Codec::Json, &masked(0xc1, b"")), Err(Violation::Protocol(_))));
        assert!(matches!(read(Codec::Json, &masked(0x09, b"")), Err(Violation::Protocol(_))));
        assert!(matches!(read(Codec::Json, &masked(0x80, b"")), Err(Violation::Protocol(_))));
        assert!(matches!(read(Codec::Json, &masked(0x88, &[0x03, 0xed])), Err(Violation::Protocol(_))));
        assert!(matches!(read(Codec::Json, &masked(0x88, &[1])), Err(Violation::Protocol(_))));
        assert!(matches!(read(Codec::Json, &masked(0x83, b"")), Err(Violation::Protocol(_))));
    }

    #[test]
    fn size_is_judged_by_the_header_and_over_all_fragments() {
        let gib = [0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4];
        assert_eq!(read(Codec::Json, &gib), Err(Violation::TooLarge));
        assert!(read(Codec::Json, &masked(0x81, &vec![b'x'; limits::FRAME_BYTES])).is_ok());
        let two = [masked(0x01, &vec![b'x'; limits::FRAME_BYTES]), masked(0x80, b"x")].concat();
        assert_eq!(read(Codec::Json, &two), Err(Violation::TooLarge));
        let endless = [masked(0x01, b""), masked(0x00, b"").repeat(limits::FRAGMENTS)].concat();
        assert!(matches!(read(Codec::Json, &endless), Err(Violation::Protocol(_))));
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_does_not_matter(texts in prop::collection::vec("\\PC{0,200}", 1..6), cuts in prop::collection::vec(1_usize..40, 1..20)) {
            let bytes: Vec<u8> = texts.iter().flat_map(|text| masked(0x81, text.as_bytes())).collect();
            let mut reader = Reader::new(Codec::Json);
            let mut seen = Vec::new();
            let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (head, tail) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                reader.feed(head, |item| { seen.push(item); true }).unwrap();
                rest = tail;
            }
            let expected: Vec<_> = texts.iter().map(|text| Incoming::Message(text.clone().into_bytes())).collect();
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(Codec::Json, &bytes);
            let _ = read(Codec::MsgPack, &bytes);
        }
    }
}
