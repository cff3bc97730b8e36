//! Bytes from the kernel, as few reads as they take.

use std::{
    cell::RefCell,
    io::{self, Read as _},
    sync::Arc,
};

use tokio::{io::Interest, net::TcpStream};

use super::Socket;

/// Bytes read at once, into a buffer that all sockets of a thread share.
const READ_BYTES: usize = 16 * 1024;
/// Reads before other sockets get a turn.
const READS_PER_TURN: usize = 16;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

impl Socket {
    /// Reads what is there, a bounded part of it.
    pub(super) fn read(&mut self) {
        let outbox = Arc::clone(&self.outbox);
        SCRATCH.with_borrow_mut(|scratch| {
            for _ in 0..READS_PER_TURN {
                let read = match try_read(outbox.stream(), scratch) {
                    Ok(0) => {
                        // Who only stopped talking may still listen.
                        self.outbox.write_held();
                        return self.outbox.kill();
                    }
                    Ok(read) => read,
                    Err(err) if err.kind() == io::ErrorKind::WouldBlock => return,
                    Err(_) => return self.outbox.kill(),
                };
                self.feed(scratch.get(..read).unwrap_or_default());
                if read < scratch.len() || self.outbox.is_closing() {
                    return;
                }
            }
        });
    }
}

/// Reads once. What does not fill the buffer was all there is: the runtime is told so, which spares the read that would
/// only hear it from the kernel. More bytes, or the end, are an event of their own.
fn try_read(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut some = 0;
    let outcome = stream.try_io(Interest::READABLE, || {
        let read = (&*socket2::SockRef::from(stream)).read(buffer)?;
        if read == 0 || read == buffer.len() {
            return Ok(read);
        }
        some = read;
        Err(io::ErrorKind::WouldBlock.into())
    });
    if some > 0 { Ok(some) } else { outcome }
}

/// Reads until the other side closes: unread bytes would turn the close into a reset that can overtake our last frame.
pub(super) async fn drain(stream: &TcpStream) {
    loop {
        if stream.readable().await.is_err() {
            return;
        }
        let ended = SCRATCH.with_borrow_mut(|scratch| match stream.try_read(scratch) {
            Ok(0) => true,
            Ok(_) => false,
            Err(err) => err.kind() != io::ErrorKind::WouldBlock,
        });
        if ended {
            return;
        }
    }
}
