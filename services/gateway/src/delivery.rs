//! One event on its way to many sockets: decoded once, encoded once per codec.

use std::sync::OnceLock;

use bytes::Bytes;
use chat_bus::Logged;
use chat_protocol::{
    ConversationId, Seq, Shard,
    codec::Codec,
    event::{BanTerms, Body, Event, EventError},
    frame::{EventFrame, ServerFrame},
};

use crate::{history::blank, ws};

/// A stored event as this gateway shares it.
pub struct Delivery {
    /// With its place in the conversation.
    pub frame: EventFrame,
    /// The terms of a ban, which no client gets.
    pub ban: Option<BanTerms>,
    json: OnceLock<Bytes>,
    msgpack: OnceLock<Bytes>,
}

impl Delivery {
    /// Of what the log holds. `prev` is what this gateway delivered before it, which the log's own chain confirmed.
    pub fn new(conversation: ConversationId, shard: Shard, logged: &Logged, prev: Seq) -> Result<Self, EventError> {
        let event = Event::decode(&logged.event)?;
        let ban = ban_terms(&event);
        let frame = EventFrame::new(conversation, shard, logged.seq, prev, event);
        Ok(Self { frame, ban, json: OnceLock::new(), msgpack: OnceLock::new() })
    }

    /// The same without what was written in it.
    pub fn blanked(&self) -> Self {
        let mut frame = self.frame.clone();
        blank::blank(&mut frame);
        Self { frame, ban: self.ban.clone(), json: OnceLock::new(), msgpack: OnceLock::new() }
    }

    /// Its position.
    pub const fn seq(&self) -> Seq {
        self.frame.seq
    }

    /// The finished WebSocket message.
    pub fn message(&self, codec: Codec) -> &Bytes {
        let cache = match codec {
            Codec::Json => &self.json,
            Codec::MsgPack => &self.msgpack,
        };
        cache.get_or_init(|| {
            // Borrowed and tagged by hand: the frame is large, and `ServerFrame` would have to own it.
            ws::message(codec, &codec.encode(&Tagged { kind: "event", frame: &self.frame }))
        })
    }
}

/// The terms of the ban that an event is.
pub fn ban_terms(event: &Event) -> Option<BanTerms> {
    match &event.body {
        Body::MemberLeft(left) => left.ban.clone(),
        _ => None,
    }
}

/// The same document as [`ServerFrame::Event`].
#[derive(serde::Serialize)]
struct Tagged<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    frame: &'a EventFrame,
}

/// Any other frame as a finished WebSocket message.
pub fn message(codec: Codec, frame: &ServerFrame) -> Bytes {
    ws::message(codec, &codec.encode(frame))
}

#[cfg(test)]
mod tests {
    use chat_bus::Prev;
    use chat_protocol::{Timestamp, UserId, event::Empty};

    use super::*;

    #[test]
    fn a_delivery_is_the_same_document_as_the_frame() {
        let event = Event { at: Timestamp::EPOCH, by: UserId::from_u128(1), body: Body::ConversationDeleted(Empty {}) };
        let seq = Seq::new(9).unwrap();
        let logged = Logged { seq, prev: Prev::AskTheLog, at: Timestamp::EPOCH, event: event.encode(), trace: None };
        let delivery = Delivery::new(ConversationId::from_u128(2), Shard::new(0).unwrap(), &logged, Seq::ZERO).unwrap();
        for codec in Codec::ALL {
            let frame = ServerFrame::Event(Box::new(delivery.frame.clone()));
            assert_eq!(delivery.message(codec), &message(codec, &frame));
        }
    }
}
