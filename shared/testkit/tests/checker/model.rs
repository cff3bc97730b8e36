//! Good histories: a log that numbers events, senders that retry, readers that fall behind, leave and come back.

use std::collections::BTreeMap;

use chat_protocol::{ClientId, ConversationId, MessageId, Seq, Shard, UserId};
use chat_testkit::checker::{Client, Event, Key, Outcome, Recorder, Row};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

const STEPS: usize = 600;
const CONVERSATIONS: u128 = 3;
const SENDERS: u128 = 4;
const CLIENTS: Client = 4;

/// What honest clients of a faultless system record.
pub(super) fn good_history(chance: &mut StdRng) -> Vec<Event> {
    let mut world = World::default();
    for conversation in 0..CONVERSATIONS {
        for client in 0..CLIENTS {
            world.follow(client, ConversationId::from_u128(conversation), 0);
        }
    }
    for _ in 0..STEPS {
        world.step(chance);
    }
    world.quiet();
    world.recorder.history()
}

#[derive(Debug, Default)]
struct World {
    recorder: Recorder,
    logs: BTreeMap<ConversationId, Vec<Logged>>,
    head: u64,
    minted: u128,
    /// Sent without an answer.
    open: Vec<Key>,
    /// How many events of its log each reader was sent.
    cursors: BTreeMap<(Client, ConversationId), usize>,
}

#[derive(Debug, Clone, Copy)]
struct Logged {
    seq: Seq,
    id: MessageId,
    message: Option<Key>,
}

impl World {
    fn step(&mut self, chance: &mut StdRng) {
        let conversation = ConversationId::from_u128(chance.random_range(0..CONVERSATIONS));
        let client = chance.random_range(0..CLIENTS);
        match chance.random_range(0..100) {
            0..25 => self.send(conversation, chance),
            25..30 => self.send_two(conversation, chance),
            30..38 => self.retry(chance),
            38..43 => drop(self.append(conversation, None)),
            43..46 => self.read(conversation),
            46..48 => self.resync(client, conversation),
            48..51 => self.come_back(client, conversation, chance),
            51..52 => self.leave(client, conversation),
            _ => self.deliver(client, conversation, chance.random_range(1..4)),
        }
    }

    /// All open sends are retried, everything arrives, everything is read.
    fn quiet(&mut self) {
        while let Some(key) = self.open.pop() {
            self.try_again(key);
        }
        for (client, conversation) in self.cursors.keys().copied().collect::<Vec<_>>() {
            self.deliver(client, conversation, usize::MAX);
        }
        for conversation in 0..CONVERSATIONS {
            self.read(ConversationId::from_u128(conversation));
        }
        self.recorder.record(Event::Opened { what: "the store".to_owned(), error: None });
        self.recorder.record(Event::Malformed { input: "broken JSON".to_owned(), outcome: Outcome::Documented });
    }

    fn send(&mut self, conversation: ConversationId, chance: &mut StdRng) {
        let key = self.mint(conversation, chance);
        self.sent(key);
        match chance.random_range(0..10) {
            0 => self.recorder.record(Event::Failed { key }),
            1 => self.lose_answer(key),
            2 => {
                self.append(conversation, Some(key));
                self.lose_answer(key);
            }
            _ => {
                let logged = self.append(conversation, Some(key));
                self.ack(logged, key, false);
            }
        }
    }

    /// The acknowledgements come back in the other order, which is nobody's fault.
    fn send_two(&mut self, conversation: ConversationId, chance: &mut StdRng) {
        let first = self.mint(conversation, chance);
        let second = Key { client_id: self.client_id(), ..first };
        self.sent(first);
        self.sent(second);
        let places = [first, second].map(|key| self.append(conversation, Some(key)));
        self.ack(places[1], second, false);
        self.ack(places[0], first, false);
    }

    fn retry(&mut self, chance: &mut StdRng) {
        if !self.open.is_empty() {
            let key = self.open.swap_remove(chance.random_range(0..self.open.len()));
            self.try_again(key);
        }
    }

    fn try_again(&mut self, key: Key) {
        self.sent(key);
        let stored = self.log(key.conversation).iter().find(|logged| logged.message == Some(key)).copied();
        match stored {
            Some(logged) => self.ack(logged, key, true),
            None => {
                let logged = self.append(key.conversation, Some(key));
                self.ack(logged, key, false);
            }
        }
    }

