//! What is wrong on a socket: what it is told, and whether it stays.

use anyhow::{bail, ensure};
use chat_protocol::{codec::Codec, limits};
use serde_json::{Map, Value, json};

use crate::raw::{BINARY, CLOSE, CONTINUATION, FIN, Heard, PING, Socket, TEXT, frame, header, said, text};
use crate::world::{World, client_id};

/// Bytes on a socket, and what is heard then: these frames, and then a close code or nothing of the kind.
struct Case {
    what: String,
    bytes: Vec<u8>,
    answers: Vec<Value>,
    close: Option<u16>,
    codec: Codec,
}

/// Every table; answers the cases that went wrong.
pub async fn all(world: &mut World) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    let tables = [(first_frames(world), false), (frames(world), true), (wire(), true), (msgpack(), true)];
    for (cases, logged_in) in tables {
        for case in cases {
            let failed = case.run(world, logged_in).await.err();
            wrong.extend(failed.map(|err| format!("WebSocket, {}: {err:#}", case.what)));
            world.bystanders_chat().await?;
        }
    }
    wrong.extend(who_says_nothing_is_closed(world).await.err().map(|err| format!("WebSocket, silence: {err:#}")));
    wrong.extend(a_flood_is_closed(world).await.err().map(|err| format!("WebSocket, a flood: {err:#}")));
    world.bystanders_chat().await?;
    Ok(wrong)
}

impl Case {
    /// An error frame and then the end.
    fn closes(what: impl Into<String>, bytes: Vec<u8>, code: &str, close: u16) -> Self {
        let error = json!({"type": "error", "code": code});
        Self { what: what.into(), bytes, answers: vec![error], close: Some(close), codec: Codec::Json }
    }

    /// The end without a word.
    fn cuts(what: impl Into<String>, bytes: Vec<u8>, close: u16) -> Self {
        Self { what: what.into(), bytes, answers: Vec::new(), close: Some(close), codec: Codec::Json }
    }

    /// A frame with these fields, and the socket stays. `null` = absent, `*` = any text.
    fn answers(what: impl Into<String>, bytes: Vec<u8>, answer: Value) -> Self {
        Self { what: what.into(), bytes, answers: vec![answer], close: None, codec: Codec::Json }
    }

    fn by(self, codec: Codec) -> Self {
        Self { codec, ..self }
    }

    async fn run(&self, world: &World, logged_in: bool) -> anyhow::Result<()> {
        let (at, token) = (world.chat.public(), &world.mallory.token);
        let mut socket = match logged_in {
            true => Socket::live(at, self.codec, token).await?,
            false => Socket::open(at, self.codec).await?,
        };
        socket.sends(&self.bytes).await?;
        for answer in &self.answers {
            match heard(&mut socket).await? {
                Heard::Frame(frame) if holds(&frame, answer) => {}
                other => bail!("{other:?} instead of {answer}"),
            }
        }
        if let Some(code) = self.close {
            return is_closed(&mut socket, code).await;
        }
        if !logged_in && self.answers.iter().all(|answer| answer["type"] != "ready") {
            socket.says(&hello(token)).await?;
            socket.until(|frame| frame["type"] == "live").await?;
        }
        socket.says(&json!({"type": "ping", "ref": 4_711})).await?;
        socket.until(|frame| frame["type"] == "pong" && frame["ref"] == 4_711).await?;
        Ok(())
    }
}

/// The next thing said that is not the usual business of a socket.
async fn heard(socket: &mut Socket) -> anyhow::Result<Heard> {
    loop {
        match socket.hears().await? {
            Heard::Frame(frame)
                if ["event", "recovered", "live", "renewed"].contains(&frame["type"].as_str().unwrap_or_default()) => {}
            other => return Ok(other),
        }
    }
}

async fn is_closed(socket: &mut Socket, code: u16) -> anyhow::Result<()> {
    let end = heard(socket).await?;
    ensure!(end == Heard::Closed(code), "{end:?} instead of a close with {code}");
    let end = socket.hears().await?;
    ensure!(end == Heard::Gone, "{end:?} after the close");
    Ok(())
}

