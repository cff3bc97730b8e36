//! How long, how many: the limits, at the fields that they bound. Lengths in the limits that are bytes bound the
//! characters too, from above.

use std::ops::RangeInclusive;

use chat_protocol::limits;
use serde_json::{Map, Value, json};

/// What bounds a field.
#[derive(Debug, Clone)]
enum Bound {
    /// Characters.
    Length(RangeInclusive<usize>),
    /// Items of a list.
    Items(RangeInclusive<usize>),
    /// A number.
    Number(RangeInclusive<u64>),
    /// An account's name.
    Name,
}

const fn up_to(chars: usize) -> Bound {
    Bound::Length(0..=chars)
}

const fn items(most: usize) -> Bound {
    Bound::Items(0..=most)
}

/// Of these types, by field.
fn table() -> Vec<(&'static [&'static str], &'static str, Bound)> {
    use Bound::{Items, Length, Name, Number};
    let profiles = &["User", "SelfUser", "ChangeUser", "Register"];
    let conversations =
        &["CreateConversation", "ChangeConversation", "Conversation", "ConversationCreated", "ConversationUpdated"];
    let messages = &["SendMessage", "EditMessage", "Message", "SentMessage", "MessageCreated", "MessageUpdated"];
    let sent = &["SendMessage", "Message", "SentMessage", "MessageCreated", "MessageUpdated"];
    let shown = &["Message", "SentMessage"];
    let pages: &[&str] = &[
        "List_User",
        "List_Block",
        "List_EventFrame",
        "List_Member",
        "List_Ban",
        "List_Message",
        "List_Reaction",
        "ConversationList",
    ];
    vec![
        (profiles, "name", Name),
        (profiles, "display_name", up_to(limits::DISPLAY_NAME_CHARS)),
        (&["User", "SelfUser", "ChangeUser"], "avatar_url", up_to(limits::URL_BYTES)),
        (&["Register"], "password", Length(limits::PASSWORD_BYTES)),
        (&["ChangePassword"], "new", Length(limits::PASSWORD_BYTES)),
        (&["Register", "LogIn", "Session", "NewSession"], "device", up_to(limits::DEVICE_CHARS)),
        (conversations, "title", up_to(limits::TITLE_CHARS)),
        (conversations, "topic", up_to(limits::TOPIC_CHARS)),
        (conversations, "avatar_url", up_to(limits::URL_BYTES)),
        (conversations, "slow_mode_s", Number(0..=limits::SLOW_MODE_S)),
        (conversations, "retention_days", Number(0..=limits::RETENTION_DAYS)),
        (&["CreateConversation"], "members", items(limits::MEMBERS_PER_CALL)),
        (&["AddMembers"], "users", Items(1..=limits::MEMBERS_PER_CALL)),
        (&["BanTerms", "Ban"], "reason", up_to(limits::BAN_REASON_CHARS)),
        (messages, "text", up_to(limits::TEXT_CHARS)),
        (messages, "spans", items(limits::SPANS)),
        (sent, "attachments", items(limits::ATTACHMENTS)),
        (shown, "reactions", items(limits::EMOJI_PER_MESSAGE)),
        (&["Span"], "style", Length(1..=limits::STYLE_BYTES)),
        (&["Span"], "start", Number(0..=limits::TEXT_CHARS as u64)),
        (&["Span"], "len", Number(1..=limits::TEXT_CHARS as u64)),
        (&["DeleteMessages"], "messages", Items(1..=limits::DELETES_PER_CALL)),
        (&["ReactionSummary"], "count", Number(0..=limits::REACTION_COUNT as u64)),
        (&["ReactionSummary"], "users", items(limits::REACTION_USERS)),
        (&["ReactionSummary", "Reaction", "ReactionChange"], "emoji", Length(1..=limits::EMOJI_BYTES)),
        (&["Conversation"], "unread", Number(0..=limits::UNREAD as u64)),
        (&["Conversation"], "mentions", Number(0..=limits::UNREAD as u64)),
        (&["SetStatus", "Status", "Presence"], "text", up_to(limits::STATUS_CHARS)),
        (&["PresenceQuery"], "users", items(limits::WATCHES)),
        (&["List_Presence"], "items", items(limits::WATCHES)),
        (pages, "items", items(limits::PAGE_MAX)),
    ]
}

/// Adds them; answers what is not there to be bounded.
pub fn add(components: &mut Value) -> Vec<String> {
    let mut absent = Vec::new();
    for (types, field, bound) in table() {
        for name in types {
            let place = components.pointer_mut(&format!("/schemas/{name}/properties/{field}"));
            match place.and_then(Value::as_object_mut) {
                Some(schema) => bound.apply(schema),
                None => absent.push(format!("{name}.{field}")),
            }
        }
    }
    absent
}

impl Bound {
    fn apply(&self, schema: &mut Map<String, Value>) {
        let mut set = |key: &str, value: Value| schema.insert(key.into(), value);
        match self {
            Self::Length(chars) => {
                set("maxLength", json!(chars.end()));
                if *chars.start() > 0 {
                    set("minLength", json!(chars.start()));
                }
            }
            Self::Items(count) => {
                set("maxItems", json!(count.end()));
                if *count.start() > 0 {
                    set("minItems", json!(count.start()));
                }
            }
            Self::Number(range) => {
                set("minimum", json!(range.start()));
                set("maximum", json!(range.end()));
                // Of a signed number, which it is not.
                schema.remove("format");
            }
            Self::Name => {
                let chars = limits::NAME_CHARS;
                set("pattern", json!(format!("^[a-z0-9_.-]{{{},{}}}$", chars.start(), chars.end())));
            }
        }
    }
}
