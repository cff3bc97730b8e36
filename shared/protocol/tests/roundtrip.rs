//! Parse ∘ print is the identity, order survives printing, and no mutation of bytes makes a parser panic.

use chat_protocol::{
    codec::{Codec, json_deeper_than},
    event::{Body, Event, MessageCreated},
    frame::{ClientFrame, ServerFrame},
    id::{ClientId, ConversationId, MessageId, Seq, Shard, UserId},
    model::{Content, MessageKind},
    time::Timestamp,
};
use proptest::prelude::*;

prop_compose! {
    fn message_id()(shard in 0..Shard::COUNT_MAX, seq in 0..=Seq::MAX.get()) -> MessageId {
        MessageId::new(Shard::new(shard).unwrap(), Seq::new(seq).unwrap())
    }
}

prop_compose! {
    fn event()(at in 0..4_000_000_000_000_i64, by: u128, client_id: u128, text in "\\PC{0,40}", mentions in prop::collection::vec("[a-z]{1,5}", 0..3)) -> Event {
        let by = UserId::from_u128(by);
        let content = Content { text: Some(text), ..Content::default() };
        let created = MessageCreated { client_id: ClientId::from_u128(client_id), kind: MessageKind::Text, content, mentions, deleted: false };
        Event { at: Timestamp::from_ms(at), by, body: Body::MessageCreated(Box::new(created)) }
    }
}

proptest! {
    #[test]
    fn ids_print_and_parse(bits: u128, message in message_id()) {
        let id = ConversationId::from_u128(bits);
        prop_assert_eq!(id.to_string().len(), 26);
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        prop_assert_eq!(message.to_string().len(), 13);
        prop_assert_eq!(message.to_string().parse(), Ok(message));
        prop_assert_eq!(MessageId::from_u64(message.as_u64()), Some(message));
    }

    #[test]
    fn printing_keeps_the_order(a: u128, b: u128, m in message_id(), n in message_id()) {
        let (x, y) = (UserId::from_u128(a), UserId::from_u128(b));
        prop_assert_eq!(x.cmp(&y), x.to_string().cmp(&y.to_string()));
        prop_assert_eq!(m.cmp(&n), m.to_string().cmp(&n.to_string()));
    }

    #[test]
    fn only_the_canonical_form_parses(text in "[0-9A-Za-z]{24,28}") {
        if let Ok(id) = text.parse::<UserId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn times_print_and_parse(ms in 0..=Timestamp::MAX.as_ms()) {
        let at = Timestamp::from_ms(ms);
        prop_assert_eq!(at.to_string().parse(), Ok(at));
    }

    #[test]
    fn events_survive_the_log(event in event()) {
        prop_assert_eq!(Event::decode(&event.encode()).unwrap(), event);
    }

    #[test]
    fn mutated_records_never_panic(event in event(), place: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let mut bytes = event.encode().to_vec();
        let at = place.index(bytes.len());
        bytes[at] = byte;
        let _ = Event::decode(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        let _ = Event::decode(&bytes);
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for codec in Codec::ALL {
            let _ = codec.decode_client(&bytes);
            let _ = codec.decode::<ServerFrame>(&bytes);
        }
    }

    #[test]
    fn mutated_frames_get_an_answer(place: prop::sample::Index, byte: u8) {
        let send = br#"{"type":"send","client_id":"01M814RENV16CKDXKNSJ0YEKQN","conversation":"0EV427B59HK1ENV7E9Z0C1HT0H","text":"hi"}"#;
        let mut bytes = send.to_vec();
        let at = place.index(bytes.len());
        bytes[at] = byte;
        if let Ok(frame) = Codec::Json.decode_client(&bytes) {
            for codec in Codec::ALL {
                prop_assert_eq!(codec.decode::<ClientFrame>(&codec.encode(&frame)).unwrap(), frame.clone());
            }
        }
    }

    #[test]
    fn depth_is_counted_outside_strings(depth in 0_usize..60, text in "\\PC{0,20}") {
        let inner = serde_json::to_string(&text).unwrap();
        let json = format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth));
        prop_assert_eq!(json_deeper_than(json.as_bytes(), 32), depth > 32);
    }
}