fn holds(frame: &Value, part: &Value) -> bool {
    let any = |value: &Value| value == "*";
    let mut fields = part.as_object().into_iter().flatten();
    fields.all(|(name, value)| if any(value) { frame[name].is_string() } else { frame[name] == *value })
}

fn hello(token: &str) -> Value {
    json!({"type": "hello", "token": token, "device": "test"})
}

/// A ping that nests this deep, its own object counted.
fn nested(levels: usize) -> String {
    let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
    format!(r#"{{"type":"ping","ref":5,"x":{open}{close}}}"#)
}

/// A ping of this many bytes.
fn padded(bytes: usize) -> String {
    format!(r#"{{"type":"ping","ref":5{}}}"#, " ".repeat(bytes - 23))
}

fn first_frames(world: &World) -> Vec<Case> {
    let malformed = |what: &str, bytes| Case::closes(format!("first, {what}"), bytes, "malformed", 4500);
    let cuts = |what: &str, bytes, close| Case::cuts(format!("first, {what}"), bytes, close);
    let token = &world.mallory.token;
    let with = |name: &str, value: Value| {
        let mut hello = hello(token);
        hello[name] = value;
        text(hello.to_string())
    };
    let cursors = |count: usize| {
        let cursors: Map<String, Value> = (0..count).map(|_| (client_id(0), json!(1))).collect();
        Value::Object(cursors)
    };
    let twice = [text(hello(token).to_string()), text(hello(token).to_string())].concat();
    let resume = |token: &str| text(json!({"type": "resume", "resume_token": token}).to_string());
    let expired = json!({"type": "error", "code": "resume_expired"});
    let ready = json!({"type": "ready", "user": world.mallory.id});
    let mut cases = vec![
        malformed("broken JSON", text("{")),
        malformed("nothing in it", text("")),
        malformed("a list", text("[]")),
        malformed("a hello as a list", text(json!(["hello", token, "test", null, "auto", {}, null]).to_string())),
        malformed("a number", text("7")),
        malformed("no type", text("{}")),
        malformed("a type that is no word", text(r#"{"type":7}"#)),
        malformed("depth 33", text(nested(33))),
        malformed("no token", text(r#"{"type":"hello","device":"test"}"#)),
        malformed("no device", text(json!({"type": "hello", "token": token}).to_string())),
        malformed("an empty device", with("device", json!(""))),
        malformed("a device of 65 characters", with("device", json!("x".repeat(65)))),
        malformed("a cursor of no conversation", with("cursors", json!({"lobby": 1}))),
        malformed("501 cursors", with("cursors", cursors(501))),
        malformed("a resume with 501 cursors", {
            text(json!({"type": "resume", "resume_token": "r1.x", "cursors": cursors(501)}).to_string())
        }),
        cuts("another frame than hello", text(r#"{"type":"ping","ref":1}"#), 4505),
        cuts("an unknown frame", text(r#"{"type":"dance"}"#), 4505),
        cuts("a hello over 8 KiB", with("client", json!("x".repeat(8_192))), 1009),
        cuts("more than 64 KiB", header(FIN | TEXT, 65_537), 1009),
        cuts("binary", frame(FIN | BINARY, &Codec::MsgPack.encode(&hello(token))), 4500),
        cuts("text on MessagePack", text(hello(token).to_string()), 4500).by(Codec::MsgPack),
        cuts("no WebSocket frame", b"GET / HTTP/1.1\r\n\r\n".to_vec(), 1002),
        Case { answers: vec![ready.clone()], ..cuts("hello twice", twice, 4505) },
        Case::answers("first, 500 cursors", with("cursors", cursors(500)), ready.clone()),
        Case::answers("first, unknown fields", with("colour", json!({"red": [1]})), ready),
        Case::answers("first, no resume token", resume("open-sesame"), expired.clone()),
        Case::answers("first, an access token as resume token", resume(token), expired),
        Case::closes("first, a revoked token", text(hello(&world.gone.token).to_string()), "token_revoked", 4503),
    ];
    cases.extend(world.forge.refused().into_iter().map(|forged| {
        let bytes = text(hello(&forged.token).to_string());
        Case::closes(format!("hello with a token, {}", forged.what), bytes, forged.code, forged.close)
    }));
    cases
}

fn frames(world: &World) -> Vec<Case> {
    let malformed = |what: &str, bytes| Case::closes(what, bytes, "malformed", 4500);
    let told = |what: &str, says: Value, answer: Value| Case::answers(what, text(says.to_string()), answer);
    let error = |code: &str, more: Value| {
        let mut error = json!({"type": "error", "code": code, "detail": "*", "ref": null, "client_id": null});
        more.as_object().into_iter().flatten().for_each(|(name, value)| error[name] = value.clone());
        error
    };
    let (own, id, absent) = (&world.own, client_id(0), client_id(1));
    let send =
        |to: &str, id: &str, words: Value| json!({"type": "send", "client_id": id, "conversation": to, "text": words});
    let refused = |code: &str, to: &str, id: &str| error(code, json!({"client_id": id, "conversation": to}));
    let follow = |to: &str| json!({"type": "follow", "ref": 6, "conversation": to});
    let auth = |token: &str| json!({"type": "auth", "ref": 7, "token": token});
    let (future, yesterday) = (client_id(90_000), client_id(-25 * 3_600_000));
    let skewed = |id: &str| error("clock_skew", json!({"client_id": id, "conversation": own, "time": "*"}));
    let mut cases = vec![
        malformed("broken JSON", text(r#"{"type":"ping""#)),
        malformed("two documents", text("{}{}")),
        malformed("a list", text("[]")),
        malformed("a frame as a list", text(r#"["ping",8]"#)),
        malformed("a text", text(r#""ping""#)),
        malformed("no type", text(r#"{"ref":1}"#)),
        malformed("depth 33", text(nested(33))),
        malformed("brackets without end", text("[".repeat(60_000))),
        Case::answers("depth 32", text(nested(32)), json!({"type": "pong", "ref": 5})),
        told("an unknown type", json!({"type": "dance", "ref": 5}), error("unknown_type", json!({"ref": 5}))),
        told("an unknown field", json!({"type": "ping", "ref": 5, "x": [{}]}), json!({"type": "pong", "ref": 5})),
        told("a negative ref", json!({"type": "ping", "ref": -1}), error("invalid", json!({}))),
        told("a ref of 2^53", json!({"type": "ping", "ref": 1_u64 << 53}), error("invalid", json!({}))),
        told("no conversation", json!({"type": "send", "client_id": id, "text": "hi"}), {
            error("invalid", json!({"client_id": id}))
        }),
        told("no client id", json!({"type": "send", "conversation": own, "text": "hi"}), {
            error("invalid", json!({"conversation": own}))
        }),
        told("a number as text", send(own, &id, json!(7)), refused("invalid", own, &id)),
        told("a conversation in lower case", send(&own.to_lowercase(), &id, json!("hi")), {
            error("invalid", json!({"client_id": id}))
        }),
        told("empty content", send(own, &id, json!("")), refused("invalid", own, &id)),
        told("U+0000", send(own, &id, json!("\0")), refused("invalid", own, &id)),
        told("8,001 characters", send(own, &id, json!("x".repeat(8_001))), refused("too_large", own, &id)),
        told("a client id from the future", send(own, &future, json!("hi")), skewed(&future)),
        told("a client id of yesterday", send(own, &yesterday, json!("hi")), skewed(&yesterday)),
        told("a send to a foreign conversation", send(&world.private, &id, json!("hi")), {
            refused("not_found", &world.private, &id)
        }),
        told("a send to none", send(&absent, &id, json!("hi")), refused("not_found", &absent, &id)),
        told("a send from outside", send(&world.public, &id, json!("hi")), refused("not_a_member", &world.public, &id)),
        told("following a foreign conversation", follow(&world.private), {
            error("not_found", json!({"ref": 6, "conversation": world.private}))
        }),
        told("following none", follow(&absent), error("not_found", json!({"ref": 6, "conversation": absent}))),
        told("following from outside", follow(&world.public), {
            error("not_a_member", json!({"ref": 6, "conversation": world.public}))
        }),
        told("following another's feed", follow(&world.alice.id), error("not_found", json!({"ref": 6}))),
        told("following without saying what", json!({"type": "follow", "ref": 6}), error("invalid", json!({"ref": 6}))),
        told("auth as another user", auth(&world.alice.token), error("forbidden", json!({"ref": 7}))),
        told("auth by a revoked token", auth(&world.gone.token), error("token_revoked", json!({"ref": 7}))),
        Case::cuts("hello again", text(hello(&world.mallory.token).to_string()), 4505),
        Case::cuts("resume again", text(r#"{"type":"resume","resume_token":"r1.x"}"#), 4505),
    ];
    let wanted = ["algorithm none", "HS256 with the public key", "a changed signature", "over 4 KiB", "expired"];
    let forged = world.forge.refused().into_iter().filter(|forged| wanted.contains(&forged.what));
    cases.extend(forged.map(|forged| {
        told(&format!("auth with a token, {}", forged.what), auth(&forged.token), error(forged.code, json!({"ref": 7})))
    }));
    cases
}

/// What is no proper WebSocket, or too much of it.
fn wire() -> Vec<Case> {
    let unmasked = |opcode: u8, payload: &[u8]| [&[FIN | opcode, payload.len() as u8], payload].concat();
    let fragments = |count: usize| {
        let rest = frame(CONTINUATION, b" ").repeat(count - 1);
        [frame(TEXT, b"{"), rest].concat()
    };
    let half = "x".repeat(40_000);
    let limit = limits::FRAME_BYTES;
    vec![
        Case::answers("64 KiB", text(padded(limit)), json!({"type": "pong", "ref": 5})),
        Case::cuts("64 KiB + 1, judged by its header", header(FIN | TEXT, limit as u64 + 1), 1009),
        Case::cuts("64 KiB + 1", text(padded(limit + 1)), 1009),
        Case::cuts("a claim of 1 GiB", header(FIN | TEXT, 1 << 30), 1009),
        Case::cuts("a claim of 2^64 - 1 bytes", header(FIN | TEXT, u64::MAX), 1009),
        Case::cuts("fragments over 64 KiB", [frame(TEXT, half.as_bytes()), frame(0, half.as_bytes())].concat(), 1009),
        Case::cuts("fragments without end", fragments(limits::FRAGMENTS + 1), 1002),
        Case::cuts("a message within a message", [frame(TEXT, b"{"), text("{}")].concat(), 1002),
        Case::cuts("nothing to continue", frame(FIN | CONTINUATION, b"{}"), 1002),
        Case::cuts("an unmasked frame", unmasked(TEXT, b"{}"), 1002),
        Case::cuts("a reserved bit", frame(FIN | 0x40 | TEXT, b"{}"), 1002),
        Case::cuts("a reserved opcode", frame(FIN | 0x3, b""), 1002),
        Case::cuts("a reserved control opcode", frame(FIN | 0xb, b""), 1002),
        Case::cuts("a ping of 126 bytes", frame(FIN | PING, &[0; 126]), 1002),
        Case::cuts("a ping in fragments", frame(PING, b""), 1002),
        Case::cuts("half a close code", frame(FIN | CLOSE, &[3]), 1002),
        Case::cuts("a close code that is none", frame(FIN | CLOSE, &1005_u16.to_be_bytes()), 1002),
        Case::cuts("a close reason that is no UTF-8", frame(FIN | CLOSE, &[3, 232, 0xff]), 1007),
        Case::cuts("text that is no UTF-8", text(b"{\"type\":\"\xff\"}"), 1007),
        Case::cuts("binary on JSON", frame(FIN | BINARY, b"{}"), 4500),
    ]
}

fn msgpack() -> Vec<Case> {
    let ping = json!({"type": "ping", "ref": 5});
    let binary = |bytes: &[u8]| frame(FIN | BINARY, bytes);
    let deep = |levels: usize| serde_json::from_str::<Value>(&nested(levels)).expect("JSON");
    let encode = |value: &Value| Codec::MsgPack.encode(value);
    let malformed = |what: &str, document: &[u8]| Case::closes(what, binary(document), "malformed", 4500);
    let unknown = json!({"type": "dance", "ref": 5});
    let cases = [
        Case::cuts("text on MessagePack", text("{}"), 4500),
        malformed("broken MessagePack", &[0xc1]),
        malformed("MessagePack cut short", &encode(&ping)[..5]),
        malformed("MessagePack and more", &[encode(&ping), vec![0]].concat()),
        malformed("a MessagePack list", &encode(&json!(["ping", 5]))),
        malformed("a MessagePack claim of 4 Gi entries", &[0xdf, 0xff, 0xff, 0xff, 0xff]),
        malformed("MessagePack of depth 33", &encode(&deep(33))),
        malformed("MessagePack lists without end", &[0x91; 60_000]),
        Case::answers("MessagePack of depth 32", said(Codec::MsgPack, &deep(32)), json!({"type": "pong", "ref": 5})),
        Case::answers("an unknown MessagePack type", said(Codec::MsgPack, &unknown), {
            json!({"type": "error", "code": "unknown_type", "ref": 5})
        }),
    ];
    cases.into_iter().map(|case| case.by(Codec::MsgPack)).collect()
}

/// Nothing, half a frame, and pings alone: none of them is a first frame.
async fn who_says_nothing_is_closed(world: &World) -> anyhow::Result<()> {
    let nothing = Case::cuts("nothing", Vec::new(), 4007);
    let half = Case::cuts("half a frame", text(hello(&world.mallory.token).to_string())[..20].to_vec(), 4007);
    let began = tokio::time::Instant::now();
    let ended = async |case: &Case| case.run(world, false).await;
    let pinging = async {
        let mut socket = Socket::open(world.chat.public(), Codec::Json).await?;
        socket.sends(&frame(FIN | PING, b"1").repeat(10)).await?;
        is_closed(&mut socket, 4007).await
    };
    tokio::try_join!(ended(&nothing), ended(&half), pinging)?;
    let waited = began.elapsed();
    ensure!(waited >= limits::FIRST_FRAME_TIMEOUT, "closed after {waited:?} already");
    Ok(())
}

/// Frames beyond the burst are refused ten times, and then the socket is closed.
async fn a_flood_is_closed(world: &World) -> anyhow::Result<()> {
    let mut socket = Socket::live(world.chat.public(), Codec::Json, &world.mallory.token).await?;
    let pings: Vec<u8> = (0..200).flat_map(|number| text(format!(r#"{{"type":"ping","ref":{number}}}"#))).collect();
    socket.sends(&pings).await?;
    let (mut pongs, mut refused) = (0, 0);
    loop {
        match heard(&mut socket).await? {
            Heard::Frame(frame) if frame["type"] == "pong" => pongs += 1,
            Heard::Frame(frame) => {
                let limited = frame["code"] == "rate_limited" && frame["retry_after_ms"].is_u64();
                ensure!(limited && frame["ref"].is_u64(), "{frame}");
                refused += 1;
            }
            Heard::Closed(4005) => break,
            other => bail!("{other:?} after {pongs} pongs and {refused} refusals"),
        }
    }
    ensure!(pongs >= limits::FRAMES_BURST && refused >= limits::REFUSALS_PER_MIN, "{pongs} pongs, {refused} refusals");
    Ok(())
}
