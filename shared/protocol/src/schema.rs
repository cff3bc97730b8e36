//! OpenAPI schemas of the types whose JSON is written by hand; the others derive theirs.

use std::borrow::Cow;

use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, KnownFormat, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat, Type,
        schema::{AnyOfBuilder, SchemaType},
    },
};

use crate::{
    error::ErrorCode,
    event::{
        BanLifted, BlockChanged, Body, ConversationAdded, ConversationCreated, ConversationRemoved,
        ConversationUpdated, Empty, MemberChanged, MemberLeft, MessageCreated, MessageDeleted, MessageUpdated,
        PinChanged, ReactionChanged, SettingsUpdated,
    },
    frame::SecretText,
    id::{ClientId, ConversationId, JobId, MessageId, Seq, SessionId, UserId},
    rights::{Right, Rights},
    time::Timestamp,
};

/// Upper-case Crockford base32; what does not fill the first digit is zero.
const ID128: &str = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$";
const ID64: &str = "^[0-9A-F][0-9A-HJKMNP-TV-Z]{12}$";

fn id(description: &str, pattern: &str, len: usize, example: &str) -> ObjectBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    text.pattern(Some(pattern)).min_length(Some(len)).max_length(Some(len)).examples([json!(example)])
}

macro_rules! schemas {
    ($($name:ident = $schema:expr;)+) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

schemas! {
    UserId = id("A user.", ID128, 26, "01M814RE33CM9JD7GD6ZSAEKF4");
    SessionId = id("A log-in of one device; refreshing keeps it.", ID128, 26, "01M814RDVG27H6P3AMKDQG6STT");
    ConversationId = id("A conversation; a user's feed has the user's id.", ID128, 26, "0EV427B59HK1ENV7E9Z0C1HT0H");
    ClientId = id(
        "A ULID, minted when the user pressed send, by a clock corrected with the server's: a request that is repeated \
         with the same one is carried out once.",
        ID128, 26, "01M814RENV16CKDXKNSJ0YEKQN"
    );
    JobId = id("Long work.", ID128, 26, "01M814RE0EDJPRT4BESRBKHXYS");
    MessageId = id("A message or another event, unique in the cluster.", ID64, 13, "03HK0N7PDWWK7");
    Seq = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .description(Some("A position in the log, by which a conversation is ordered; 0 = before everything."))
        .minimum(Some(0))
        .maximum(Some(i64::try_from(Seq::MAX.get()).unwrap_or(i64::MAX)))
        .examples([json!(1_795_132_800_004_711_i64)]);
    Timestamp = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .description(Some("RFC 3339, between 1970 and 9999; answers are in UTC with milliseconds."))
        .examples([json!("2026-11-22T08:08:00.123Z")]);
    SecretText = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
        .description(Some("A secret: never log it, never put it into an address."));
    ErrorCode = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("The stable word for what went wrong."))
        .enum_values(Some(Self::ALL.iter().map(|code| code.code())));
    Rights = ArrayBuilder::new()
        .description(Some("A set of rights, by name."))
        .unique_items(true)
        .items(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .enum_values(Some(Right::ALL.iter().map(|right| right.name()))),
        );
}

macro_rules! events {
    ($($event:literal $data:ident)+) => {
        /// Every event with a payload of its own type.
        #[cfg(test)]
        const EVENTS: &[&str] = &[$($event),+];

        impl PartialSchema for Body {
            fn schema() -> RefOr<Schema> {
                let one = AnyOfBuilder::new()
                    $(.item(named($event, Ref::from_schema_name($data::name()))))+
                    .item(named("user.updated", any("The fields that are others now; `null` where one was removed.")));
                one.item(later()).description(Some("What happened, by the name of the event.")).into()
            }
        }

        impl ToSchema for Body {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed("EventBody")
            }

            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                $(
                    schemas.push(($data::name().into_owned(), $data::schema()));
                    $data::schemas(schemas);
                )+
            }
        }
    };
}

events! {
    "message.created" MessageCreated
    "message.updated" MessageUpdated
    "message.deleted" MessageDeleted
    "reaction.changed" ReactionChanged
    "pin.added" PinChanged
    "pin.removed" PinChanged
    "member.joined" MemberChanged
    "member.updated" MemberChanged
    "member.left" MemberLeft
    "ban.lifted" BanLifted
    "conversation.created" ConversationCreated
    "conversation.updated" ConversationUpdated
    "conversation.deleted" Empty
    "conversation.added" ConversationAdded
    "conversation.removed" ConversationRemoved
    "settings.updated" SettingsUpdated
    "block.added" BlockChanged
    "block.removed" BlockChanged
}

fn named(event: &str, data: impl Into<RefOr<Schema>>) -> ObjectBuilder {
    let name = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([event]));
    ObjectBuilder::new().property("event", name).property("data", data).required("event").required("data")
}

fn later() -> ObjectBuilder {
    let name = ObjectBuilder::new().schema_type(Type::String);
    let data = any("Of an event that this document does not know, or of a message that is deleted: `deleted`, `kind`.");
    let other = ObjectBuilder::new().property("event", name).property("data", data);
    other.required("event").required("data").description(Some("Another event: ignored, and the cursor moves on."))
}

fn any(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some(description))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_described() {
        let mut described = EVENTS.to_vec();
        described.push("user.updated");
        assert_eq!(described, Body::KNOWN);
    }
}
