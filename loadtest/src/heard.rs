//! What a server frame says, read no further than counting needs.

use std::str::FromStr;

use chat_protocol::ClientId;

use crate::stamp::{Nanos, find_mark, read_stamp};

/// One message of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard<'a> {
    /// A message of ours was delivered.
    Message {
        /// Its position.
        seq: u64,
        /// The position before it.
        prev: u64,
        /// When it should have been sent.
        stamp: Nanos,
    },
    /// A message of ours is durable.
    Ack {
        /// When it should have been sent.
        stamp: Nanos,
    },
    /// Something failed.
    Error(&'a [u8]),
    /// Anything else; its `type`.
    Other(&'a [u8]),
}

/// Reads frames of one socket; remembers where the mark stood.
#[derive(Debug, Default)]
pub struct Reader {
    mark_at: u16,
}

/// `type` comes first in every frame of ours.
const TYPE: &[u8] = br#"{"type":""#;

impl Reader {
    /// What `payload` says.
    pub fn read<'a>(&mut self, payload: &'a [u8]) -> Heard<'a> {
        let kind = kind(payload);
        match kind {
            b"event" => self.message(payload).unwrap_or(Heard::Other(kind)),
            b"ack" => ack(payload).unwrap_or(Heard::Other(kind)),
            b"error" => Heard::Error(payload),
            _ => Heard::Other(kind),
        }
    }

    fn message<'a>(&mut self, payload: &[u8]) -> Option<Heard<'a>> {
        let at = find_mark(payload, self.mark_at.into())?;
        self.mark_at = at.try_into().unwrap_or(0);
        let stamp = read_stamp(payload, at)?;
        let (seq, after) = number(payload, br#""seq":"#, TYPE.len())?;
        let (prev, _) = number(payload, br#""prev":"#, after)?;
        Some(Heard::Message { seq, prev, stamp })
    }
}

fn ack<'a>(payload: &[u8]) -> Option<Heard<'a>> {
    let key = br#""client_id":""#;
    let at = find(payload, key, TYPE.len())? + key.len();
    let id = std::str::from_utf8(payload.get(at..at + 26)?).ok()?;
    Some(Heard::Ack { stamp: ClientId::from_str(id).ok()?.as_u128() as Nanos })
}

fn kind(payload: &[u8]) -> &[u8] {
    let Some(rest) = payload.strip_prefix(TYPE) else { return b"" };
    rest.iter().position(|&byte| byte == b'"').map_or(b"", |end| &rest[..end])
}

/// The number after `key`, and where it ends.
fn number(payload: &[u8], key: &[u8], from: usize) -> Option<(u64, usize)> {
    let mut at = find(payload, key, from)? + key.len();
    let mut value = 0u64;
    while let Some(digit) = payload.get(at).filter(|byte| byte.is_ascii_digit()) {
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        at += 1;
    }
    Some((value, at))
}

fn find(payload: &[u8], key: &[u8], from: usize) -> Option<usize> {
    payload.get(from..)?.windows(key.len()).position(|window| window == key).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp;

    #[test]
    fn an_event_of_ours_gives_its_place_and_its_time() {
        let text = stamp::text(0xabcdef, 150);
        let frame = format!(
            r#"{{"type":"event","conversation":"0EV427B59HK1ENV7E9Z0C1HT0H","seq":1795132800004711,"prev":1795132800004702,"id":"03HK0N7PDWWK7","at":"2026-11-22T08:08:00.123Z","by":"01M814RE33CM9JD7GD6ZSAEKF4","event":"message.created","data":{{"kind":"text","text":"{text}"}}}}"#
        );
        let expected = Heard::Message { seq: 1_795_132_800_004_711, prev: 1_795_132_800_004_702, stamp: 0xabcdef };
        let mut reader = Reader::default();
        assert_eq!(reader.read(frame.as_bytes()), expected);
        assert_eq!(reader.read(frame.as_bytes()), expected, "with the hint of the frame before");
    }

    #[test]
    fn an_event_of_others_is_not_counted() {
        let frame = br#"{"type":"event","conversation":"X","seq":1,"prev":0,"event":"member.joined","data":{}}"#;
        assert_eq!(Reader::default().read(frame), Heard::Other(b"event"));
    }

    #[test]
    fn an_ack_gives_the_time_in_its_client_id() {
        let id = stamp::Clock::start().client_id(4711);
        let frame = format!(r#"{{"type":"ack","client_id":"{id}","id":"03HK0N7PDWWK7","seq":1,"duplicate":false}}"#);
        assert_eq!(Reader::default().read(frame.as_bytes()), Heard::Ack { stamp: 4711 });
    }

    #[test]
    fn what_is_unknown_or_broken_is_other() {
        assert_eq!(Reader::default().read(br#"{"type":"live","follows":1}"#), Heard::Other(b"live"));
        assert_eq!(Reader::default().read(b"{\"type\":\"ev"), Heard::Other(b""));
        assert_eq!(Reader::default().read(b""), Heard::Other(b""));
        assert_eq!(Reader::default().read(br#"{"type":"ack","client_id":"short"}"#), Heard::Other(b"ack"));
    }
}
