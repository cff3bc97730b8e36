//! The page on the WebSocket holds examples that are true: each is read with the real types and written again the same,
//! and there is one of every frame and event.

use std::collections::BTreeSet;

use chat_protocol::{
    ErrorCode,
    codec::Codec,
    event::Body,
    frame::{ClientFrame, ServerFrame},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

const PAGE: &str = include_str!("../../../docs/protocol.md");

/// What stands in the fenced blocks after this mark.
fn said(mark: &str) -> Vec<&'static str> {
    let blocks = PAGE.split("```").skip(1).step_by(2);
    blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix(mark)).collect()
}

/// Reads a line and writes it again: a field that the type does not have, or has otherwise, makes a difference.
fn kept<T: Serialize + DeserializeOwned>(line: &str) -> T {
    let frame: T = serde_json::from_str(line).unwrap_or_else(|err| panic!("{err}: {line}"));
    let written: Value = serde_json::to_value(&frame).unwrap();
    let shown: Value = serde_json::from_str(line).unwrap();
    assert_eq!(written, shown, "this is not how it is written");
    let packed = Codec::MsgPack.encode(&frame);
    let again: T = Codec::MsgPack.decode(&packed).unwrap_or_else(|err| panic!("{err:?} in MessagePack: {line}"));
    assert_eq!(serde_json::to_value(&again).unwrap(), shown, "MessagePack says something else");
    frame
}

#[test]
fn every_frame_of_a_client_is_shown_and_right() {
    let mut seen = BTreeSet::new();
    for line in said("> ") {
        seen.insert(kept::<ClientFrame>(line).name());
        assert!(Codec::Json.decode_client(line.as_bytes()).is_ok(), "the server refuses {line}");
    }
    let all: BTreeSet<&str> = ClientFrame::TYPES.iter().copied().collect();
    assert_eq!(seen, all);
}

#[test]
fn every_frame_and_event_of_the_server_is_shown_and_right() {
    let (mut frames, mut events) = (BTreeSet::new(), BTreeSet::new());
    for line in said("< ") {
        let frame = kept::<ServerFrame>(line);
        frames.insert(name(&frame));
        if let ServerFrame::Event(event) = &frame {
            let name = serde_json::to_value(&event.body).unwrap()["event"].as_str().unwrap().to_owned();
            assert!(!matches!(event.body, Body::Other { .. }), "{name} with data of another shape: {line}");
            events.insert(name);
        }
    }
    assert_eq!(frames, BTreeSet::from(FRAMES));
    assert_eq!(events, Body::KNOWN.iter().map(ToString::to_string).collect());
}

#[test]
fn every_code_that_ends_a_socket_is_named() {
    let numbers: BTreeSet<&str> = PAGE.split(|c: char| !c.is_ascii_digit()).collect();
    for code in ErrorCode::ALL {
        if let Some(close) = code.close() {
            assert!(numbers.contains(close.to_string().as_str()), "{close} {code} is not on the page");
        }
    }
}

const FRAMES: [&str; 17] = [
    "ready",
    "recovered",
    "resync",
    "live",
    "event",
    "ack",
    "ok",
    "error",
    "left",
    "auth_expiring",
    "renewed",
    "goaway",
    "pong",
    "marker",
    "typing",
    "presence",
    "counts",
];

/// A new frame does not compile here before it has a name, and then needs an example.
fn name(frame: &ServerFrame) -> &'static str {
    let place = match frame {
        ServerFrame::Ready(_) => 0,
        ServerFrame::Recovered(_) => 1,
        ServerFrame::Resync(_) => 2,
        ServerFrame::Live(_) => 3,
        ServerFrame::Event(_) => 4,
        ServerFrame::Ack(_) => 5,
        ServerFrame::Ok(_) => 6,
        ServerFrame::Error(_) => 7,
        ServerFrame::Left(_) => 8,
        ServerFrame::AuthExpiring(_) => 9,
        ServerFrame::Renewed(_) => 10,
        ServerFrame::Goaway(_) => 11,
        ServerFrame::Pong(_) => 12,
        ServerFrame::Marker(_) => 13,
        ServerFrame::Typing(_) => 14,
        ServerFrame::Presence(_) => 15,
        ServerFrame::Counts(_) => 16,
    };
    FRAMES[place]
}
