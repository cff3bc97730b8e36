//! What a message of ours carries, so that whoever meets it knows when it should have been sent.
//!
//! A text begins with `~` and the intended send time in hexadecimal nanoseconds; a client id has the same time in its
//! last 64 bits. No byte `~` stands anywhere else in a payload.

use chat_protocol::{ClientId, Clock as _, ConversationId, time::SystemClock};

use crate::wire::{self, Opcode};

/// Nanoseconds on the generator's clock.
pub type Nanos = u64;

const MARK: u8 = b'~';
const DIGITS: usize = 16;

/// The generator's clock: nanoseconds since it was made, and the wall clock that client ids are minted from.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: std::time::Instant,
    start_ms: u64,
    salt: u16,
}

impl Clock {
    /// Begins at 0.
    pub fn start() -> Self {
        let start_ms = SystemClock.now().as_ms().unsigned_abs();
        Self { start: std::time::Instant::now(), start_ms, salt: rand::random() }
    }

    /// Now.
    pub fn now(&self) -> Nanos {
        self.start.elapsed().as_nanos() as Nanos
    }

    /// The client id of the message intended at `stamp`; different stamps and different clocks make different ids.
    pub fn client_id(&self, stamp: Nanos) -> ClientId {
        ClientId::ulid(self.start_ms + stamp / 1_000_000, (u128::from(self.salt) << 64) | u128::from(stamp))
    }
}

/// A `send` frame built once; every message patches its id and its time.
#[derive(Debug, Clone)]
pub struct SendFrame {
    bytes: Vec<u8>,
    id_at: usize,
    stamp_at: usize,
}

impl SendFrame {
    /// A message with a text of `text_bytes` for `conversation`.
    pub fn new(conversation: ConversationId, text_bytes: usize) -> Self {
        let id = ClientId::from_u128(0);
        let text = text(0, text_bytes);
        let json = format!(r#"{{"type":"send","client_id":"{id}","conversation":"{conversation}","text":"{text}"}}"#)
            .into_bytes();
        let bytes = wire::masked(Opcode::Text, &json);
        let head = bytes.len() - json.len();
        let id_at = head + r#"{"type":"send","client_id":""#.len();
        let stamp_at = head + find_mark(&json, 0).expect("the text was just written") + 1;
        Self { bytes, id_at, stamp_at }
    }

    /// The frame of the message that is intended at `stamp`.
    pub fn stamped(&mut self, stamp: Nanos, clock: &Clock) -> &[u8] {
        let id = clock.client_id(stamp).to_string();
        self.bytes[self.id_at..self.id_at + id.len()].copy_from_slice(id.as_bytes());
        write_hex(&mut self.bytes[self.stamp_at..self.stamp_at + DIGITS], stamp);
        &self.bytes
    }
}

/// A text of `bytes` (at least 17) with its time.
pub fn text(stamp: Nanos, bytes: usize) -> String {
    let mut text = format!("~{stamp:016x}");
    text.extend(std::iter::repeat_n('x', bytes.saturating_sub(text.len())));
    text
}

/// Where the mark stands. `hint` is where it stood in the frame before, which is nearly always right.
pub fn find_mark(payload: &[u8], hint: usize) -> Option<usize> {
    if payload.get(hint) == Some(&MARK) {
        return Some(hint);
    }
    payload.iter().position(|&byte| byte == MARK)
}

/// The 16 digits after the mark at `at`.
pub fn digits(payload: &[u8], at: usize) -> Option<&[u8]> {
    payload.get(at + 1..at + 1 + DIGITS)
}

/// The time after the mark at `at`.
pub fn read_stamp(payload: &[u8], at: usize) -> Option<Nanos> {
    digits(payload, at)?.iter().try_fold(0, |sum, &digit| Some((sum << 4) | u64::from(char::from(digit).to_digit(16)?)))
}

fn write_hex(target: &mut [u8], mut value: u64) {
    for place in target.iter_mut().rev() {
        *place = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_frame_is_what_the_protocol_reads() {
        let clock = Clock::start();
        let conversation = ConversationId::from_u128(77);
        let mut frame = SendFrame::new(conversation, 150);
        let stamp = 0x0123_4567_89ab;
        let bytes = frame.stamped(stamp, &clock).to_vec();
        let payload = wire::first(&bytes).unwrap().unwrap().payload;
        let read: chat_protocol::frame::ClientFrame = serde_json::from_slice(payload).unwrap();
        let chat_protocol::frame::ClientFrame::Send(send) = read else { panic!("{read:?}") };
        assert_eq!(send.conversation, conversation);
        assert_eq!(send.client_id, clock.client_id(stamp));
        assert_eq!(send.client_id.as_u128() as u64, stamp);
        assert_eq!(send.content.text.unwrap().len(), 150);
        let at = find_mark(payload, 0).unwrap();
        assert_eq!(read_stamp(payload, at), Some(stamp));
        assert_eq!(find_mark(payload, at), Some(at));
    }

    #[test]
    fn a_text_without_a_mark_has_no_time() {
        assert_eq!(find_mark(b"hello", 2), None);
        assert_eq!(read_stamp(b"~0012", 0), None);
        assert_eq!(read_stamp(b"~00000000000000zz", 0), None);
    }
}
