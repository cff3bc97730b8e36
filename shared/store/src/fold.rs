//! What one event changes. Pure: both engines write what is decided here, so both answer alike.
//!
//! Each event is a row at its own position; [`fold`] says what else follows from it. Every [`Change`] carries the
//! position of its event, and an engine keeps of each field the value with the highest position. So changes may come
//! twice and in any order. A deletion is the exception: nothing that comes later takes it back.

use std::collections::HashSet;

use chat_protocol::{
    ConversationId, MessageId, Seq, Timestamp, UserId,
    event::{
        BanTerms, Body, ConversationCreated, Event, EventError, MemberChanged, MemberLeft, ReactionChanged, ReactionOp,
        SettingsUpdated,
    },
    id::ClientId,
    model::{Ban, Content, HistoryAccess, Kind, Member, MemberSettings, Message, Settings, Visibility},
    rights::Role,
};

use crate::{EventRow, StoreError};

/// An event and what follows from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    /// What the row's bytes say.
    pub event: Event,
    /// Beside the event's own row; in no particular order, and no two of them concern the same field.
    pub changes: Vec<Change>,
}

/// One idempotent change, at the position of its event.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The event is a message: it is listed, and its client id names it from now on (the lowest position stays).
    MessageCreated {
        /// The sender.
        by: UserId,
        /// The sender's own id of it.
        client_id: ClientId,
    },
    /// A message of this conversation has the content of this event.
    MessageUpdated {
        /// Where the message is.
        message: Seq,
    },
    /// A message of this conversation is a tombstone for good: its content leaves its row and those of its edits.
    MessageDeleted {
        /// Where the message is.
        message: Seq,
    },
    /// A reaction is there, or no longer.
    Reaction {
        /// Where the message is.
        message: Seq,
        /// Whose.
        user: UserId,
        /// What.
        emoji: String,
        /// Which of the two.
        present: bool,
    },
    /// A message is pinned, or no longer.
    Pin {
        /// Where the message is.
        message: Seq,
        /// Which of the two.
        present: bool,
    },
    /// The conversation exists; these fields never change.
    ConversationCreated {
        /// Direct, group or broadcast.
        kind: Kind,
        /// From where on members may read.
        history: HistoryAccess,
        /// Who made it.
        created_by: UserId,
        /// When.
        created_at: Timestamp,
    },
    /// The conversation's settings, whole.
    ConversationSettings {
        /// Private or public.
        visibility: Visibility,
        /// Title and the rest.
        settings: Settings,
    },
    /// The conversation is deleted for good. Its rows stay until they are purged.
    ConversationDeleted,
    /// A user is a member, from this position on.
    MemberJoined(Member),
    /// A member's role. Of a user who is no member it changes nothing that can be seen.
    MemberRole {
        /// Who.
        user: UserId,
        /// As what.
        role: Role,
    },
    /// A user is no member.
    MemberLeft {
        /// Who.
        user: UserId,
    },
    /// Somebody is kept out from here on, or (`None`) no longer.
    Ban {
        /// Who.
        user: UserId,
        /// How.
        ban: Option<Ban>,
    },
    /// A user (whose feed this is) blocks another one, or no longer.
    Block {
        /// The user.
        by: UserId,
        /// The other one.
        user: UserId,
        /// Which of the two.
        present: bool,
    },
    /// What a user (whose feed this is) set for a conversation of theirs, whole.
    MemberSettings {
        /// The user.
        of: UserId,
        /// Which.
        conversation: ConversationId,
        /// What.
        settings: MemberSettings,
    },
}

/// What follows from an event of the log; [`StoreError::Refused`] if its bytes are no event.
///
/// A change that names a message of another shard, or one that is not before it, is left out: no gateway writes it.
pub fn fold(row: &EventRow) -> Result<Folded, StoreError> {
    let event = decode(&row.event)?;
    let changes = changes(row, &event);
    Ok(Folded { event, changes })
}

