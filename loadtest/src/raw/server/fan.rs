//! Fan-out with nothing around it: the sockets of a room in a `Vec`, one `try_write` of one finished frame for each.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io::{Error, ErrorKind},
    rc::Rc,
};

use anyhow::Context as _;
use tokio::net::{TcpListener, TcpStream};

use super::disk::Disk;
use crate::{
    stamp,
    wire::{self, Opcode},
};

/// Accepts until the listener, or the disk, fails.
pub(super) async fn serve(listener: TcpListener, copies: usize, disk: Option<Disk>) -> anyhow::Result<()> {
    let house = Rc::new(House {
        rooms: RefCell::default(),
        buffer: RefCell::new(vec![0; 64 * 1024]),
        template: template(),
        seq: Cell::new(FIRST_SEQ),
        copies,
        disk,
    });
    tokio::try_join!(accept(&house, listener), tell_what_is_stored(&house)).map(|_| ())
}

async fn accept(house: &Rc<House>, listener: TcpListener) -> anyhow::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await.context("accept")?;
        let house = house.clone();
        tokio::task::spawn_local(async move {
            if stream.set_nodelay(true).is_ok() && super::upgrade(&mut stream).await.is_ok() {
                let stream = Rc::new(stream);
                let room = Cell::new(None);
                // However it ends, the socket leaves its room.
                let _ = listen(&house, &stream, &room).await;
                house.leave(&stream, room.get());
            }
        });
    }
}

async fn tell_what_is_stored(house: &House) -> anyhow::Result<()> {
    let Some(disk) = &house.disk else { return Ok(()) };
    loop {
        for (room, bytes) in disk.next().await.context("write to the disk")? {
            house.write_to_all(room, &bytes);
        }
    }
}

struct House {
    rooms: RefCell<HashMap<u32, Vec<Rc<TcpStream>>>>,
    /// Shared by all sockets: a read ends before the next one begins.
    buffer: RefCell<Vec<u8>>,
    template: Template,
    seq: Cell<u64>,
    copies: usize,
    /// Where messages go first; `None`: nowhere.
    disk: Option<Disk>,
}

async fn listen(house: &House, stream: &Rc<TcpStream>, room: &Cell<Option<u32>>) -> std::io::Result<()> {
    let mut partial = Vec::new();
    loop {
        stream.readable().await?;
        let mut buffer = house.buffer.borrow_mut();
        let count = match stream.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        if partial.is_empty() {
            let used = house.on_bytes(stream, room, &buffer[..count])?;
            partial.extend_from_slice(&buffer[used..count]);
        } else {
            partial.extend_from_slice(&buffer[..count]);
            let used = house.on_bytes(stream, room, &partial)?;
            partial.drain(..used);
        }
    }
}

impl House {
    /// Acts on all whole frames; gives how many bytes they were.
    fn on_bytes(&self, stream: &Rc<TcpStream>, room: &Cell<Option<u32>>, bytes: &[u8]) -> std::io::Result<usize> {
        let mut used = 0;
        while let Some(frame) = wire::first(&bytes[used..]).map_err(Error::other)? {
            used += frame.len;
            match (frame.opcode, room.get()) {
                (Opcode::Text, None) => room.set(Some(self.join(stream, frame.payload)?)),
                (Opcode::Text, Some(number)) => self.fan_out(number, frame),
                (Opcode::Close, _) => return Err(ErrorKind::ConnectionAborted.into()),
                _ => {}
            }
        }
        Ok(used)
    }

