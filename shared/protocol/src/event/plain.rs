//! The record of a plain text message, which nearly everything in the log is, written and read by hand.
//!
//! serde buffers an adjacently tagged event whole, its flattened content once more, and parses the record twice for its
//! version. This is the same document in one pass: `encode` gives the very bytes that serde gives, and `decode` takes
//! exactly those. Everything else is `None`, and goes the general way.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Body, Event, MessageCreated};
use crate::model::{Content, MessageKind};

const AT: &[u8] = b"\x84\xa1v\x01\xa2at\xb8";
const BY: &[u8] = b"\xa2by\xba";
const CLIENT_ID: &[u8] = b"\xa4body\x82\xa5event\xafmessage.created\xa4data\x84\xa9client_id\xba";
const TEXT: &[u8] = b"\xa4kind\xa4text\xa4text";
const MENTIONS: &[u8] = b"\xa8mentions";

const AT_LEN: usize = 24;
const ID_LEN: usize = 26;
/// All but the text and the mentions.
const FRAME_LEN: usize = 160;
/// A longer list has another header.
const MENTIONS_MAX: usize = 15;

/// The bytes of [`Event::encode`], of a message that is only text and mentions.
pub(super) fn encode(event: &Event) -> Option<Bytes> {
    let Body::MessageCreated(created) = &event.body else { return None };
    // Every field by name: a new one must be looked at here.
    let MessageCreated { client_id, kind: MessageKind::Text, content, mentions, deleted: false } = &**created else {
        return None;
    };
    let Content {
        text: Some(text),
        spans,
        payload: None,
        attachments,
        reply_to: None,
        forward_of: None,
        expires_at: None,
    } = content
    else {
        return None;
    };
    if !spans.is_empty() || !attachments.is_empty() || mentions.len() > MENTIONS_MAX {
        return None;
    }
    let mut out = BytesMut::with_capacity(FRAME_LEN + text.len() + mentions.len() * (ID_LEN + 2));
    out.put_slice(AT);
    out.put_slice(event.at.digits().as_str().as_bytes());
    out.put_slice(BY);
    out.put_slice(event.by.digits().as_str().as_bytes());
    out.put_slice(CLIENT_ID);
    out.put_slice(client_id.digits().as_str().as_bytes());
    out.put_slice(TEXT);
    put_str(&mut out, text)?;
    out.put_slice(MENTIONS);
    out.put_u8(0x90 | mentions.len() as u8);
    mentions.iter().try_for_each(|mention| put_str(&mut out, mention))?;
    Some(out.freeze())
}

/// The inverse of [`encode`].
pub(super) fn decode(bytes: &[u8]) -> Option<Event> {
    let mut input = Input(bytes);
    input.skip(AT)?;
    let at = input.text(AT_LEN)?.parse().ok()?;
    input.skip(BY)?;
    let by = input.text(ID_LEN)?.parse().ok()?;
    input.skip(CLIENT_ID)?;
    let client_id = input.text(ID_LEN)?.parse().ok()?;
    input.skip(TEXT)?;
    let text = Some(input.str()?.to_owned());
    input.skip(MENTIONS)?;
    let count = input.byte().filter(|header| header & 0xf0 == 0x90)? & 0x0f;
    let mentions = (0..count).map(|_| input.str().map(str::to_owned)).collect::<Option<_>>()?;
    if !input.0.is_empty() {
        return None;
    }
    let content = Content { text, ..Content::default() };
    let created = MessageCreated { client_id, kind: MessageKind::Text, content, mentions, deleted: false };
    Some(Event { at, by, body: Body::MessageCreated(Box::new(created)) })
}

/// A MessagePack string in its shortest form; none beyond 64 KiB, which no message's text reaches.
fn put_str(out: &mut BytesMut, text: &str) -> Option<()> {
    match text.len() {
        len @ 0..=31 => out.put_u8(0xa0 | len as u8),
        len @ 32..=0xff => out.put_slice(&[0xd9, len as u8]),
        len @ 0x100..=0xffff => {
            out.put_u8(0xda);
            out.put_u16(len as u16);
        }
        _ => return None,
    }
    out.put_slice(text.as_bytes());
    Some(())
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn skip(&mut self, expected: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn text(&mut self, len: usize) -> Option<&'a str> {
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn str(&mut self) -> Option<&'a str> {
        let len = match self.byte()? {
            header @ 0xa0..=0xbf => usize::from(header & 0x1f),
            0xd9 => usize::from(self.byte()?),
            0xda => usize::from(u16::from_be_bytes([self.byte()?, self.byte()?])),
            _ => return None,
        };
        self.text(len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::Record, *};
    use crate::{
        id::{ClientId, UserId},
        time::Timestamp,
    };

    fn by_serde(event: &Event) -> Vec<u8> {
        rmp_serde::to_vec_named(&Record { v: super::super::VERSION, event }).unwrap()
    }

    prop_compose! {
        fn plain()(
            at in 0..=Timestamp::MAX.as_ms(), by: u128, client_id: u128, text in "\\PC{0,300}",
            mentions in prop::collection::vec("\\PC{0,40}", 0..20),
        ) -> Event {
            let content = Content { text: Some(text), ..Content::default() };
            let client_id = ClientId::from_u128(client_id);
            let created = MessageCreated { client_id, kind: MessageKind::Text, content, mentions, deleted: false };
            let body = Body::MessageCreated(Box::new(created));
            Event { at: Timestamp::from_ms(at), by: UserId::from_u128(by), body }
        }
    }

    proptest! {
        #[test]
        fn these_are_the_bytes_of_serde_and_are_read_the_same(event in plain()) {
            let bytes = by_serde(&event);
            let Body::MessageCreated(created) = &event.body else { unreachable!("made above") };
            prop_assert_eq!(encode(&event).is_some(), created.mentions.len() <= MENTIONS_MAX);
            if let Some(encoded) = encode(&event) {
                prop_assert_eq!(&encoded[..], &bytes[..]);
                prop_assert_eq!(decode(&bytes), Some(event.clone()));
            }
            prop_assert_eq!(Event::decode_any(&bytes), Ok(event));
        }

        #[test]
        fn what_is_taken_is_what_serde_takes(event in plain(), place: prop::sample::Index, byte: u8, cut: bool) {
            let mut bytes = by_serde(&event);
            let place = place.index(bytes.len());
            bytes[place] = byte;
            bytes.truncate(if cut { place } else { bytes.len() });
            if let Some(taken) = decode(&bytes) {
                prop_assert_eq!(Event::decode_any(&bytes), Ok(taken));
            }
        }
    }

    #[test]
    fn long_texts_and_richer_messages_go_the_general_way() {
        let rich = |content| {
            let created = MessageCreated {
                client_id: ClientId::from_u128(1),
                kind: MessageKind::Text,
                content,
                mentions: vec![],
                deleted: false,
            };
            let body = Body::MessageCreated(Box::new(created));
            Event { at: Timestamp::EPOCH, by: UserId::from_u128(2), body }
        };
        let long = rich(Content { text: Some("x".repeat(70_000)), ..Content::default() });
        let listed = rich(Content { text: None, attachments: vec!["a".into()], ..Content::default() });
        for event in [long, listed] {
            assert_eq!(encode(&event), None);
            assert_eq!(decode(&by_serde(&event)), None);
            assert_eq!(Event::decode(&event.encode()), Ok(event));
        }
    }
}
