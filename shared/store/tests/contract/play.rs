//! The words of the play: fresh ids, and events of one conversation as a log would number them.

use std::sync::atomic::{AtomicU16, Ordering};

use chat_protocol::{
    ClientId, Clock, ConversationId, MessageId, Seq, SessionId, Shard, Timestamp, UserId,
    event::{
        Body, ConversationCreated, ConversationUpdated, Empty, Event, LeftReason, MemberChanged, MemberLeft,
        MessageCreated, MessageDeleted, MessageUpdated,
    },
    model::{Content, HistoryAccess, Kind, Message, MessageKind, Settings, Visibility},
    rights::Role,
    time::SystemClock,
};
use chat_store::{EventRow, MessagePage, NewAccount, SessionRow};

/// Where a log's positions are today.
pub(crate) const TODAY: u64 = 1_795_132_800_000_000;

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

pub(crate) fn seq(seq: u64) -> Seq {
    Seq::new(seq).unwrap()
}

pub(crate) fn user() -> UserId {
    UserId::from_u128(rand::random())
}

pub(crate) fn conversation() -> ConversationId {
    ConversationId::from_u128(rand::random())
}

pub(crate) fn client_id() -> ClientId {
    ClientId::from_u128(rand::random())
}

/// A shard that no other behaviour uses.
pub(crate) fn shard() -> Shard {
    static NEXT: AtomicU16 = AtomicU16::new(100);
    Shard::new(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap()
}

/// A name that no other behaviour uses.
pub(crate) fn name() -> String {
    format!("n{:020x}", rand::random::<u128>() >> 48)
}

pub(crate) fn account(name: &str) -> NewAccount {
    NewAccount {
        id: user(),
        name: name.into(),
        display_name: Some("Ada".into()),
        password_hash: "$argon2id$first".into(),
        created_at: now(),
    }
}

/// A session that was begun `ago_ms` ago and lives for an hour from now.
pub(crate) fn session(of: UserId, ago_ms: i64) -> SessionRow {
    let created_at = now().plus_ms(-ago_ms);
    let ms = u64::try_from(created_at.as_ms()).unwrap();
    SessionRow {
        id: SessionId::ulid(ms, rand::random()),
        user: of,
        device: "Firefox on a train".into(),
        created_at,
        last_used_at: created_at,
        refresh_hash: rand::random(),
        expires_at: now().plus_ms(3_600_000),
    }
}

pub(crate) fn text(text: &str) -> Content {
    Content { text: Some(text.into()), ..Content::default() }
}

pub(crate) fn texts(page: &MessagePage) -> Vec<&str> {
    page.messages.iter().map(|message| message.content.text.as_deref().unwrap_or_default()).collect()
}

pub(crate) fn seqs(messages: &[Message]) -> Vec<Seq> {
    messages.iter().map(|message| message.seq).collect()
}

pub(crate) fn member(user: UserId, role: Role) -> MemberChanged {
    MemberChanged { user, role }
}

/// One conversation's events, numbered. Other conversations of the shard come in between.
pub(crate) struct Story {
    pub(crate) of: ConversationId,
    pub(crate) shard: Shard,
    pub(crate) next: u64,
    pub(crate) step: u64,
}

impl Story {
    pub(crate) fn new() -> Self {
        Self { of: conversation(), shard: Shard::new(3).unwrap(), next: TODAY, step: 7 }
    }

    pub(crate) fn event(&mut self, by: UserId, body: Body) -> EventRow {
        self.row(Event { at: now(), by, body }.encode())
    }

    pub(crate) fn row(&mut self, event: bytes::Bytes) -> EventRow {
        let row = EventRow { conversation: self.of, shard: self.shard, seq: seq(self.next), event };
        self.next += self.step;
        row
    }

    pub(crate) fn created(&mut self, by: UserId, title: &str, members: &[MemberChanged]) -> EventRow {
        let created = ConversationCreated {
            kind: Kind::Group,
            visibility: Visibility::Private,
            history: HistoryAccess::Joined,
            settings: titled(title),
            members: members.to_vec(),
        };
        self.event(by, Body::ConversationCreated(Box::new(created)))
    }

    pub(crate) fn titled(&mut self, by: UserId, title: &str) -> EventRow {
        let updated = ConversationUpdated { visibility: Visibility::Public, settings: titled(title) };
        self.event(by, Body::ConversationUpdated(Box::new(updated)))
    }

    pub(crate) fn closed(&mut self, by: UserId) -> EventRow {
        self.event(by, Body::ConversationDeleted(Empty {}))
    }

    pub(crate) fn says(&mut self, by: UserId, words: &str) -> EventRow {
        self.sends(by, client_id(), text(words))
    }

    pub(crate) fn sends(&mut self, by: UserId, client_id: ClientId, content: Content) -> EventRow {
        let created = MessageCreated {
            client_id,
            kind: MessageKind::Text,
            content,
            mentions: vec!["all".into()],
            deleted: false,
        };
        self.event(by, Body::MessageCreated(Box::new(created)))
    }

    pub(crate) fn edits(&mut self, by: UserId, message: &EventRow, words: &str) -> EventRow {
        let updated = MessageUpdated { message: id(message), content: text(words), mentions: Vec::new() };
        self.event(by, Body::MessageUpdated(Box::new(updated)))
    }

    pub(crate) fn deletes(&mut self, by: UserId, messages: &[&EventRow]) -> EventRow {
        let messages = messages.iter().map(|message| id(message)).collect();
        self.event(by, Body::MessageDeleted(MessageDeleted { messages, reason: "author".into() }))
    }

    pub(crate) fn joins(&mut self, user: UserId, role: Role) -> EventRow {
        self.event(user, Body::MemberJoined(member(user, role)))
    }

    pub(crate) fn becomes(&mut self, user: UserId, role: Role) -> EventRow {
        self.event(user, Body::MemberUpdated(member(user, role)))
    }

    pub(crate) fn leaves(&mut self, user: UserId) -> EventRow {
        let left = MemberLeft { user, role: Some(Role::Member), reason: LeftReason::Left, ban: None };
        self.event(user, Body::MemberLeft(left))
    }
}

pub(crate) fn titled(title: &str) -> Settings {
    Settings { title: Some(title.into()), ..Settings::default() }
}

pub(crate) fn id(row: &EventRow) -> MessageId {
    MessageId::new(row.shard, row.seq)
}

pub(crate) fn at(row: &EventRow) -> Timestamp {
    Event::decode(&row.event).unwrap().at
}

/// Every order of these, by Heap's algorithm.
pub(crate) fn orders<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    fn permute<T: Clone>(items: &mut Vec<T>, k: usize, into: &mut Vec<Vec<T>>) {
        if k <= 1 {
            into.push(items.clone());
            return;
        }
        for i in 0..k {
            permute(items, k - 1, into);
            let other = if k.is_multiple_of(2) { i } else { 0 };
            items.swap(other, k - 1);
        }
    }
    let (mut items, mut all) = (items.to_vec(), Vec::new());
    let len = items.len();
    permute(&mut items, len, &mut all);
    all
}

/// The same events in another conversation.
pub(crate) fn elsewhere(rows: &[EventRow], of: ConversationId) -> Vec<EventRow> {
    rows.iter().map(|row| EventRow { conversation: of, ..row.clone() }).collect()
}
