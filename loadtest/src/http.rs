//! As much HTTP/1.1 as setting a scenario up needs, over a connection with a chosen source address.

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpStream},
};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::connect::{open, read_head, read_more};

/// A kept-alive connection; blocking, with deadlines.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    host: String,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body, as it came.
    pub body: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub fn open(target: SocketAddr, source: Ipv4Addr) -> anyhow::Result<Self> {
        Ok(Self { stream: open(target, source)?, host: target.to_string() })
    }

    /// Asks and waits.
    pub fn call(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        self.ask(method, path, token, body)?;
        self.answer()
    }

    /// Asks, and waits for JSON with a status of success.
    pub fn json(&mut self, method: &str, path: &str, token: Option<&str>, body: &Value) -> anyhow::Result<Value> {
        let answer = self.call(method, path, token, Some(body))?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!((200..300).contains(&answer.status), "{method} {path}: {} {text}", answer.status);
        serde_json::from_str(&text).with_context(|| format!("{method} {path}: not JSON: {text}"))
    }

    /// Asks only.
    pub fn ask(&mut self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> anyhow::Result<()> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.host);
        if let Some(token) = token {
            request.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        if !body.is_empty() {
            request.push_str("Content-Type: application/json\r\n");
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        self.stream.write_all(request.as_bytes()).with_context(|| format!("send {method} {path}"))
    }

    /// The next answer.
    pub fn answer(&mut self) -> anyhow::Result<Answer> {
        let (head, mut body) = read_head(&mut self.stream)?;
        let Head { status, body_len } = parse_head(&head)?;
        while body.len() < body_len {
            read_more(&mut self.stream, &mut body)?;
        }
        Ok(Answer { status, body })
    }
}

#[derive(Debug, PartialEq)]
struct Head {
    status: u16,
    body_len: usize,
}

fn parse_head(head: &str) -> anyhow::Result<Head> {
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let status = status.context("no status line")?;
    let mut body_len = 0;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            body_len = value.trim().parse().context("a length that is no number")?;
        }
        if name.eq_ignore_ascii_case("transfer-encoding") {
            bail!("a body without a length");
        }
    }
    Ok(Head { status, body_len })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_whatever_their_case() {
        let head = parse_head("HTTP/1.1 201 Created\r\ncontent-LENGTH: 12\r\n\r\n").unwrap();
        assert_eq!(head, Head { status: 201, body_len: 12 });
        assert!(parse_head("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        assert!(parse_head("nonsense").is_err());
    }
}
