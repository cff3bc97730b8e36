//! The scenarios against a fake chat server of a few lines: what is set up, sent, acknowledged and counted.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use chat_loadtest::wire::{self, Opcode};
use chat_protocol::{ConversationId, UserId};
use serde_json::{Value, json};

#[test]
fn a_fan_out_is_acknowledged_and_delivered_once() {
    let url = start(Faults::None);
    let rows = run(&["fan", "--layout", "3x4@200"], &url);
    assert_eq!(count(&rows[0], &["lost", "doubled", "gaps", "errors", "closed"]), [0; 5], "{rows}");
    assert_eq!(count(&rows[0], &["offered", "accepted"]), [200, 200], "{rows}");
    let frames_per_second = rows[0]["frames/s"].as_f64().unwrap();
    assert!((500.0..900.0).contains(&frames_per_second), "200 messages × 4 sockets: {frames_per_second}");
}

#[test]
fn lost_and_doubled_frames_are_seen() {
    let url = start(Faults::EveryTenthLostEveryEleventhDoubled);
    let rows = run(&["fan", "--layout", "1x2@110"], &url);
    let [lost, doubled, gaps] = count(&rows[0], &["lost", "doubled", "gaps"])[..] else { panic!("{rows}") };
    assert!((20..=24).contains(&lost) && (18..=22).contains(&doubled) && gaps >= 18, "{rows}");
}

#[test]
fn sends_in_flight_are_counted_when_acknowledged() {
    let url = start(Faults::None);
    let rows = run(&["append", "--sockets", "4", "--windows", "8"], &url);
    assert!(rows[0]["acks/s"].as_f64().unwrap() > 100.0, "{rows}");
    assert_eq!(count(&rows[0], &["errors"]), [0], "{rows}");
}

fn run(scenario: &[&str], url: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_chat-loadtest"))
        .args(["--core", "0"])
        .args(scenario)
        .args(["--url", url, "--runs", "1", "--warm-up", "0", "--window", "1"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find(|line| line.starts_with('{')).unwrap();
    serde_json::from_str::<Value>(line).unwrap()["rows"].take()
}

fn count(row: &Value, keys: &[&str]) -> Vec<u64> {
    keys.iter().map(|&key| row[key].as_u64().unwrap()).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Faults {
    None,
    EveryTenthLostEveryEleventhDoubled,
}

/// Positions and followers by conversation.
type Rooms = Arc<Mutex<HashMap<String, (u64, Vec<TcpStream>)>>>;

fn start(faults: Faults) -> String {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let rooms = Rooms::default();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let rooms = rooms.clone();
            thread::spawn(move || serve(stream.unwrap(), &rooms, faults));
        }
    });
    url
}

fn serve(mut stream: TcpStream, rooms: &Rooms, faults: Faults) {
    let mut bytes = Vec::new();
    loop {
        let head_len = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if !more(&mut stream, &mut bytes) {
                return;
            }
        };
        let head = String::from_utf8(bytes.drain(..head_len).collect()).unwrap();
        if head.starts_with("GET /v1/ws ") {
            stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").unwrap();
            return talk(stream, bytes, rooms, faults);
        }
        let body_len = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap().parse().unwrap();
        while bytes.len() < body_len {
            more(&mut stream, &mut bytes);
        }
        bytes.drain(..body_len);
        let answer = match &head[..head.find(" HTTP").unwrap()] {
            "POST /v1/users" => json!({ "access_token": "t", "user": { "id": UserId::from_u128(rand::random()) } }),
            "POST /v1/conversations" => json!({ "id": ConversationId::from_u128(rand::random()) }),
            other => panic!("{other}"),
        };
        let answer = answer.to_string();
        let head = format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.write_all((head + &answer).as_bytes()).unwrap();
    }
}

fn talk(mut stream: TcpStream, mut bytes: Vec<u8>, rooms: &Rooms, faults: Faults) {
    loop {
        while let Some(frame) = wire::first(&bytes).unwrap() {
            let said: Value = serde_json::from_slice(frame.payload).unwrap();
            let len = frame.len;
            bytes.drain(..len);
            match said["type"].as_str().unwrap() {
                "hello" => say(&mut stream, r#"{"type":"live","follows":1}"#),
                "follow" => {
                    let room = said["conversation"].as_str().unwrap().to_owned();
                    rooms.lock().unwrap().entry(room).or_default().1.push(stream.try_clone().unwrap());
                    say(&mut stream, r#"{"type":"recovered","ref":1,"heads":{}}"#);
                }
                "send" => send(&mut stream, &said, rooms, faults),
                other => panic!("{other}"),
            }
        }
        if !more(&mut stream, &mut bytes) {
            return;
        }
    }
}

fn send(stream: &mut TcpStream, said: &Value, rooms: &Rooms, faults: Faults) {
    let mut rooms = rooms.lock().unwrap();
    let (seq, followers) = rooms.get_mut(said["conversation"].as_str().unwrap()).unwrap();
    let prev = *seq;
    *seq += 1;
    let (conversation, client_id, text) = (&said["conversation"], &said["client_id"], &said["text"]);
    let event = format!(
        r#"{{"type":"event","conversation":{conversation},"seq":{seq},"prev":{prev},"event":"message.created","data":{{"text":{text}}}}}"#
    );
    let copies = match (faults, *seq) {
        (Faults::None, _) => 1,
        (_, seq) if seq % 10 == 0 => 0,
        (_, seq) if seq % 11 == 0 => 2,
        _ => 1,
    };
    for follower in followers {
        (0..copies).for_each(|_| say(follower, &event));
    }
    say(stream, &format!(r#"{{"type":"ack","client_id":{client_id},"seq":{seq},"duplicate":false}}"#));
}

fn say(stream: &mut TcpStream, json: &str) {
    // A client that has left is none of the fake's business.
    let _ = stream.write_all(&wire::unmasked(Opcode::Text, json.as_bytes()));
}

fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> bool {
    let mut chunk = [0; 4096];
    let count = stream.read(&mut chunk).unwrap_or(0);
    bytes.extend_from_slice(&chunk[..count]);
    count > 0
}