    fn deliver(&mut self, client: Client, conversation: ConversationId, most: usize) {
        let Some(cursor) = self.cursors.get(&(client, conversation)).copied() else { return };
        let log = self.log(conversation).clone();
        let end = log.len().min(cursor.saturating_add(most));
        for place in cursor..end {
            let Logged { seq, id, message } = log[place];
            let prev = place.checked_sub(1).map_or(Seq::ZERO, |before| log[before].seq);
            let message = message.map(|key| (key.sender, key.client_id));
            self.recorder.record(Event::Seen { client, conversation, seq, prev, id, message });
        }
        self.cursors.insert((client, conversation), end);
    }

    fn resync(&mut self, client: Client, conversation: ConversationId) {
        let Some(cursor) = self.cursors.get(&(client, conversation)).copied() else { return };
        let (from, head) = (self.seq_before(conversation, cursor), self.head_of(conversation));
        self.recorder.record(Event::Resync { client, conversation, from, head });
        let end = self.log(conversation).len();
        self.cursors.insert((client, conversation), end);
    }

    /// With its cursor, with an older one (and sees some events again), or only for what is new.
    fn come_back(&mut self, client: Client, conversation: ConversationId, chance: &mut StdRng) {
        let end = self.log(conversation).len();
        let cursor = self.cursors.get(&(client, conversation)).copied().unwrap_or(end);
        let cursor = *[cursor, cursor.saturating_sub(2), end].choose(chance).expect("three choices");
        self.follow(client, conversation, cursor);
    }

    fn follow(&mut self, client: Client, conversation: ConversationId, cursor: usize) {
        let after = self.seq_before(conversation, cursor);
        self.recorder.record(Event::Follow { client, conversation, after });
        self.cursors.insert((client, conversation), cursor);
    }

    fn leave(&mut self, client: Client, conversation: ConversationId) {
        if self.cursors.remove(&(client, conversation)).is_some() {
            self.recorder.record(Event::Unfollow { client, conversation });
        }
    }

    fn read(&mut self, conversation: ConversationId) {
        let asked = self.recorder.mark();
        let messages = self.log(conversation).iter().filter_map(|logged| Some((logged, logged.message?)));
        let row = |(logged, key): (&Logged, Key)| Row {
            seq: logged.seq,
            id: logged.id,
            sender: key.sender,
            client_id: key.client_id,
        };
        let rows = messages.map(row).collect();
        self.recorder.record(Event::Read { conversation, asked, rows });
    }

    fn append(&mut self, conversation: ConversationId, message: Option<Key>) -> Logged {
        self.head += 1;
        let seq = Seq::new(self.head).expect("a short log");
        let logged = Logged { seq, id: MessageId::new(Shard::new(7).expect("a small number"), seq), message };
        self.log(conversation).push(logged);
        logged
    }

    fn ack(&self, logged: Logged, key: Key, duplicate: bool) {
        self.recorder.record(Event::Acked { key, id: logged.id, seq: logged.seq, duplicate });
    }

    fn sent(&self, key: Key) {
        let socket = u32::try_from(key.sender.as_u128()).expect("a small number");
        self.recorder.record(Event::Sent { key, socket });
    }

    fn lose_answer(&mut self, key: Key) {
        self.recorder.record(Event::Unknown { key });
        self.open.push(key);
    }

    fn mint(&mut self, conversation: ConversationId, chance: &mut StdRng) -> Key {
        let sender = UserId::from_u128(chance.random_range(0..SENDERS));
        let client_id = self.client_id();
        Key { conversation, sender, client_id }
    }

    fn client_id(&mut self) -> ClientId {
        self.minted += 1;
        ClientId::from_u128(self.minted)
    }

    fn log(&mut self, conversation: ConversationId) -> &mut Vec<Logged> {
        self.logs.entry(conversation).or_default()
    }

    fn head_of(&mut self, conversation: ConversationId) -> Seq {
        let end = self.log(conversation).len();
        self.seq_before(conversation, end)
    }

    fn seq_before(&mut self, conversation: ConversationId, cursor: usize) -> Seq {
        cursor.checked_sub(1).map_or(Seq::ZERO, |before| self.log(conversation)[before].seq)
    }
}
