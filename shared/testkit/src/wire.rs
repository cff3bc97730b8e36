//! One question, one answer, over a socket of its own: just enough of three protocols to see that a server answers.
//!
//! Blocking, with a deadline on every read, and free of the drivers under test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// A port that nobody listens on, below those that the system gives to outgoing connections: a server that is down
/// for a while finds it free again.
pub fn free_port() -> u16 {
    loop {
        let port = rand::random_range(10_000..30_000);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// `127.0.0.1:port`
pub fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn connect(to: SocketAddr, within: Duration) -> anyhow::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&to, CONNECT_WITHIN).with_context(|| format!("connect to {to}"))?;
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// Asks a NATS server on `subject` and gives back the reply, which is JSON (as all of its JetStream API is).
///
/// # Errors
/// If nobody answers in time, or the answer holds an `error`.
pub(crate) fn nats_request(to: SocketAddr, subject: &str, body: &str) -> anyhow::Result<Value> {
    let mut stream = connect(to, Duration::from_secs(2))?;
    let mut line = String::new();
    stream.read_line(&mut line).context("read INFO")?;
    ensure!(line.starts_with("INFO "), "{to} is no NATS server");
    let inbox = format!("_INBOX.{:016x}", rand::random::<u64>());
    write!(
        stream.get_mut(),
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true}}\r\n\
         SUB {inbox} 1\r\nPUB {subject} {inbox} {}\r\n{body}\r\n",
        body.len(),
    )?;
    let reply = loop {
        line.clear();
        ensure!(stream.read_line(&mut line).context("read a reply")? > 0, "{to} closed the connection");
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("MSG") => {
                let length =
                    words.next_back().and_then(|word| word.parse().ok()).context("parse the reply's length")?;
                let mut reply = vec![0; length];
                stream.read_exact(&mut reply).context("read the reply")?;
                break serde_json::from_slice::<Value>(&reply).context("parse the reply")?;
            }
            Some("HMSG") => bail!("nobody answers {subject}"),
            Some("-ERR") => bail!("{}", line.trim_end()),
            Some("PING") => stream.get_mut().write_all(b"PONG\r\n")?,
            _ => {}
        }
    };
    match reply.get("error") {
        Some(error) => bail!("{subject}: {error}"),
        None => Ok(reply),
    }
}

/// Says `line` (`PUB subject length\r\n…`, `SUB subject 1`) to a NATS server as this user; its refusal, if it has one.
///
/// # Errors
/// If the server does not know the user or does not answer.
pub fn nats_try(to: SocketAddr, user: &str, password: &str, line: &str) -> anyhow::Result<Option<String>> {
    let mut stream = connect(to, Duration::from_secs(2))?;
    let mut read = String::new();
    stream.read_line(&mut read).context("read INFO")?;
    let sign_in = serde_json::json!({ "verbose": false, "pedantic": false, "user": user, "pass": password });
    write!(stream.get_mut(), "CONNECT {sign_in}\r\n{line}\r\nPING\r\n")?;
    let mut refused = None;
    loop {
        read.clear();
        ensure!(stream.read_line(&mut read).context("read an answer")? > 0, "{to} closed the connection: {refused:?}");
        match read.split_ascii_whitespace().next() {
            Some("-ERR") => refused = Some(read.trim_end().to_owned()),
            Some("PONG") => return Ok(refused),
            _ => {}
        }
    }
}

