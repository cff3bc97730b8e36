//! What waits to be written on one socket: bounded, and usually empty.
//!
//! Whoever has a frame writes it at once, from wherever it is ([`Outbox::push`]); only what the kernel does not take
//! waits here, and only then the socket's own task is woken to write the rest. So a room of a thousand costs a
//! thousand writes and no task wake-up. What is known to be followed by more at once is held until that is there
//! ([`Outbox::hold`]): one write for both.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
};

use bytes::{Buf, Bytes};
use chat_protocol::limits;
use parking_lot::Mutex;
use tokio::{
    net::TcpStream,
    sync::Notify,
    time::{Duration, Instant},
};

/// Frames handed to the kernel in one call, and held at most.
const SLICES: usize = 64;
/// Bytes held at most: more are worth a write of their own.
const HELD_BYTES: usize = 16 * 1024;

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// Written, or waiting in order for the kernel.
    Taken,
    /// Waiting in order for what comes next.
    Held,
    /// The outbox is full, or the socket is gone: nothing more is taken.
    Refused,
    /// An ephemeral frame that would have waited too long; nothing else is affected.
    Dropped,
}

/// The writing half of one socket.
pub struct Outbox {
    stream: TcpStream,
    /// With more than this waiting the socket is slow.
    bytes_max: usize,
    waiting: Mutex<Waiting>,
    /// Wakes the socket's task: something waits for the kernel, or the outbox was closed.
    wake: Notify,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// None of it was offered to the kernel yet.
    held: bool,
    /// The kernel took nothing since then.
    stalled: Option<Instant>,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// What waits is written, then the socket is shut.
    Closing,
    /// Nothing can be written any more.
    Dead,
}

impl Outbox {
    /// Of a socket whose reading half is [`Outbox::stream`].
    pub fn new(stream: TcpStream, bytes_max: usize) -> Self {
        Self { stream, bytes_max, waiting: Mutex::default(), wake: Notify::new() }
    }

    /// For reading; writing to it would interleave bytes.
    pub const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Durable and control frames, in order, with one write for all of them.
    pub fn push(&self, frames: &[Bytes]) -> Pushed {
        let mut waiting = self.waiting.lock();
        if waiting.state != State::Open {
            return Pushed::Refused;
        }
        let more: usize = frames.iter().map(Bytes::len).sum();
        self.make_room(&mut waiting, more, self.bytes_max);
        // An empty outbox takes any frame: the bound is on what piles up, not on one burst.
        if waiting.bytes > 0 && waiting.bytes + more > self.bytes_max {
            return Pushed::Refused;
        }
        self.append(&mut waiting, frames, more);
        Pushed::Taken
    }

    /// The same, but written with the next frames, at the latest by [`Outbox::write_held`], which the caller sees to.
    pub fn hold(&self, frames: &[Bytes]) -> Pushed {
        let mut waiting = self.waiting.lock();
        let bytes = waiting.bytes + frames.iter().map(Bytes::len).sum::<usize>();
        let small = bytes <= HELD_BYTES.min(self.bytes_max) && waiting.frames.len() + frames.len() <= SLICES;
        let unstarted = waiting.held || waiting.frames.is_empty();
        if waiting.state != State::Open || !small || !unstarted {
            drop(waiting);
            return self.push(frames);
        }
        waiting.held = true;
        waiting.bytes = bytes;
        waiting.frames.extend(frames.iter().cloned());
        Pushed::Held
    }

    /// Whether something is held.
    pub fn holds(&self) -> bool {
        self.waiting.lock().held
    }

    /// Writes what is held.
    pub fn write_held(&self) {
        let mut waiting = self.waiting.lock();
        if waiting.held {
            self.write(&mut waiting);
        }
    }

    /// A frame that may be lost: not taken while [`limits::OUTBOX_EPHEMERAL_BYTES`] wait already.
    pub fn push_ephemeral(&self, frame: &Bytes) -> Pushed {
        let mut waiting = self.waiting.lock();
        // A bound below the usual one leaves ephemeral frames its first quarter.
        let bound = limits::OUTBOX_EPHEMERAL_BYTES.min(self.bytes_max / 4);
        self.make_room(&mut waiting, 1, bound);
        if waiting.state != State::Open || waiting.bytes >= bound {
            return Pushed::Dropped;
        }
        self.append(&mut waiting, std::slice::from_ref(frame), frame.len());
        Pushed::Taken
    }

