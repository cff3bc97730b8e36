//! Wire bytes, pinned: whoever changes one of these breaks clients or the log.

use chat_protocol::{
    ErrorCode,
    codec::Codec,
    event::{Body, Event, MemberChanged, MessageCreated},
    frame::{Ack, ClientFrame, EventFrame, Failure, Recovered, ServerFrame},
    id::{ClientId, ConversationId, MessageId, Seq, Shard, UserId},
    model::{Content, MessageKind},
    rights::Role,
    time::Timestamp,
};

fn hi() -> Event {
    Event {
        at: "2026-11-22T08:08:00.123Z".parse().unwrap(),
        by: "01M814RE33CM9JD7GD6ZSAEKF4".parse().unwrap(),
        body: Body::MessageCreated(Box::new(MessageCreated {
            client_id: "01M814RENV16CKDXKNSJ0YEKQN".parse().unwrap(),
            kind: MessageKind::Text,
            content: Content { text: Some("hi".into()), ..Content::default() },
            mentions: vec![],
            deleted: false,
        })),
    }
}

fn frame() -> ServerFrame {
    let conversation = "0EV427B59HK1ENV7E9Z0C1HT0H".parse().unwrap();
    let id: MessageId = "03HK0N7PDWWK7".parse().unwrap();
    let prev = Seq::new(1_795_132_800_004_702).unwrap();
    ServerFrame::Event(Box::new(EventFrame::new(conversation, id.shard(), id.seq(), prev, hi())))
}

const HI: &str = r#"{"type":"event","conversation":"0EV427B59HK1ENV7E9Z0C1HT0H","seq":1795132800004711,"prev":1795132800004702,"id":"03HK0N7PDWWK7","at":"2026-11-22T08:08:00.123Z","by":"01M814RE33CM9JD7GD6ZSAEKF4","event":"message.created","data":{"client_id":"01M814RENV16CKDXKNSJ0YEKQN","kind":"text","text":"hi","mentions":[]}}"#;

#[test]
fn an_event_frame_is_these_bytes_and_parses_back_in_both_codecs() {
    assert_eq!(String::from_utf8(Codec::Json.encode(&frame())).unwrap(), HI);
    for codec in Codec::ALL {
        let bytes = codec.encode(&frame());
        assert_eq!(codec.decode::<ServerFrame>(&bytes).unwrap(), frame());
    }
    // MessagePack carries the same document.
    let through_json: serde_json::Value = serde_json::from_str(HI).unwrap();
    assert_eq!(Codec::MsgPack.decode::<serde_json::Value>(&Codec::MsgPack.encode(&frame())).unwrap(), through_json);
}

#[test]
fn a_log_record_is_these_bytes() {
    let hex: String = hi().encode().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, include_str!("golden/message_created.hex").trim());
    assert_eq!(Event::decode(&hi().encode()).unwrap(), hi());
}

#[test]
fn events_of_a_later_version_are_carried_and_broken_ones_are_refused() {
    let record = |event: &str, data: serde_json::Value| {
        let at = "2026-11-22T08:08:00.123Z";
        let by = "01M814RE33CM9JD7GD6ZSAEKF4";
        rmp_serde::to_vec_named(
            &serde_json::json!({"v":1,"at":at,"by":by,"body":{"event":event,"data":data},"later":1}),
        )
        .unwrap()
    };
    let later = Event::decode(&record("poll.opened", serde_json::json!({"x": 1}))).unwrap();
    assert!(matches!(&later.body, Body::Other { event, .. } if event == "poll.opened"));
    assert_eq!(Event::decode(&later.encode()).unwrap(), later);
    assert!(Event::decode(&record("message.created", serde_json::json!({"text": 1}))).is_err());
    assert!(Event::decode(b"\xc1").is_err());
    assert!(Event::decode(&[]).is_err());
}

#[test]
fn small_frames_are_these_bytes() {
    let ack = ServerFrame::Ack(Ack {
        client_id: "01M814RENV16CKDXKNSJ0YEKQN".parse().unwrap(),
        id: "03HK0N7PDWWK7".parse().unwrap(),
        seq: Seq::new(1_795_132_800_004_711).unwrap(),
        duplicate: false,
    });
    let json = |frame: &ServerFrame| String::from_utf8(Codec::Json.encode(frame)).unwrap();
    assert_eq!(
        json(&ack),
        r#"{"type":"ack","client_id":"01M814RENV16CKDXKNSJ0YEKQN","id":"03HK0N7PDWWK7","seq":1795132800004711,"duplicate":false}"#
    );
    let mut failure = Failure::new(ErrorCode::LogUnavailable, "try again");
    failure.client_id = Some("01M814RENV16CKDXKNSJ0YEKQN".parse().unwrap());
    failure.retry_after_ms = Some(1_500);
    assert_eq!(
        json(&ServerFrame::Error(Box::new(failure))),
        r#"{"type":"error","client_id":"01M814RENV16CKDXKNSJ0YEKQN","code":"log_unavailable","detail":"try again","retry_after_ms":1500}"#
    );
    let heads = [("0EV427B59HK1ENV7E9Z0C1HT0H".parse().unwrap(), Seq::new(7).unwrap())].into();
    assert_eq!(
        json(&ServerFrame::Recovered(Recovered { reference: None, heads })),
        r#"{"type":"recovered","heads":{"0EV427B59HK1ENV7E9Z0C1HT0H":7}}"#
    );
}