    /// The first message of a socket is the number of its room.
    fn join(&self, stream: &Rc<TcpStream>, payload: &[u8]) -> std::io::Result<u32> {
        let number = std::str::from_utf8(payload).ok().and_then(|text| text.parse().ok());
        let number = number.ok_or(ErrorKind::InvalidData)?;
        self.rooms.borrow_mut().entry(number).or_default().push(stream.clone());
        stream.try_write(&wire::unmasked(Opcode::Text, br#"{"type":"live"}"#))?;
        Ok(number)
    }

    fn fan_out(&self, number: u32, frame: wire::Frame<'_>) {
        let mut payload = frame.payload.to_vec();
        let mask = frame.mask.unwrap_or_default();
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        let Some(digits) = stamp::find_mark(&payload, 0).and_then(|at| stamp::digits(&payload, at)) else { return };

        let mut bytes = Vec::with_capacity(self.template.bytes.len() * self.copies);
        for _ in 0..self.copies {
            let seq = self.seq.replace(self.seq.get() + 1);
            bytes.extend_from_slice(&self.template.filled(seq, digits));
        }
        match &self.disk {
            Some(disk) => disk.push((number, bytes)),
            None => self.write_to_all(number, &bytes),
        }
    }

    fn write_to_all(&self, number: u32, bytes: &[u8]) {
        // A socket that cannot take a whole frame is left out from then on: a raw server has no queues.
        if let Some(members) = self.rooms.borrow_mut().get_mut(&number) {
            members.retain(|member| member.try_write(bytes).is_ok_and(|count| count == bytes.len()));
        }
    }

    fn leave(&self, stream: &Rc<TcpStream>, room: Option<u32>) {
        if let Some(members) = room.and_then(|number| self.rooms.borrow_mut().remove(&number)) {
            let others: Vec<_> = members.into_iter().filter(|member| !Rc::ptr_eq(member, stream)).collect();
            if let (Some(number), false) = (room, others.is_empty()) {
                self.rooms.borrow_mut().insert(number, others);
            }
        }
    }
}

/// As many digits as a real position has.
const FIRST_SEQ: u64 = 1_795_132_800_000_001;

/// A finished event frame as the chat server would send it, patched in three places.
struct Template {
    bytes: Vec<u8>,
    seq_at: usize,
    stamp_at: usize,
}

fn template() -> Template {
    let text = stamp::text(0, super::super::fan::TEXT_BYTES);
    // `prev` stays 0, "ask the log": positions of a raw server chain over all its rooms.
    let json = format!(
        r#"{{"type":"event","conversation":"0EV427B59HK1ENV7E9Z0C1HT0H","seq":{FIRST_SEQ},"prev":0,"id":"03HK0N7PDWWK7","at":"2026-11-22T08:08:00.123Z","by":"01M814RE33CM9JD7GD6ZSAEKF4","event":"message.created","data":{{"client_id":"01M814RENV16CKDXKNSJ0YEKQN","kind":"text","text":"{text}"}}}}"#
    );
    let bytes = wire::unmasked(Opcode::Text, json.as_bytes());
    let head = bytes.len() - json.len();
    let seq_at = head + json.find(&FIRST_SEQ.to_string()).expect("it was just written");
    // Not in the frame: a length of two bytes is announced by 126, which is the mark.
    let stamp_at = head + stamp::find_mark(json.as_bytes(), 0).expect("it was just written") + 1;
    Template { bytes, seq_at, stamp_at }
}

impl Template {
    fn filled(&self, seq: u64, digits: &[u8]) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let seq = seq.to_string();
        bytes[self.seq_at..self.seq_at + seq.len()].copy_from_slice(seq.as_bytes());
        bytes[self.stamp_at..self.stamp_at + digits.len()].copy_from_slice(digits);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heard::{Heard, Reader};

    #[test]
    fn a_filled_template_is_an_event_of_the_protocol() {
        let bytes = template().filled(FIRST_SEQ + 7, b"00000000000000ff");
        let payload = wire::first(&bytes).unwrap().unwrap().payload;
        assert_eq!(Reader::default().read(payload), Heard::Message { seq: FIRST_SEQ + 7, prev: 0, stamp: 255 });
        serde_json::from_slice::<chat_protocol::frame::ServerFrame>(payload).unwrap();
    }
}
