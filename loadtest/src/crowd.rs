//! Thousands of sockets on one thread: one epoll, one read buffer, no task and no allocation per message.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, CreateFlags, Event, EventData, EventFlags},
    },
    time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime},
};

use crate::{
    connect::{Opening, close_text},
    heard::{Heard, Reader},
    wire::{self, Opcode},
};

/// A socket's number in its crowd.
pub type Id = usize;

/// All sockets of one generator.
pub struct Crowd {
    epoll: OwnedFd,
    /// `epoll_wait` counts in milliseconds, which is too coarse for an arrival rate.
    timer: OwnedFd,
    members: Vec<Member>,
    events: Vec<Event>,
    buffer: Vec<u8>,
    /// Who could not take all that was written.
    stuck: Vec<Id>,
    closed: Vec<(Id, String)>,
}

#[derive(Debug)]
struct Member {
    stream: TcpStream,
    reader: Reader,
    /// The beginning of a frame whose end has not come.
    partial: Vec<u8>,
    /// What the kernel did not take yet.
    unsent: Vec<u8>,
    open: bool,
}

const TIMER: u64 = u64::MAX;
const READ_BYTES: usize = 256 * 1024;
const EVENTS: usize = 1024;

impl Crowd {
    /// Nobody yet.
    pub fn new() -> anyhow::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).context("make an epoll")?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)
            .context("make a timer")?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN).context("watch the timer")?;
        Ok(Self {
            epoll,
            timer,
            members: Vec::new(),
            events: Vec::with_capacity(EVENTS),
            buffer: vec![0; READ_BYTES],
            stuck: Vec::new(),
            closed: Vec::new(),
        })
    }

    /// Takes over a socket whose set-up is complete.
    pub fn join(&mut self, opening: Opening) -> anyhow::Result<Id> {
        let (stream, partial) = opening.finish()?;
        let id = self.members.len();
        epoll::add(&self.epoll, &stream, EventData::new_u64(id as u64), EventFlags::IN).context("watch a socket")?;
        self.members.push(Member { stream, reader: Reader::default(), partial, unsent: Vec::new(), open: true });
        Ok(id)
    }

    /// How many have joined.
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Who was closed by the server, and how it said so.
    pub fn closed(&self) -> &[(Id, String)] {
        &self.closed
    }

    /// Writes a frame, or keeps what the kernel does not take and tries again at every turn.
    pub fn write(&mut self, id: Id, bytes: &[u8]) {
        let member = &mut self.members[id];
        if !member.open {
            return;
        }
        let taken = if member.unsent.is_empty() { write_some(&mut member.stream, bytes) } else { Ok(0) };
        match taken {
            Ok(count) if count == bytes.len() => {}
            Ok(count) => {
                if member.unsent.is_empty() {
                    self.stuck.push(id);
                }
                member.unsent.extend_from_slice(&bytes[count..]);
            }
            Err(error) => self.lose(id, error.to_string()),
        }
    }

    /// Waits for something to happen, at most `patience`, and hands over all that was heard.
    pub fn turn(&mut self, patience: Duration, mut hear: impl FnMut(Id, Heard<'_>)) -> anyhow::Result<()> {
        self.retry_stuck();
        let patience = if self.stuck.is_empty() { patience } else { patience.min(Duration::from_millis(1)) };
        self.wait(patience)?;
        for at in 0..self.events.len() {
            let id = self.events[at].data.u64();
            if id != TIMER
                && let Err(reason) = self.read(id as Id, &mut hear)
            {
                self.lose(id as Id, reason);
            }
        }
        Ok(())
    }

    /// Answers pings for a while and drops all that is heard.
    pub fn serve(&mut self, time: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            self.turn(left, |_, _| {})?;
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    fn wait(&mut self, patience: Duration) -> anyhow::Result<()> {
        self.events.clear();
        // Never 0, which would switch the timer off.
        let nanos = patience.as_nanos().clamp(1, 1_000_000_000) as i64;
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec { tv_sec: nanos / 1_000_000_000, tv_nsec: nanos % 1_000_000_000 },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once).context("set the timer")?;
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error).context("wait for events"),
        }
    }

    fn read(&mut self, id: Id, hear: &mut impl FnMut(Id, Heard<'_>)) -> Result<(), String> {
        let member = &mut self.members[id];
        if !member.open {
            return Ok(());
        }
        let count = match member.stream.read(&mut self.buffer) {
            Ok(0) => return Err("end of stream".to_owned()),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        };
        let fresh = &self.buffer[..count];
        if member.partial.is_empty() {
            let used = member.digest(fresh, id, hear)?;
            member.partial.extend_from_slice(&fresh[used..]);
        } else {
            let mut joined = std::mem::take(&mut member.partial);
            joined.extend_from_slice(fresh);
            let used = member.digest(&joined, id, hear)?;
            joined.drain(..used);
            // An empty one is dropped: a generator of many sockets keeps no buffers either.
            member.partial = if joined.is_empty() { Vec::new() } else { joined };
        }
        Ok(())
    }

    fn retry_stuck(&mut self) {
        for id in std::mem::take(&mut self.stuck) {
            let member = &mut self.members[id];
            match write_some(&mut member.stream, &member.unsent) {
                Ok(count) => {
                    member.unsent.drain(..count);
                    if !member.unsent.is_empty() {
                        self.stuck.push(id);
                    }
                }
                Err(error) => self.lose(id, error.to_string()),
            }
        }
    }

    fn lose(&mut self, id: Id, reason: String) {
        let member = &mut self.members[id];
        if std::mem::replace(&mut member.open, false) {
            // It may be gone from the epoll already; the stream stays until the crowd ends, so no number is reused.
            let _ = epoll::delete(&self.epoll, &member.stream);
            self.closed.push((id, reason));
        }
    }
}

impl Member {
    /// Reads all whole frames; gives how many bytes they were.
    fn digest(&mut self, bytes: &[u8], id: Id, hear: &mut impl FnMut(Id, Heard<'_>)) -> Result<usize, String> {
        let mut used = 0;
        while let Some(frame) = wire::first(&bytes[used..]).map_err(|broken| broken.to_string())? {
            used += frame.len;
            match frame.opcode {
                Opcode::Text | Opcode::Binary => hear(id, self.reader.read(frame.payload)),
                Opcode::Ping => self.pong(frame.payload)?,
                Opcode::Pong => {}
                Opcode::Close => return Err(close_text(frame.payload)),
            }
        }
        Ok(used)
    }

    fn pong(&mut self, payload: &[u8]) -> Result<(), String> {
        let pong = wire::masked(Opcode::Pong, payload);
        if self.unsent.is_empty() {
            let count = write_some(&mut self.stream, &pong).map_err(|error| error.to_string())?;
            if count == pong.len() {
                return Ok(());
            }
            return Err("a pong did not fit the socket's buffer".to_owned());
        }
        self.unsent.extend_from_slice(&pong);
        Ok(())
    }
}

fn write_some(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<usize> {
    match stream.write(bytes) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
        other => other,
    }
}