#[test]
fn what_clients_send_parses_as_documented() {
    let parse = |json: &str| Codec::Json.decode_client(json.as_bytes());
    let hello = r#"{"type":"hello","token":"eyJhbGciOi","device":"pixel-9","client":"chat-js/1.2.0","follow":"auto","cursors":{},"want":["typing","markers","presence"]}"#;
    let Ok(ClientFrame::Hello(hello)) = parse(hello) else { panic!("no hello") };
    assert_eq!(hello.token.expose(), "eyJhbGciOi");
    assert!(!format!("{hello:?}").contains("eyJ"));
    let send = parse(
        r#"{"type":"send","client_id":"01M814RENV16CKDXKNSJ0YEKQN","conversation":"0EV427B59HK1ENV7E9Z0C1HT0H","text":"hi","later":true}"#,
    );
    assert!(matches!(send, Ok(ClientFrame::Send(send)) if send.content.text.as_deref() == Some("hi")));
    let follow =
        parse(r#"{"type":"follow","ref":12,"conversation":"0EV427B59HK1ENV7E9Z0C1HT0H","after":1795132800004711}"#);
    assert!(
        matches!(follow, Ok(ClientFrame::Follow(follow)) if follow.after.map(Seq::get) == Some(1_795_132_800_004_711))
    );
}

#[test]
fn refused_frames_say_why_and_whom_they_answer() {
    let refuse = |json: &str| *Codec::Json.decode_client(json.as_bytes()).unwrap_err();
    assert_eq!(refuse("{").code, ErrorCode::Malformed);
    assert_eq!(refuse("[]").code, ErrorCode::Malformed);
    assert_eq!(refuse(r#"["ping",8]"#).code, ErrorCode::Malformed);
    let listed = Codec::MsgPack.encode(&("ping", 8));
    assert_eq!(Codec::MsgPack.decode_client(&listed).unwrap_err().code, ErrorCode::Malformed);
    assert_eq!(refuse(r#"{"type":7}"#).code, ErrorCode::Malformed);
    assert_eq!(refuse("{\"type\":\"ping\"} {}").code, ErrorCode::Malformed);
    let deep = format!(r#"{{"type":"ping","x":{}{}}}"#, "[".repeat(32), "]".repeat(32));
    assert_eq!(refuse(&deep).code, ErrorCode::Malformed);
    let allowed = format!(r#"{{"type":"ping","x":{}{}}}"#, "[".repeat(31), "]".repeat(31));
    assert!(Codec::Json.decode_client(allowed.as_bytes()).is_ok());
    let unknown = refuse(r#"{"type":"dance","ref":3}"#);
    assert_eq!((unknown.code, unknown.reference), (ErrorCode::UnknownType, Seq::new(3)));
    let invalid = refuse(r#"{"type":"send","client_id":"01M814RENV16CKDXKNSJ0YEKQN","conversation":"x"}"#);
    assert_eq!(invalid.code, ErrorCode::Invalid);
    assert_eq!(invalid.client_id, "01M814RENV16CKDXKNSJ0YEKQN".parse().ok());
}

#[test]
fn messagepack_depth_is_bounded_too() {
    let nested = |levels: usize| {
        let mut bytes = b"\x82\xa4type\xa4ping\xa1x".to_vec();
        bytes.extend(std::iter::repeat_n(0x91, levels - 1));
        bytes.push(0x90);
        bytes
    };
    assert!(Codec::MsgPack.decode_client(&nested(31)).is_ok());
    assert_eq!(Codec::MsgPack.decode_client(&nested(40)).unwrap_err().code, ErrorCode::Malformed);
    assert_eq!(Codec::MsgPack.decode_client(&nested(100_000)).unwrap_err().code, ErrorCode::Malformed);
}

#[test]
fn identifiers_are_these_bits() {
    let (a, b) = (UserId::from_u128(1), UserId::from_u128(2));
    assert_eq!(ConversationId::direct(a, b), ConversationId::direct(b, a));
    assert_eq!(ConversationId::direct(a, b).to_string(), "3RTT3J3QNV88YFH01351MTCFH5");
    assert_eq!(ConversationId::created(a, ClientId::from_u128(9)).to_string(), "0325H9XQHR3WZ4S43ARXX3YRC8");
    assert_eq!(ConversationId::feed(a).to_string(), a.to_string());
    let id = MessageId::new(Shard::new(3).unwrap(), Seq::new(1_795_132_800_004_711).unwrap());
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(Timestamp::from_ms(0).to_string(), "1970-01-01T00:00:00.000Z");
    let member = serde_json::to_string(&MemberChanged { user: a, role: Role::Owner }).unwrap();
    assert_eq!(member, r#"{"user":"00000000000000000000000001","role":"owner"}"#);
}

#[test]
fn what_a_client_may_send_can_be_read_back_in_an_event() {
    // One level is the frame's own.
    let payload = format!("{}{}", "[".repeat(31), "]".repeat(31));
    let send = format!(
        r#"{{"type":"send","client_id":"01M814RENV16CKDXKNSJ0YEKQN","conversation":"0EV427B59HK1ENV7E9Z0C1HT0H","payload":{payload}}}"#
    );
    let Ok(ClientFrame::Send(send)) = Codec::Json.decode_client(send.as_bytes()) else { panic!("not taken") };
    let mut frame = frame();
    if let ServerFrame::Event(event) = &mut frame
        && let Body::MessageCreated(created) = &mut event.body
    {
        created.content = send.content;
    }
    for codec in Codec::ALL {
        assert_eq!(codec.decode::<ServerFrame>(&codec.encode(&frame)).unwrap(), frame);
    }
}