    /// The last frame; what waits is dropped if the outbox is full (`slow`), so that the frame has room.
    pub fn close(&self, last: Bytes) {
        let mut waiting = self.waiting.lock();
        if waiting.state != State::Open {
            return;
        }
        self.make_room(&mut waiting, last.len(), self.bytes_max);
        if waiting.bytes + last.len() > self.bytes_max {
            // A frame whose beginning is out must be finished, or the close frame would be read as its rest.
            waiting.frames.truncate(1);
            waiting.bytes = waiting.frames.front().map_or(0, Bytes::len);
        }
        let len = last.len();
        self.append(&mut waiting, &[last], len);
        if waiting.state == State::Open {
            waiting.state = State::Closing;
        }
        drop(waiting);
        self.wake.notify_one();
    }

    /// Nothing is taken or written any more.
    pub fn kill(&self) {
        let mut waiting = self.waiting.lock();
        *waiting = Waiting { state: State::Dead, ..Waiting::default() };
        drop(waiting);
        self.wake.notify_one();
    }

    /// Bytes that wait.
    pub fn backlog(&self) -> usize {
        self.waiting.lock().bytes
    }

    /// How long the kernel has taken nothing.
    pub fn stalled_for(&self, now: Instant) -> Option<Duration> {
        self.waiting.lock().stalled.map(|since| now.saturating_duration_since(since))
    }

    /// Whether no frame is taken any more.
    pub fn is_closing(&self) -> bool {
        self.waiting.lock().state != State::Open
    }

    /// Waits until something waits for the kernel, or the outbox was closed. One waiter: the socket's task.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Wakes the socket's task for a reason of its own.
    pub fn poke(&self) {
        self.wake.notify_one();
    }

    /// Writes once, when the kernel takes something. Cancel-safe.
    pub async fn progress(&self) {
        if self.stream.writable().await.is_err() {
            return self.kill();
        }
        self.write(&mut self.waiting.lock());
    }

    /// Writes what waits, as the kernel takes it; ends when nothing waits. Cancel-safe.
    pub async fn flush(&self) {
        loop {
            {
                let mut waiting = self.waiting.lock();
                self.write(&mut waiting);
                if waiting.frames.is_empty() || waiting.state == State::Dead {
                    return;
                }
            }
            if self.stream.writable().await.is_err() {
                self.kill();
            }
        }
    }

    /// What is held counts against no bound before the kernel was asked to take it.
    fn make_room(&self, waiting: &mut Waiting, more: usize, bound: usize) {
        if waiting.held && waiting.bytes + more > bound {
            self.write(waiting);
            if !waiting.frames.is_empty() {
                self.wake.notify_one();
            }
        }
    }

    fn append(&self, waiting: &mut Waiting, frames: &[Bytes], bytes: usize) {
        let idle = waiting.frames.is_empty();
        if idle && let [frame] = frames {
            // Nearly always: nothing waits and the kernel takes the frame whole, so nothing is queued or gathered. An
            // error is met again below, where it is dealt with.
            let written = self.stream.try_write(frame).unwrap_or(0);
            if written == frame.len() {
                return;
            }
            waiting.frames.push_back(frame.slice(written..));
            waiting.bytes += bytes - written;
        } else {
            waiting.frames.extend(frames.iter().cloned());
            waiting.bytes += bytes;
        }
        if idle || waiting.held {
            self.write(waiting);
            if !waiting.frames.is_empty() {
                self.wake.notify_one();
            }
        }
    }

    /// Writes until the kernel takes no more.
    fn write(&self, waiting: &mut Waiting) {
        waiting.held = false;
        while !waiting.frames.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut count = 0;
            for (slice, frame) in slices.iter_mut().zip(&waiting.frames) {
                *slice = IoSlice::new(frame);
                count += 1;
            }
            let filled = slices.get(..count).unwrap_or_default();
            let written = match filled {
                [one] => self.stream.try_write(one),
                many => self.stream.try_write_vectored(many),
            };
            match written {
                Ok(written) if written > 0 => {
                    waiting.stalled = None;
                    waiting.advance(written);
                }
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => {
                    waiting.stalled.get_or_insert_with(Instant::now);
                    return;
                }
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => {
                    *waiting = Waiting { state: State::Dead, ..Waiting::default() };
                    self.wake.notify_one();
                    return;
                }
            }
        }
        // A burst must not cost this socket memory for the rest of its life.
        if waiting.frames.capacity() > SLICES {
            waiting.frames = VecDeque::new();
        }
    }
}

impl Waiting {
    fn advance(&mut self, mut written: usize) {
        self.bytes = self.bytes.saturating_sub(written);
        while let Some(front) = self.frames.front_mut() {
            if written < front.len() {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.frames.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
