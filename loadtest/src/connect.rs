//! Opening sockets: blocking, one after the other, from many loopback addresses.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, bail};
use socket2::{Domain, Socket, Type};

use crate::wire;

/// No step of the set-up takes this long unless something is broken.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Source addresses in a circle: ports are per (source, destination), and servers limit per address.
#[derive(Debug, Clone, Copy)]
pub struct Sources {
    count: u32,
    next: u32,
}

impl Sources {
    /// `count` addresses from 127.0.1.1 on.
    pub fn new(count: u32) -> Self {
        Self { count: count.max(1), next: 0 }
    }

    /// The next one.
    pub fn take(&mut self) -> Ipv4Addr {
        let number = self.next % self.count;
        self.next += 1;
        Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 1, 1)) + number)
    }
}

/// A blocking connection with deadlines. To a target that is not on this machine the source is left to the kernel.
pub fn open(target: SocketAddr, source: Ipv4Addr) -> anyhow::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, None).context("make a socket")?;
    if matches!(target.ip(), IpAddr::V4(ip) if ip.is_loopback()) {
        socket.bind(&SocketAddr::from((source, 0)).into()).with_context(|| format!("bind {source}"))?;
    }
    socket.connect_timeout(&target.into(), PATIENCE).with_context(|| format!("connect to {target}"))?;
    socket.set_tcp_nodelay(true).context("switch Nagle off")?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// A WebSocket during set-up: blocking, with what was read too far.
#[derive(Debug)]
pub struct Opening {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Opening {
    /// Connects and upgrades at `/v1/ws` with the JSON codec.
    pub fn upgrade(target: SocketAddr, source: Ipv4Addr) -> anyhow::Result<Self> {
        let mut stream = open(target, source)?;
        let request = format!(
            "GET /v1/ws HTTP/1.1\r\nHost: {target}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: chat.v1.json\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).context("ask for the upgrade")?;
        let (head, unread) = read_head(&mut stream)?;
        if !head.starts_with("HTTP/1.1 101") {
            bail!("no upgrade: {}", head.lines().next().unwrap_or("no answer"));
        }
        Ok(Self { stream, unread })
    }

    /// Sends one text message.
    pub fn say(&mut self, json: &str) -> anyhow::Result<()> {
        self.stream.write_all(&wire::masked(wire::Opcode::Text, json.as_bytes())).context("send a frame")
    }

    /// Reads frames until one has this `type`; an `error` or a close ends the wait.
    pub fn wait_for(&mut self, kind: &str) -> anyhow::Result<String> {
        let wanted = format!(r#"{{"type":"{kind}""#);
        loop {
            let text = self.next_message()?;
            if text.starts_with(&wanted) {
                return Ok(text);
            }
            if text.starts_with(r#"{"type":"error""#) {
                bail!("refused while waiting for '{kind}': {text}");
            }
        }
    }

    fn next_message(&mut self) -> anyhow::Result<String> {
        loop {
            while let Some(frame) = wire::first(&self.unread)? {
                let (opcode, payload, len) = (frame.opcode, frame.payload.to_vec(), frame.len);
                self.unread.drain(..len);
                match opcode {
                    wire::Opcode::Text | wire::Opcode::Binary => return Ok(String::from_utf8(payload)?),
                    wire::Opcode::Ping => self.stream.write_all(&wire::masked(wire::Opcode::Pong, &payload))?,
                    wire::Opcode::Pong => {}
                    wire::Opcode::Close => bail!("closed by the server: {}", close_text(&payload)),
                }
            }
            read_more(&mut self.stream, &mut self.unread)?;
        }
    }

    /// The socket for the crowd, with what was read too far.
    pub fn finish(self) -> anyhow::Result<(TcpStream, Vec<u8>)> {
        self.stream.set_nonblocking(true).context("make the socket non-blocking")?;
        Ok((self.stream, self.unread))
    }
}

/// `4002 slow`.
pub fn close_text(payload: &[u8]) -> String {
    match payload {
        [high, low, reason @ ..] => {
            format!("{} {}", u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason))
        }
        _ => "without a code".to_owned(),
    }
}

/// Reads up to the blank line of an HTTP head; gives the head and what came after it.
pub fn read_head(stream: &mut TcpStream) -> anyhow::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8(bytes).context("a head that is not text")?, rest));
        }
        if bytes.len() > 64 * 1024 {
            bail!("a head without end");
        }
        read_more(stream, &mut bytes)?;
    }
}

/// Appends what is there; the end of the stream is an error.
pub fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> anyhow::Result<()> {
    let mut chunk = [0; 4096];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => bail!("closed by the server"),
            Ok(count) => {
                bytes.extend_from_slice(&chunk[..count]);
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("read from the server"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_go_round() {
        let mut sources = Sources::new(2);
        let taken: Vec<String> = (0..3).map(|_| sources.take().to_string()).collect();
        assert_eq!(taken, ["127.0.1.1", "127.0.1.2", "127.0.1.1"]);
        let mut many = Sources::new(300);
        assert_eq!((0..256).map(|_| many.take()).last().unwrap().to_string(), "127.0.2.0");
    }

    #[test]
    fn close_codes_are_readable() {
        assert_eq!(close_text(b"\x0f\xa2slow"), "4002 slow");
        assert_eq!(close_text(b""), "without a code");
    }
}
