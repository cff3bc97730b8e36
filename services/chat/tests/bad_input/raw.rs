//! A WebSocket client without manners: it sends any bytes, and hears every frame and how the socket ends.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chat_protocol::codec::Codec;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// For anything the server does: generous, so that only a hang is one.
const DEADLINE: Duration = Duration::from_secs(30);
pub const FIN: u8 = 0x80;
pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const MASKED: u8 = 0x80;
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

pub struct Socket {
    stream: TcpStream,
    codec: Codec,
    /// What was read and not looked at yet.
    unread: Vec<u8>,
}

#[derive(Debug, PartialEq)]
pub enum Heard {
    Frame(Value),
    /// A close frame with its code.
    Closed(u16),
    /// The end of the connection.
    Gone,
}

impl Socket {
    /// Upgraded; nothing is said yet.
    pub async fn open(at: SocketAddr, codec: Codec) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(at).await?;
        let request = format!(
            "GET /v1/ws HTTP/1.1\r\nHost: {at}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: {}\r\n\r\n",
            codec.subprotocol()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut socket = Self { stream, codec, unread: Vec::new() };
        let head = loop {
            if let Some(end) = socket.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break socket.unread.drain(..end + 4).collect::<Vec<_>>();
            }
            ensure!(socket.read().await?, "gone during the handshake");
        };
        let head = String::from_utf8_lossy(&head);
        // The answer to the sample key of RFC 6455.
        ensure!(head.starts_with("HTTP/1.1 101") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Ok(socket)
    }

    /// Logged in, and all that was missed is heard.
    pub async fn live(at: SocketAddr, codec: Codec, token: &str) -> anyhow::Result<Self> {
        let mut socket = Self::open(at, codec).await?;
        socket.says(&json!({"type": "hello", "token": token, "device": "test"})).await?;
        socket.until(|frame| frame["type"] == "live").await?;
        Ok(socket)
    }

    /// A whole frame in the socket's own way.
    pub async fn says(&mut self, document: &Value) -> anyhow::Result<()> {
        self.sends(&said(self.codec, document)).await
    }

    /// Any bytes.
    pub async fn sends(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(timeout(DEADLINE, self.stream.write_all(bytes)).await.context("it takes nothing")??)
    }

    /// The next frame for which this holds.
    pub async fn until(&mut self, holds: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        loop {
            match self.hears().await? {
                Heard::Frame(frame) if holds(&frame) => return Ok(frame),
                Heard::Frame(_) => {}
                end => bail!("ended with {end:?}"),
            }
        }
    }

    /// The next thing the server says; its pings are answered.
    pub async fn hears(&mut self) -> anyhow::Result<Heard> {
        loop {
            let Some((opcode, payload)) = self.frame().await? else { return Ok(Heard::Gone) };
            match opcode {
                TEXT => return Ok(Heard::Frame(Codec::Json.decode(&payload)?)),
                BINARY => return Ok(Heard::Frame(Codec::MsgPack.decode(&payload)?)),
                PING => self.sends(&frame(FIN | PONG, &payload)).await?,
                CLOSE => {
                    return Ok(Heard::Closed(payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))));
                }
                PONG => {}
                other => bail!("opcode {other}"),
            }
        }
    }

    async fn frame(&mut self) -> anyhow::Result<Option<(u8, Vec<u8>)>> {
        loop {
            if let Some((first, start, len)) = head(&self.unread)
                && self.unread.len() >= start + len
            {
                ensure!(first & 0xf0 == FIN, "a server's frames are whole: {first:#x}");
                let frame: Vec<u8> = self.unread.drain(..start + len).skip(start).collect();
                return Ok(Some((first & 0x0f, frame)));
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// Whether there was more.
    async fn read(&mut self) -> anyhow::Result<bool> {
        let read = timeout(DEADLINE, self.stream.read_buf(&mut self.unread)).await.context("it says nothing")?;
        Ok(read? > 0)
    }
}

/// First byte, where the payload begins, and its length, of an unmasked frame.
fn head(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    match second {
        126 => Some((first, 4, u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?).into())),
        127 => Some((first, 10, usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?)),
        len => Some((first, 2, len.into())),
    }
}

/// A document as one message of the codec's kind.
pub fn said(codec: Codec, document: &Value) -> Vec<u8> {
    let opcode = if codec == Codec::Json { TEXT } else { BINARY };
    frame(FIN | opcode, &codec.encode(document))
}

/// Words as one text message.
pub fn text(words: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | TEXT, words.as_ref())
}

/// A masked frame.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The head of a masked frame that claims a payload of this length.
pub fn header(first: u8, len: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match len {
        0..=125 => bytes.push(MASKED | len as u8),
        126..=0xffff => {
            bytes.push(MASKED | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        _ => {
            bytes.push(MASKED | 127);
            bytes.extend(len.to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes
}

/// Sends any bytes to an HTTP server and hears all it says until it closes.
pub async fn http(at: SocketAddr, bytes: &[u8]) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(at).await?;
    let mut answer = Vec::new();
    // A server that has heard enough may close before it has read all of it.
    let _ = stream.write_all(bytes).await;
    let _ = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.context("it keeps the connection")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