/// The event in these bytes. The error's text quotes nothing of them.
pub fn decode(bytes: &[u8]) -> Result<Event, StoreError> {
    Event::decode(bytes).map_err(|err| match err {
        EventError::Version(_) => StoreError::Refused(err.to_string()),
        EventError::Broken(_) => StoreError::Refused("not an event".into()),
    })
}

fn changes(row: &EventRow, event: &Event) -> Vec<Change> {
    let earlier = |message: MessageId| (message.shard() == row.shard && message.seq() < row.seq).then(|| message.seq());
    match &event.body {
        Body::MessageCreated(created) => {
            vec![Change::MessageCreated { by: event.by, client_id: created.client_id }]
        }
        Body::MessageUpdated(updated) => {
            earlier(updated.message).map(|message| Change::MessageUpdated { message }).into_iter().collect()
        }
        Body::MessageDeleted(deleted) => {
            let messages: HashSet<Seq> = deleted.messages.iter().filter_map(|message| earlier(*message)).collect();
            messages.into_iter().map(|message| Change::MessageDeleted { message }).collect()
        }
        Body::ReactionChanged(changed) => {
            earlier(changed.message).map(|message| reactions(message, changed)).unwrap_or_default()
        }
        Body::PinAdded(pin) => pinned(earlier(pin.message), true),
        Body::PinRemoved(pin) => pinned(earlier(pin.message), false),
        Body::MemberJoined(joined) => vec![member_joined(row.seq, event.at, *joined)],
        Body::MemberUpdated(updated) => vec![Change::MemberRole { user: updated.user, role: updated.role }],
        Body::MemberLeft(left) => member_left(event, left),
        Body::BanLifted(lifted) => vec![Change::Ban { user: lifted.user, ban: None }],
        Body::ConversationCreated(created) => conversation_created(row.seq, event, created),
        Body::ConversationUpdated(updated) => {
            vec![Change::ConversationSettings { visibility: updated.visibility, settings: updated.settings.clone() }]
        }
        Body::ConversationDeleted(_) => vec![Change::ConversationDeleted],
        Body::BlockAdded(block) => blocked(row, block.user, true),
        Body::BlockRemoved(block) => blocked(row, block.user, false),
        Body::SettingsUpdated(SettingsUpdated { conversation, settings }) => {
            let (of, conversation, settings) = (owner(row), *conversation, *settings);
            vec![Change::MemberSettings { of, conversation, settings }]
        }
        // Rows only. A user's list of conversations is written from the conversations' own events: a row has the
        // positions of one shard, else "the last writer" would mean nothing. A profile is written by its user.
        Body::ConversationAdded(_) | Body::ConversationRemoved(_) | Body::UserUpdated(_) | Body::Other { .. } => {
            Vec::new()
        }
    }
}

/// Whose feed a row stands in: its conversation has the user's own bits.
const fn owner(row: &EventRow) -> UserId {
    UserId::from_u128(row.conversation.as_u128())
}

fn blocked(row: &EventRow, user: UserId, present: bool) -> Vec<Change> {
    vec![Change::Block { by: owner(row), user, present }]
}

fn member_left(event: &Event, left: &MemberLeft) -> Vec<Change> {
    let user = left.user;
    let ban = left.ban.as_ref().map(|BanTerms { reason, until }| {
        let ban = Ban { user, by: event.by, reason: reason.clone(), until: *until, at: event.at };
        Change::Ban { user, ban: Some(ban) }
    });
    [Change::MemberLeft { user }].into_iter().chain(ban).collect()
}

fn conversation_created(seq: Seq, event: &Event, created: &ConversationCreated) -> Vec<Change> {
    let mut named = HashSet::new();
    let members = created.members.iter().filter(|member| named.insert(member.user));
    let conversation = [
        Change::ConversationCreated {
            kind: created.kind,
            history: created.history,
            created_by: event.by,
            created_at: event.at,
        },
        Change::ConversationSettings { visibility: created.visibility, settings: created.settings.clone() },
    ];
    conversation.into_iter().chain(members.map(|member| member_joined(seq, event.at, *member))).collect()
}

