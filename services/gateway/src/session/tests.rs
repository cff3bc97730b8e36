use chat_protocol::{
    MessageId, Seq, SessionId, Shard, UserId,
    codec::Codec,
    frame::{Resync, ResyncReason},
    model::Content,
};

use super::*;

const LIMITS: Limits = Limits { frames_per_s: 10, frames_burst: 100, follows: 2, mode: Mode::Enforce };

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

fn frame(json: &str) -> Result<ClientFrame, Box<Failure>> {
    Codec::Json.decode_client(json.as_bytes())
}

fn conversation(n: u128) -> ConversationId {
    ConversationId::from_u128(n)
}

fn send(to: u128, id: u128) -> Result<ClientFrame, Box<Failure>> {
    let content = Content { text: Some("hi".into()), ..Content::default() };
    Ok(ClientFrame::Send(Box::new(Send {
        client_id: ClientId::from_u128(id),
        conversation: conversation(to),
        content,
    })))
}

fn sent(seq: u64) -> Result<Sent, Fault> {
    let id = MessageId::new(Shard::new(0).unwrap(), Seq::new(seq).unwrap());
    Ok(Sent { id, at: at(0), duplicate: false, mentions: Vec::new() })
}

fn live() -> Session {
    let mut session = Session::new(LIMITS, at(0));
    assert!(matches!(
        session.on_frame(frame(r#"{"type":"hello","token":"t","device":"d"}"#), at(0))[..],
        [Step::Hello(_)]
    ));
    let identity = Identity {
        user: UserId::from_u128(1),
        session: SessionId::from_u128(2),
        device: 0,
        token_issued_at: at(0),
        token_expires_at: at(900_000),
    };
    session.on_accepted(&identity, true);
    session.on_replayed([conversation(1)], at(0));
    session
}

fn close_code(steps: &[Step]) -> Option<ErrorCode> {
    steps.iter().find_map(|step| match step {
        Step::Close(code, _) => Some(*code),
        _ => None,
    })
}

fn error_code(steps: &[Step]) -> Option<ErrorCode> {
    steps.iter().find_map(|step| match step {
        Step::Reply(ServerFrame::Error(failure)) => Some(failure.code),
        _ => None,
    })
}

#[test]
fn only_hello_or_resume_comes_first() {
    let first = |json: &str| close_code(&Session::new(LIMITS, at(0)).on_frame(frame(json), at(0)));
    assert_eq!(first(r#"{"type":"hello","token":"t","device":"d"}"#), None);
    assert_eq!(first(r#"{"type":"resume","resume_token":"t"}"#), None);
    assert_eq!(first(r#"{"type":"ping"}"#), Some(ErrorCode::BadState));
    assert_eq!(first(r#"{"type":"dance"}"#), Some(ErrorCode::BadState));
    assert_eq!(first("{"), Some(ErrorCode::Malformed));
    assert_eq!(first(r#"{"type":"hello","device":"d"}"#), Some(ErrorCode::Malformed));
    let long = format!(r#"{{"type":"hello","token":"t","device":"{}"}}"#, "d".repeat(65));
    assert_eq!(first(&long), Some(ErrorCode::Malformed));
}

#[test]
fn frames_wait_for_ready_and_hello_comes_once() {
    let mut session = Session::new(LIMITS, at(0));
    session.on_frame(frame(r#"{"type":"hello","token":"t","device":"d"}"#), at(0));
    assert_eq!(close_code(&session.on_frame(frame(r#"{"type":"ping"}"#), at(0))), Some(ErrorCode::BadState));
    let again = live().on_frame(frame(r#"{"type":"hello","token":"t","device":"d"}"#), at(0));
    assert_eq!(close_code(&again), Some(ErrorCode::BadState));
}

#[test]
fn a_silent_socket_is_closed_after_five_seconds_and_a_refused_resume_gets_five_more() {
    let mut session = Session::new(LIMITS, at(0));
    assert_eq!(close_code(&session.on_tick(at(4_999))), None);
    assert_eq!(close_code(&session.on_tick(at(5_000))), Some(ErrorCode::FirstFrameTimeout));
    let mut session = Session::new(LIMITS, at(0));
    session.on_frame(frame(r#"{"type":"resume","resume_token":"t"}"#), at(4_000));
    session.on_try_again(at(4_000));
    assert_eq!(session.due_at(), at(9_000));
    assert_eq!(close_code(&session.on_tick(at(9_000))), Some(ErrorCode::FirstFrameTimeout));
}

#[test]
fn one_append_at_a_time_per_conversation_in_order() {
    let mut session = live();
    assert!(matches!(&session.on_frame(send(1, 1), at(0))[..], [Step::Append(_)]));
    assert!(session.on_frame(send(1, 2), at(0)).is_empty());
    assert!(matches!(&session.on_frame(send(9, 3), at(0))[..], [Step::Append(_)]));
    let steps = session.on_sent(conversation(1), ClientId::from_u128(1), sent(5), at(0));
    assert!(matches!(&steps[..], [Step::Reply(ServerFrame::Ack(ack)), Step::Append(next)]
        if ack.client_id == ClientId::from_u128(1) && next.client_id == ClientId::from_u128(2)));
}

#[test]
fn a_failed_append_fails_what_waits_behind_it_and_a_refused_send_fails_alone() {
    let mut session = live();
    for id in 1..=3 {
        session.on_frame(send(1, id), at(0));
    }
    let steps = session.on_sent(conversation(1), ClientId::from_u128(1), Err(ErrorCode::OutcomeUnknown.into()), at(0));
    let failed: Vec<_> = steps
        .iter()
        .map(|step| match step {
            Step::Reply(ServerFrame::Error(failure)) => (failure.client_id.unwrap().as_u128(), failure.code),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(failed, [1, 2, 3].map(|id| (id, ErrorCode::OutcomeUnknown)));

    for id in 1..=2 {
        session.on_frame(send(1, id), at(0));
    }
    let steps = session.on_sent(conversation(1), ClientId::from_u128(1), Err(ErrorCode::TooLarge.into()), at(0));
    assert!(matches!(&steps[..], [Step::Reply(ServerFrame::Error(_)), Step::Append(_)]));
}

#[test]
fn too_many_frames_are_refused_and_then_the_socket_is_closed() {
    let mut session = live();
    let ping = || frame(r#"{"type":"ping","ref":1}"#);
    for _ in 0..LIMITS.frames_burst {
        assert!(matches!(session.on_frame(ping(), at(0))[..], [Step::Reply(ServerFrame::Pong(_))]));
    }
    for _ in 0..limits::REFUSALS_PER_MIN {
        let steps = session.on_frame(ping(), at(0));
        assert!(matches!(&steps[..], [Step::Reply(ServerFrame::Error(failure)), Step::Exceeded(Mode::Enforce)]
            if failure.retry_after_ms == Some(100) && failure.reference == Seq::new(1)));
    }
    assert_eq!(close_code(&session.on_frame(ping(), at(0))), Some(ErrorCode::RateLimited));
}

#[test]
fn broken_frames_end_a_live_socket_and_wrong_fields_do_not() {
    let mut session = live();
    let steps = session.on_frame(frame(r#"{"type":"follow","ref":4}"#), at(0));
    assert_eq!((error_code(&steps), close_code(&steps)), (Some(ErrorCode::Invalid), None));
    let steps = session.on_frame(frame(r#"{"type":"dance"}"#), at(0));
    assert_eq!((error_code(&steps), close_code(&steps)), (Some(ErrorCode::UnknownType), None));
    let steps = session.on_frame(frame("nonsense"), at(0));
    assert_eq!(close_code(&steps), Some(ErrorCode::Malformed));
}

#[test]
fn follows_are_bounded() {
    let mut session = live();
    session.on_followed(conversation(2), at(0));
    let follow = |n| Ok(ClientFrame::Follow(Follow { reference: None, conversation: conversation(n), after: None }));
    assert!(matches!(session.on_frame(follow(2), at(0))[..], [Step::Follow(_)]));
    assert_eq!(error_code(&session.on_frame(follow(3), at(0))), Some(ErrorCode::LimitReached));
    assert!(session.on_left(conversation(2)));
    assert!(matches!(session.on_frame(follow(3), at(0))[..], [Step::Follow(_)]));
}

#[test]
fn an_ending_token_is_announced_and_then_enforced() {
    let mut session = live();
    session.on_tick(at(0));
    assert!(session.on_tick(at(839_999)).is_empty());
    let told = session.on_tick(at(840_000));
    assert!(matches!(told[..], [Step::Reply(ServerFrame::AuthExpiring(_))]));
    assert!(session.on_tick(at(840_001)).is_empty());
    assert_eq!(close_code(&session.on_tick(at(930_000))), Some(ErrorCode::TokenExpired));

    let mut session = live();
    session.on_tick(at(840_000));
    session.on_renewed(None, at(1_800_000), at(850_000));
    assert_eq!(close_code(&session.on_tick(at(930_000))), None);
}

#[test]
fn resume_tokens_are_renewed_in_time_and_soon_after_a_change() {
    let mut session = live();
    session.on_followed(conversation(2), at(10));
    assert!(session.on_tick(at(900)).is_empty());
    assert_eq!(session.on_tick(at(1_010)), [Step::Renew]);
    assert!(session.on_tick(at(1_020)).is_empty());
}

#[test]
fn frames_of_the_server_are_not_frames_of_a_client() {
    let resync = ServerFrame::Resync(Resync {
        reference: None,
        conversation: conversation(1),
        from: Seq::ZERO,
        head: Seq::ZERO,
        reason: ResyncReason::TooOld,
    });
    let document = Codec::Json.encode(&resync);
    let steps = live().on_frame(Codec::Json.decode_client(&document), at(0));
    assert_eq!(error_code(&steps), Some(ErrorCode::UnknownType));
}

#[test]
fn marks_say_where_and_how_far() {
    let refused = |json: &str| error_code(&live().on_frame(frame(json), at(0)));
    let id = conversation(1);
    assert_eq!(refused(&format!(r#"{{"type":"mark","conversation":"{id}","read":5}}"#)), None);
    assert_eq!(refused(&format!(r#"{{"type":"mark","markers":{{"{id}":{{"delivered":5}}}}}}"#)), None);
    for wrong in [
        r#"{"type":"mark"}"#.to_owned(),
        r#"{"type":"mark","read":5}"#.to_owned(),
        r#"{"type":"mark","markers":{}}"#.to_owned(),
        format!(r#"{{"type":"mark","conversation":"{id}"}}"#),
        format!(r#"{{"type":"mark","conversation":"{id}","read":5,"markers":{{"{id}":{{"read":5}}}}}}"#),
    ] {
        assert_eq!(refused(&wrong), Some(ErrorCode::Invalid), "{wrong}");
    }
    let many = |count: u128| {
        let markers: Vec<String> = (1..=count).map(|n| format!(r#""{}":{{"read":1}}"#, conversation(n))).collect();
        refused(&format!(r#"{{"type":"mark","markers":{{{}}}}}"#, markers.join(",")))
    };
    assert_eq!((many(500), many(501)), (None, Some(ErrorCode::Invalid)));
}

#[test]
fn a_screen_holds_four_conversations() {
    let focus = |count: u128| {
        let ids: Vec<String> = (1..=count).map(|n| format!(r#""{}""#, conversation(n))).collect();
        error_code(
            &live().on_frame(frame(&format!(r#"{{"type":"focus","conversations":[{}]}}"#, ids.join(","))), at(0)),
        )
    };
    assert_eq!([focus(0), focus(4), focus(5)], [None, None, Some(ErrorCode::LimitReached)]);
}

#[test]
fn a_send_beyond_a_limit_fails_alone_and_counts_as_a_refusal() {
    let mut session = live();
    let limited = || Err(ErrorCode::RateLimited.into());
    for id in 1..=u128::from(limits::REFUSALS_PER_MIN) {
        session.on_frame(send(1, id), at(0));
        session.on_frame(send(1, 100), at(0));
        let steps = session.on_sent(conversation(1), ClientId::from_u128(id), limited(), at(0));
        assert!(matches!(&steps[..], [Step::Reply(ServerFrame::Error(_)), Step::Append(_)]), "{steps:?}");
        session.on_sent(conversation(1), ClientId::from_u128(100), sent(5), at(0));
    }
    session.on_frame(send(1, 11), at(0));
    let last = session.on_sent(conversation(1), ClientId::from_u128(11), limited(), at(59));
    assert_eq!(close_code(&last), Some(ErrorCode::RateLimited));
}

#[test]
fn in_a_dry_run_frames_beyond_the_limit_are_only_counted() {
    let mut session = live();
    session.limits.mode = Mode::DryRun;
    let pong = |steps: &[Step]| matches!(steps, [Step::Reply(ServerFrame::Pong(_)), ..]);
    for number in 0..1_000 {
        let steps = session.on_frame(frame(r#"{"type":"ping","ref":1}"#), at(0));
        assert!(pong(&steps) && (steps.len() == 2) == (number >= LIMITS.frames_burst), "{number}");
    }
}