/// `GET path`: the status and the body.
///
/// # Errors
/// If nobody answers in time, or not in HTTP.
pub fn http_get(from: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = connect(from, Duration::from_secs(5))?;
    write!(stream.get_mut(), "GET {path} HTTP/1.1\r\nHost: {from}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(|| format!("read {path} from {from}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no body")?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).context("the answer has no status")?;
    Ok((status, body.to_owned()))
}

/// The rows of an answer: each cell as its bytes, or nothing.
pub(crate) type Rows = Vec<Vec<Option<Vec<u8>>>>;

/// Performs one CQL statement at consistency ONE.
///
/// # Errors
/// If the server does not answer within `within`, or answers with an error.
pub(crate) fn cql_query(to: SocketAddr, statement: &str, within: Duration) -> anyhow::Result<Rows> {
    const STARTUP: u8 = 0x01;
    const READY: u8 = 0x02;
    const QUERY: u8 = 0x07;
    const RESULT: u8 = 0x08;
    const CONSISTENCY_ONE: [u8; 2] = [0, 1];
    const SKIP_METADATA: u8 = 0x02;

    let mut stream = connect(to, within)?;
    let mut options = vec![0, 1];
    for text in ["CQL_VERSION", "3.0.0"] {
        options.extend_from_slice(&u16::try_from(text.len()).expect("a short word").to_be_bytes());
        options.extend_from_slice(text.as_bytes());
    }
    let (opcode, _) = cql_ask(&mut stream, STARTUP, &options)?;
    ensure!(opcode == READY, "{to} answers STARTUP with opcode {opcode}");

    let mut query = u32::try_from(statement.len()).context("a statement that long")?.to_be_bytes().to_vec();
    query.extend_from_slice(statement.as_bytes());
    query.extend_from_slice(&CONSISTENCY_ONE);
    query.push(SKIP_METADATA);
    let (opcode, body) = cql_ask(&mut stream, QUERY, &query)?;
    ensure!(opcode == RESULT, "{to} answers QUERY with opcode {opcode}");
    rows(&mut body.as_slice()).context("read the rows")
}

fn cql_ask(stream: &mut BufReader<TcpStream>, opcode: u8, body: &[u8]) -> anyhow::Result<(u8, Vec<u8>)> {
    const VERSION: u8 = 4;
    const ERROR: u8 = 0x00;
    const WARNED: u8 = 0x08;
    let mut frame = vec![VERSION, 0, 0, 0, opcode];
    frame.extend_from_slice(&u32::try_from(body.len()).context("a frame that long")?.to_be_bytes());
    frame.extend_from_slice(body);
    stream.get_mut().write_all(&frame)?;

    let mut head = [0; 5];
    stream.read_exact(&mut head).context("read the answer's head")?;
    let [_, flags, _, _, opcode] = head;
    let length = int(stream)?;
    let mut answer = vec![0; usize::try_from(length).context("an answer of negative length")?];
    stream.read_exact(&mut answer).context("read the answer")?;
    if flags & WARNED != 0 {
        let mut rest = answer.as_slice();
        let warnings = short(&mut rest)?;
        for _ in 0..warnings {
            let length = short(&mut rest)?;
            rest = rest.get(usize::from(length)..).context("a warning ends early")?;
        }
        answer = rest.to_vec();
    }
    if opcode == ERROR {
        bail!("{}", String::from_utf8_lossy(answer.get(6..).unwrap_or_default()));
    }
    Ok((opcode, answer))
}

fn rows(body: &mut &[u8]) -> anyhow::Result<Rows> {
    const KIND_ROWS: i32 = 2;
    const NO_METADATA: i32 = 0x04;
    if int(body)? != KIND_ROWS {
        return Ok(Rows::new());
    }
    ensure!(int(body)? & NO_METADATA != 0, "the answer describes its columns, which was not asked for");
    let columns = int(body)?;
    let count = int(body)?;
    (0..count).map(|_| (0..columns).map(|_| cell(body)).collect()).collect()
}

fn cell(body: &mut &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
    let Ok(length) = usize::try_from(int(body)?) else { return Ok(None) };
    let (cell, rest) = body.split_at_checked(length).context("a cell ends early")?;
    *body = rest;
    Ok(Some(cell.to_vec()))
}

fn short(from: &mut impl Read) -> anyhow::Result<u16> {
    let mut bytes = [0; 2];
    from.read_exact(&mut bytes)?;
    Ok(u16::from_be_bytes(bytes))
}

fn int(from: &mut impl Read) -> anyhow::Result<i32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(i32::from_be_bytes(bytes))
}
