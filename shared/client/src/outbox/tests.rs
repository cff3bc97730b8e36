use chat_protocol::model::Content;

use super::*;

const ROOM: u128 = 7;

fn send(room: u128, number: u128) -> Send {
    let conversation = ConversationId::from_u128(room);
    Send { client_id: ClientId::from_u128(number), conversation, content: Content::default() }
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn outbox(sends: &[(u128, u128)]) -> Outbox<u128> {
    let mut outbox = Outbox::new(at(60));
    sends.iter().for_each(|(room, number)| outbox.push(send(*room, *number), *number, at(0)));
    outbox
}

fn numbers(sends: &[Send]) -> Vec<u128> {
    sends.iter().map(|send| send.client_id.as_u128()).collect()
}

#[test]
fn each_goes_out_once_and_leaves_with_its_ack() {
    let mut outbox = outbox(&[(ROOM, 1), (ROOM, 2)]);
    assert_eq!(numbers(&outbox.take_due(at(0))), [1, 2]);
    assert_eq!(numbers(&outbox.take_due(at(1))), [0; 0]);
    assert_eq!(outbox.on_ack(ClientId::from_u128(1)).map(|(_, waiter)| waiter), Some(1));
    assert_eq!(outbox.on_ack(ClientId::from_u128(1)), None);
    assert_eq!(outbox.len(), 1);
}

#[test]
fn what_has_no_answer_goes_out_again_with_the_same_id() {
    let mut outbox = outbox(&[(ROOM, 1)]);
    outbox.take_due(at(0));
    assert_eq!(outbox.next_due(), Some(ACK_TIMEOUT));
    assert_eq!(numbers(&outbox.take_due(ACK_TIMEOUT)), [1]);
    assert_eq!(numbers(&outbox.on_disconnected(at(11))), [1]);
    assert_eq!(numbers(&outbox.take_due(at(11))), [1]);
}

#[test]
fn nothing_overtakes_a_send_that_waits_to_be_tried_again() {
    let mut outbox = outbox(&[(ROOM, 1), (ROOM, 2), (8, 3)]);
    outbox.take_due(at(0));
    let away = |outbox: &mut Outbox<u128>, number, after| {
        outbox.on_failed(ClientId::from_u128(number), ErrorCode::LogUnavailable, Some(at(after)), at(0))
    };
    assert_eq!(away(&mut outbox, 1, 5), Some(Failed::Again(send(ROOM, 1))));
    away(&mut outbox, 2, 1);
    away(&mut outbox, 3, 1);
    outbox.push(send(ROOM, 4), 4, at(1));
    assert_eq!(outbox.next_due(), Some(at(1)), "the other conversation's");
    assert_eq!(numbers(&outbox.take_due(at(1))), [3]);
    assert_eq!(numbers(&outbox.take_due(at(5))), [1, 2, 4]);
}

#[test]
fn what_is_refused_for_good_leaves_alone() {
    let mut outbox = outbox(&[(ROOM, 1), (ROOM, 2)]);
    outbox.take_due(at(0));
    let refused = outbox.on_failed(ClientId::from_u128(1), ErrorCode::Forbidden, None, at(0));
    assert_eq!(refused, Some(Failed::Refused(send(ROOM, 1), 1)));
    assert_eq!(outbox.len(), 1);
}

#[test]
fn who_would_wait_for_slow_mode_longer_than_they_do_hears_it_at_once() {
    let mut outbox = outbox(&[(ROOM, 1), (ROOM, 2)]);
    outbox.take_due(at(0));
    let mut slow =
        |number, after| outbox.on_failed(ClientId::from_u128(number), ErrorCode::SlowMode, Some(at(after)), at(1));
    assert_eq!(slow(1, 58), Some(Failed::Again(send(ROOM, 1))));
    assert_eq!(slow(2, 59), Some(Failed::Refused(send(ROOM, 2), 2)));
}

#[test]
fn a_send_is_given_up_after_its_time_with_what_it_last_heard() {
    let mut outbox = outbox(&[(ROOM, 1)]);
    outbox.take_due(at(0));
    outbox.on_failed(ClientId::from_u128(1), ErrorCode::OutcomeUnknown, None, at(1));
    assert!(outbox.give_up(at(59)).is_empty());
    assert_eq!(outbox.give_up(at(60)), [(send(ROOM, 1), 1, Some(ErrorCode::OutcomeUnknown))]);
}

#[test]
fn a_socket_is_not_flooded() {
    let sends: Vec<_> = (0..IN_FLIGHT as u128 + 10).map(|number| (ROOM, number)).collect();
    let mut outbox = outbox(&sends);
    assert_eq!(outbox.take_due(at(0)).len(), IN_FLIGHT);
    assert_eq!(outbox.next_due(), Some(ACK_TIMEOUT), "an acknowledgement makes room earlier");
    outbox.on_ack(ClientId::from_u128(0));
    assert_eq!(outbox.take_due(at(0)).len(), 1);
}
