//! Random histories against a simple model that reads them in order, once.

use std::collections::BTreeMap;

use chat_protocol::{
    ClientId, ConversationId, MessageId, Seq, UserId,
    event::{Body, Event},
    model::{Content, Conversation, Member, Message},
    rights::Role,
};
use chat_store::{Cursor, EventRow, Store};
use futures_util::future::join_all;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::play::{Story, member, user};

const HISTORIES: u64 = 16;
const EVENTS: usize = 60;

pub(crate) async fn any_order_and_any_repetition_converge(store: &dyn Store) {
    for seed in 0..HISTORIES {
        let mut chance = StdRng::seed_from_u64(seed);
        let history = history(&mut chance);
        let model = Model::of(&history.events);

        // Everything at least once, some of it twice, in any order, in pieces of any size.
        let mut deliveries = history.events.clone();
        deliveries.extend(history.events.iter().filter(|_| chance.random_bool(0.3)).cloned());
        deliveries.shuffle(&mut chance);
        let mut pieces = Vec::new();
        while !deliveries.is_empty() {
            pieces.push(deliveries.split_off(deliveries.len().saturating_sub(chance.random_range(1..20))));
        }
        // One persister, or several that know nothing of each other.
        for at_once in pieces.chunks(if seed % 2 == 0 { 1 } else { 4 }) {
            let applied = join_all(at_once.iter().map(|piece| store.apply(piece))).await;
            applied.into_iter().for_each(Result::unwrap);
        }
        model.agrees_with(store, &history, seed).await;

        // And once more in order, as a replay would.
        store.apply(&history.events).await.unwrap();
        model.agrees_with(store, &history, seed).await;
    }
}

struct History {
    of: ConversationId,
    users: Vec<UserId>,
    events: Vec<EventRow>,
}

/// What gateways could have appended, races included: edits after deletions, roles of those who left.
fn history(chance: &mut StdRng) -> History {
    let mut story = Story::new();
    let users: Vec<UserId> = (0..4).map(|_| user()).collect();
    let clients: Vec<ClientId> = (0..6).map(|_| super::play::client_id()).collect();
    let mut events = vec![story.created(users[0], "first", &[member(users[0], Role::Owner)])];
    let mut messages: Vec<EventRow> = Vec::new();
    for n in 0..EVENTS {
        story.step = chance.random_range(1..1_000);
        let who = users[chance.random_range(0..users.len())];
        let role = Role::ALL[chance.random_range(0..Role::ALL.len())];
        let earlier = messages.choose(chance).cloned();
        let event = match (chance.random_range(0..14), earlier) {
            (0, _) => story.joins(who, role),
            (1, _) => story.leaves(who),
            (2, _) => story.becomes(who, role),
            (3, _) => story.titled(who, &n.to_string()),
            (4..=6, Some(message)) => story.edits(who, &message, &format!("edit {n}")),
            (7, Some(message)) => story.deletes(who, &[&message]),
            (8, _) if chance.random_bool(0.1) => story.closed(who),
            (9, _) => {
                story.sends(who, clients[chance.random_range(0..clients.len())], super::play::text(&n.to_string()))
            }
            _ => story.says(who, &n.to_string()),
        };
        if matches!(body(&event), Body::MessageCreated(_)) {
            messages.push(event.clone());
        }
        events.push(event);
    }
    History { of: story.of, users, events }
}

trait Choose<T> {
    fn choose(&self, chance: &mut StdRng) -> Option<&T>;
}

impl<T> Choose<T> for Vec<T> {
    fn choose(&self, chance: &mut StdRng) -> Option<&T> {
        if self.is_empty() { None } else { self.get(chance.random_range(0..self.len())) }
    }
}

fn body(row: &EventRow) -> Body {
    Event::decode(&row.event).unwrap().body
}

/// What an honest reader, who sees each event once and in order, would know in the end.
#[derive(Default)]
struct Model {
    conversation: Option<Conversation>,
    members: BTreeMap<UserId, Member>,
    messages: BTreeMap<Seq, Message>,
    first_with: BTreeMap<(UserId, ClientId), MessageId>,
}

impl Model {
    fn of(events: &[EventRow]) -> Self {
        let mut model = Self::default();
        for row in events {
            model.read(row);
        }
        model
    }

