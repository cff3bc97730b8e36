use chat_protocol::{
    Shard, Timestamp, UserId,
    event::{Body, Empty, Event},
};

use super::*;

const ROOM: ConversationId = ConversationId::from_u128(7);

fn seq(number: u64) -> Seq {
    Seq::new(number).expect("a small number")
}

fn event(at: u64, prev: u64) -> Box<EventFrame> {
    let event = Event { at: Timestamp::EPOCH, by: UserId::from_u128(1), body: Body::ConversationDeleted(Empty {}) };
    Box::new(EventFrame::new(ROOM, Shard::new(0).expect("a shard"), seq(at), seq(prev), event))
}

fn at(last: u64) -> Positions {
    Positions::new([(ROOM, seq(last))].into(), true)
}

fn recovered(reference: Option<Ref>, head: u64) -> Recovered {
    Recovered { reference, heads: [(ROOM, seq(head))].into() }
}

fn resync(from: u64, head: u64, reason: ResyncReason) -> Resync {
    Resync { reference: None, conversation: ROOM, from: seq(from), head: seq(head), reason }
}

#[test]
fn what_chains_is_told_once() {
    let mut positions = at(3);
    assert_eq!(positions.on_event(event(5, 3)), [Step::Tell(event(5, 3))]);
    assert_eq!(positions.on_event(event(5, 3)), []);
    assert_eq!(positions.on_event(event(3, 0)), []);
    assert_eq!(positions.on_event(event(9, 0)), [Step::Tell(event(9, 0))], "nothing one lacks lies before it");
    assert_eq!(positions.cursors(), [(ROOM, seq(9))].into());
}

#[test]
fn a_gap_is_asked_for_once_and_what_is_live_waits_for_it() {
    let mut positions = at(3);
    let asked = Step::Follow { reference: seq(1), conversation: ROOM, after: seq(3) };
    assert_eq!(positions.on_event(event(7, 5)), [asked]);
    assert_eq!(positions.on_event(event(8, 7)), []);
    assert_eq!(positions.on_event(event(5, 3)), [Step::Tell(event(5, 3))]);
    assert_eq!(positions.on_event(event(7, 5)), [Step::Tell(event(7, 5))]);
    assert_eq!(positions.on_event(event(8, 7)), [Step::Tell(event(8, 7))]);
    assert_eq!(positions.on_recovered(&recovered(Some(seq(1)), 8)), []);
    assert!(matches!(positions.on_event(event(11, 10))[..], [Step::Follow { .. }]), "the next gap is a new one");
}

#[test]
fn an_older_answer_does_not_close_a_gap() {
    let mut positions = at(3);
    positions.on_event(event(7, 5));
    assert_eq!(positions.on_recovered(&recovered(None, 7)), []);
    assert_eq!(positions.cursors(), [(ROOM, seq(3))].into());
    assert_eq!(positions.asked_by(seq(1)), Some(ROOM));
}

#[test]
fn a_resync_is_read_page_by_page_and_joined_to_what_is_live() {
    let mut positions = at(3);
    let read = |after| Step::Read { conversation: ROOM, after: seq(after) };
    assert_eq!(positions.on_resync(&resync(3, 9, ResyncReason::TooMany)), [read(3)]);
    assert_eq!(positions.on_event(event(12, 9)), [], "what is live waits");
    let page = vec![*event(5, 3), *event(6, 5)];
    assert_eq!(positions.on_read(ROOM, page, true), [Step::Tell(event(5, 3)), Step::Tell(event(6, 5)), read(6)]);
    let joined = Step::Follow { reference: seq(1), conversation: ROOM, after: seq(9) };
    assert_eq!(positions.on_read(ROOM, vec![*event(9, 6)], true), [Step::Tell(event(9, 6)), joined]);
    assert_eq!(positions.on_event(event(12, 9)), [Step::Tell(event(12, 9))]);
}

#[test]
fn a_log_that_went_back_is_said_and_followed_from_its_head() {
    let mut positions = at(30);
    let skipped = Step::Skipped { conversation: ROOM, from: seq(30), head: seq(9) };
    assert_eq!(positions.on_resync(&resync(30, 9, ResyncReason::Ahead)), [skipped]);
    assert_eq!(positions.on_event(event(12, 9)), [Step::Tell(event(12, 9))]);
}

#[test]
fn a_lost_socket_ends_its_questions() {
    let mut positions = at(3);
    positions.on_event(event(7, 5));
    positions.on_disconnected();
    assert_eq!(positions.asked_by(seq(1)), None);
    assert!(matches!(positions.on_event(event(7, 5))[..], [Step::Follow { .. }]));
}

#[test]
fn new_conversations_are_followed_from_before_their_first_event() {
    let mut positions = Positions::new(Cursors::new(), true);
    assert_eq!(positions.on_event(event(5, 4)), [Step::Following(ROOM, seq(4)), Step::Tell(event(5, 4))]);

    let mut positions = Positions::new(Cursors::new(), true);
    assert_eq!(positions.on_recovered(&recovered(None, 9)), [Step::Following(ROOM, seq(9))]);
    assert!(positions.on_left(ROOM));
    assert_eq!(positions.cursors(), Cursors::new());
}

#[test]
fn only_so_many_cursors_are_said_and_the_newest_are() {
    let many = (0..600).map(|number| (ConversationId::from_u128(number.into()), seq(number))).collect();
    let cursors = Positions::new(many, true).cursors();
    assert_eq!(cursors.len(), limits::CURSORS);
    assert_eq!(cursors.values().min(), Some(&seq(100)));
}