const fn member_joined(seq: Seq, at: Timestamp, joined: MemberChanged) -> Change {
    Change::MemberJoined(Member { user: joined.user, role: joined.role, joined_at: at, joined_seq: seq })
}

/// Of several changes to one reaction the last one counts.
fn reactions(message: Seq, changed: &ReactionChanged) -> Vec<Change> {
    let mut seen = HashSet::new();
    let last_first = changed.changes.iter().rev().filter(|change| seen.insert((change.user, &change.emoji)));
    last_first
        .map(|change| Change::Reaction {
            message,
            user: change.user,
            emoji: change.emoji.clone(),
            present: change.op == ReactionOp::Add,
        })
        .collect()
}

fn pinned(message: Option<Seq>, present: bool) -> Vec<Change> {
    message.map(|message| Change::Pin { message, present }).into_iter().collect()
}

/// The same event without what was written in it: what is kept of a deleted message and of its edits.
#[must_use]
pub fn without_content(mut event: Event) -> Event {
    event.body.blank();
    event
}

/// A message as it stands now: the event that created it, the last edit with its position, the position of the last
/// deletion. A deletion hides every edit, also one with a higher position.
///
/// [`StoreError::Other`] if `created` is no message: an engine keeps these apart.
pub fn message(
    of: ConversationId,
    id: MessageId,
    created: Event,
    edit: Option<(Seq, Event)>,
    deleted: Option<Seq>,
) -> Result<Message, StoreError> {
    let Body::MessageCreated(original) = created.body else {
        return Err(StoreError::Other(format!("event {id} is listed as a message")));
    };
    let mut message = Message {
        id,
        conversation: of,
        seq: id.seq(),
        at: created.at,
        by: created.by,
        client_id: original.client_id,
        kind: original.kind,
        content: original.content,
        mentions: original.mentions,
        reactions: Vec::new(),
        pinned: false,
        edited_at: None,
        version: id.seq(),
        deleted: false,
    };
    if let Some(version) = deleted {
        message.content = Content::default();
        message.mentions.clear();
        message.version = version;
        message.deleted = true;
    } else if let Some((version, Event { at, body: Body::MessageUpdated(update), .. })) = edit {
        message.content = update.content;
        message.mentions = update.mentions;
        message.edited_at = Some(at);
        message.version = version;
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use chat_protocol::{
        Shard,
        event::{MessageCreated, MessageDeleted, MessageUpdated, PinChanged, ReactionChange},
        model::MessageKind,
    };

    use super::*;

    const SHARD: Shard = Shard::new(3).unwrap();
    const AT: Timestamp = Timestamp::from_ms(1_000);

    fn seq(seq: u64) -> Seq {
        Seq::new(seq).unwrap()
    }

    fn id(seq_of: u64) -> MessageId {
        MessageId::new(SHARD, seq(seq_of))
    }

    fn event(body: Body) -> Event {
        Event { at: AT, by: UserId::from_u128(1), body }
    }

    /// The changes of an event at position 10.
    fn changes_of(body: Body) -> Vec<Change> {
        let conversation = ConversationId::from_u128(9);
        let row = EventRow { conversation, shard: SHARD, seq: seq(10), event: event(body).encode() };
        fold(&row).unwrap().changes
    }

    fn says(text: &str) -> Content {
        Content { text: Some(text.into()), ..Content::default() }
    }

    fn created(text: &str) -> Event {
        event(Body::MessageCreated(Box::new(MessageCreated {
            client_id: ClientId::from_u128(7),
            kind: MessageKind::Text,
            content: says(text),
            mentions: vec!["all".into()],
            deleted: false,
        })))
    }

    fn updated(text: &str) -> Event {
        let mentions = Vec::new();
        event(Body::MessageUpdated(Box::new(MessageUpdated { message: id(4), content: says(text), mentions })))
    }

    #[test]
    fn bytes_that_are_no_event_are_refused_without_quoting_them() {
        let conversation = ConversationId::from_u128(9);
        let row = EventRow { conversation, shard: SHARD, seq: seq(10), event: b"a secret".as_slice().into() };
        let refused = fold(&row).unwrap_err();
        assert!(matches!(&refused, StoreError::Refused(why) if !why.contains("secret")), "{refused}");
    }

    #[test]
    fn an_event_of_a_later_version_is_only_a_row() {
        let body = Body::Other { event: "message.sung".into(), data: serde_json::json!({"key": "C"}) };
        assert_eq!(changes_of(body), []);
    }

    #[test]
    fn only_earlier_messages_of_the_same_shard_change() {
        let elsewhere = MessageId::new(Shard::new(4).unwrap(), seq(4));
        let messages = vec![id(4), id(4), id(10), id(11), elsewhere];
        let deleted = Body::MessageDeleted(MessageDeleted { messages, reason: "author".into() });
        assert_eq!(changes_of(deleted), [Change::MessageDeleted { message: seq(4) }]);
        assert_eq!(changes_of(Body::PinAdded(PinChanged { message: elsewhere })), []);
    }

    #[test]
    fn the_last_change_of_one_reaction_counts() {
        let user = UserId::from_u128(2);
        let change = |op| ReactionChange { user, emoji: "🎉".into(), op };
        let changes = vec![change(ReactionOp::Add), change(ReactionOp::Remove)];
        let folded = changes_of(Body::ReactionChanged(ReactionChanged { message: id(4), changes }));
        assert_eq!(folded, [Change::Reaction { message: seq(4), user, emoji: "🎉".into(), present: false }]);
    }

    #[test]
    fn a_member_named_twice_at_the_beginning_joins_once() {
        let user = UserId::from_u128(2);
        let members = vec![MemberChanged { user, role: Role::Owner }, MemberChanged { user, role: Role::Reader }];
        let created = ConversationCreated {
            kind: Kind::Group,
            visibility: Visibility::Private,
            history: HistoryAccess::All,
            settings: Settings::default(),
            members,
        };
        let joined: Vec<Change> = changes_of(Body::ConversationCreated(Box::new(created)))
            .into_iter()
            .filter(|change| matches!(change, Change::MemberJoined(_)))
            .collect();
        let member = Member { user, role: Role::Owner, joined_at: AT, joined_seq: seq(10) };
        assert_eq!(joined, [Change::MemberJoined(member)]);
    }

    #[test]
    fn an_edit_replaces_the_content_and_a_deletion_hides_all_of_it() {
        let of = ConversationId::from_u128(9);
        let plain = message(of, id(4), created("helo"), None, None).unwrap();
        assert_eq!((plain.version, plain.edited_at, plain.mentions.len()), (seq(4), None, 1));

        let edited = message(of, id(4), created("helo"), Some((seq(6), updated("hello"))), None).unwrap();
        assert_eq!((edited.content, edited.version, edited.edited_at), (says("hello"), seq(6), Some(AT)));

        let gone = message(of, id(4), created("helo"), Some((seq(8), updated("hello"))), Some(seq(7))).unwrap();
        assert_eq!((gone.content, gone.version, gone.deleted), (Content::default(), seq(7), true));
        assert_eq!((gone.seq, gone.by, gone.at, gone.mentions.len()), (plain.seq, plain.by, plain.at, 0));
    }

    #[test]
    fn nothing_written_is_left_of_an_event_without_content() {
        for event in [created("a secret"), updated("a secret")] {
            let bytes = without_content(event).encode();
            assert!(!bytes.windows(6).any(|part| part == b"secret"));
        }
    }
}
