//! A `send` of text alone, which most of what clients say is.
//!
//! [`ClientFrame`](crate::frame::ClientFrame) is tagged inside and its content is flattened: serde buffers all fields,
//! twice. Here they go where they belong at once. Whatever is not exactly this is `None`, and goes the general way.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use super::Codec;
use crate::{
    frame::Send,
    id::{ClientId, ConversationId},
    model::Content,
};

/// Without nesting, so no depth has to be counted; with a field more than these it is another frame.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainSend {
    #[serde(rename = "type")]
    _type: Type,
    client_id: ClientId,
    conversation: ConversationId,
    text: String,
}

/// The word `send`, and nothing that serde would also take for a unit variant.
struct Type;

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;
        impl de::Visitor<'_> for Word {
            type Value = Type;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("send")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Type, E> {
                if word == "send" { Ok(Type) } else { Err(E::invalid_value(de::Unexpected::Other("type"), &self)) }
            }
        }
        deserializer.deserialize_str(Word)
    }
}

pub(super) fn plain_send(codec: Codec, bytes: &[u8]) -> Option<Send> {
    let PlainSend { _type, client_id, conversation, text } = match codec {
        Codec::Json => serde_json::from_slice(bytes).ok()?,
        Codec::MsgPack => codec.decode_within(bytes, 1).ok()?,
    };
    Some(Send { client_id, conversation, content: Content { text: Some(text), ..Content::default() } })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::ClientFrame;

    proptest! {
        #[test]
        fn a_plain_send_is_read_as_the_frame_it_is(client_id: u128, conversation: u128, text in "\\PC{0,300}") {
            let content = Content { text: Some(text), ..Content::default() };
            let (client_id, conversation) = (ClientId::from_u128(client_id), ConversationId::from_u128(conversation));
            let frame = ClientFrame::Send(Box::new(Send { client_id, conversation, content }));
            for codec in Codec::ALL {
                let bytes = codec.encode(&frame);
                prop_assert_eq!(plain_send(codec, &bytes).map(|send| ClientFrame::Send(Box::new(send))), Some(frame.clone()));
            }
        }

        #[test]
        fn what_is_taken_is_what_the_frame_takes(text in "\\PC{0,9}", place: prop::sample::Index, byte: u8) {
            let content = Content { text: Some(text), ..Content::default() };
            let (client_id, conversation) = (ClientId::from_u128(1), ConversationId::from_u128(2));
            for codec in Codec::ALL {
                let frame = ClientFrame::Send(Box::new(Send { client_id, conversation, content: content.clone() }));
                let mut bytes = codec.encode(&frame);
                let place = place.index(bytes.len());
                bytes[place] = byte;
                if codec.begins_object(&bytes) && let Some(send) = plain_send(codec, &bytes) {
                    let general = codec.decode_within::<ClientFrame>(&bytes, crate::limits::DEPTH);
                    prop_assert_eq!(general.ok(), Some(ClientFrame::Send(Box::new(send))));
                }
            }
        }
    }

    #[test]
    fn anything_more_or_other_is_left_to_the_frame() {
        let ids = r#""client_id":"01M814RENV16CKDXKNSJ0YEKQN","conversation":"0EV427B59HK1ENV7E9Z0C1HT0H""#;
        for other in [
            format!(r#"{{"type":"send",{ids}}}"#),
            format!(r#"{{"type":"send",{ids},"text":null}}"#),
            format!(r#"{{"type":"send",{ids},"text":"hi","later":1}}"#),
            format!(r#"{{"type":{{"send":null}},{ids},"text":"hi"}}"#),
            format!(r#"{{"type":"edit",{ids},"text":"hi"}}"#),
            format!(r#"{{"type":"send",{ids},"text":"hi"}} {{}}"#),
        ] {
            assert!(plain_send(Codec::Json, other.as_bytes()).is_none(), "{other}");
        }
    }
}