    fn read(&mut self, row: &EventRow) {
        let Event { at, by, body } = Event::decode(&row.event).unwrap();
        match body {
            Body::ConversationCreated(created) => {
                for joined in &created.members {
                    self.join(joined.user, joined.role, row, at);
                }
                self.conversation = Some(Conversation {
                    id: row.conversation,
                    kind: created.kind,
                    visibility: created.visibility,
                    history: created.history,
                    settings: created.settings,
                    created_by: by,
                    created_at: at,
                    version: row.seq,
                    deleted: false,
                });
            }
            Body::ConversationUpdated(updated) => {
                let conversation = self.conversation.as_mut().unwrap();
                (conversation.visibility, conversation.settings) = (updated.visibility, updated.settings);
                conversation.version = row.seq;
            }
            Body::ConversationDeleted(_) => {
                let conversation = self.conversation.as_mut().unwrap();
                (conversation.deleted, conversation.version) = (true, row.seq);
            }
            Body::MemberJoined(joined) => self.join(joined.user, joined.role, row, at),
            Body::MemberUpdated(updated) => {
                if let Some(member) = self.members.get_mut(&updated.user) {
                    member.role = updated.role;
                }
            }
            Body::MemberLeft(left) => {
                self.members.remove(&left.user);
            }
            Body::MessageCreated(created) => {
                let id = MessageId::new(row.shard, row.seq);
                self.first_with.entry((by, created.client_id)).or_insert(id);
                let message = Message {
                    id,
                    conversation: row.conversation,
                    seq: row.seq,
                    at,
                    by,
                    client_id: created.client_id,
                    kind: created.kind,
                    content: created.content,
                    mentions: created.mentions,
                    reactions: Vec::new(),
                    pinned: false,
                    edited_at: None,
                    version: row.seq,
                    deleted: false,
                };
                self.messages.insert(row.seq, message);
            }
            Body::MessageUpdated(updated) => {
                let message = self.messages.get_mut(&updated.message.seq()).unwrap();
                if !message.deleted {
                    (message.content, message.mentions) = (updated.content, updated.mentions);
                    (message.edited_at, message.version) = (Some(at), row.seq);
                }
            }
            Body::MessageDeleted(deleted) => {
                for id in deleted.messages {
                    let message = self.messages.get_mut(&id.seq()).unwrap();
                    (message.content, message.mentions) = (Content::default(), Vec::new());
                    (message.edited_at, message.version, message.deleted) = (None, row.seq, true);
                }
            }
            other => panic!("no such event in a history: {other:?}"),
        }
    }

    fn join(&mut self, user: UserId, role: Role, row: &EventRow, at: chat_protocol::Timestamp) {
        self.members.insert(user, Member { user, role, joined_at: at, joined_seq: row.seq });
    }

    async fn agrees_with(&self, store: &dyn Store, history: &History, seed: u64) {
        let of = history.of;
        assert_eq!(store.conversation(of).await.unwrap(), self.conversation, "seed {seed}");

        let members: Vec<Member> = self.members.values().copied().collect();
        assert_eq!(store.members(of, None, 100).await.unwrap(), members, "seed {seed}");
        for user in &history.users {
            let listed = store.memberships(*user, None, 100).await.unwrap();
            let listed = listed.iter().find(|listed| listed.conversation == of).map(|listed| listed.member);
            assert_eq!(listed, self.members.get(user).copied(), "seed {seed}");
        }

        let page = store.messages(of, Cursor::After(Seq::ZERO), 200).await.unwrap();
        assert_eq!(page.messages, self.messages.values().cloned().collect::<Vec<_>>(), "seed {seed}");
        for ((by, client_id), first) in &self.first_with {
            let found = store.first_with(of, *by, *client_id).await.unwrap();
            assert_eq!(found.map(|row| row.message), Some(*first), "seed {seed}");
        }

        let stored = store.events(of, Seq::ZERO, 1_000).await.unwrap().events;
        let (positions, appended): (Vec<Seq>, Vec<Seq>) =
            (stored.iter().map(|row| row.seq).collect(), history.events.iter().map(|row| row.seq).collect());
        assert_eq!(positions, appended, "seed {seed}");
        assert_eq!(store.stored_heads(&[of]).await.unwrap(), [appended.last().copied()], "seed {seed}");
    }
}
