//! Random operations on the embedded log and on a list in memory: both always answer the same.

use std::collections::HashMap;

use bytes::Bytes;
use chat_bus::{
    BusError, Log, Logged, Nonce, Prev, Replay,
    embedded::{Embedded, Options, open_database},
};
use chat_protocol::{ConversationId, Seq, Shard};
use futures_util::{FutureExt, StreamExt};
use proptest::prelude::*;
use tempfile::TempDir;

const ROOMS: u8 = 4;
const SHARDS: u16 = 2;

#[derive(Debug, Clone)]
enum Op {
    /// `expect`: the real head, or one that is `off` by some.
    Append {
        room: u8,
        nonce: u8,
        expect: Option<u8>,
    },
    /// From the position after the `after`th event of all, or from the start.
    Replay {
        room: u8,
        after: Option<u8>,
        most: u8,
    },
    Tail {
        room: u8,
        after: Option<u8>,
        most: u8,
    },
    Heads,
    /// Takes some of a shard's work and settles every other one.
    Work {
        shard: u16,
        most: u8,
    },
    /// Says that the shard gave out some more than it has, then moves it ahead.
    Rebase {
        shard: u16,
        behind: u8,
    },
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let room = 0..ROOMS;
    let after = prop::option::of(0_u8..40);
    prop_oneof![
        8 => (room.clone(), 0_u8..40, prop::option::weighted(0.3, 0_u8..3))
            .prop_map(|(room, nonce, expect)| Op::Append { room, nonce, expect }),
        2 => (room.clone(), after.clone(), 1_u8..8).prop_map(|(room, after, most)| Op::Replay { room, after, most }),
        2 => (room, after, 0_u8..8).prop_map(|(room, after, most)| Op::Tail { room, after, most }),
        1 => Just(Op::Heads),
        2 => (0..SHARDS, 1_u8..6).prop_map(|(shard, most)| Op::Work { shard, most }),
        1 => (0..SHARDS, 0_u8..20).prop_map(|(shard, behind)| Op::Rebase { shard, behind }),
        1 => Just(Op::Reopen),
    ]
}

fn room(n: u8) -> ConversationId {
    ConversationId::from_u128(u128::from(n) * 0x9e37_79b9_7f4a_7c15 + 1)
}

/// What the log should be.
#[derive(Default)]
struct Model {
    events: Vec<(Shard, ConversationId, Logged)>,
    /// What was said in a room under a nonce, and where it lies.
    nonces: HashMap<(ConversationId, u8), (Shard, Seq)>,
    /// By shard: the first position held, the last one given out, whether anything was dropped.
    extents: HashMap<Shard, (Seq, Seq, bool)>,
    settled: HashMap<Shard, Vec<Seq>>,
}

impl Model {
    fn of(&self, room: ConversationId, after: Seq) -> Vec<Logged> {
        let of_room = self.events.iter().filter(|(_, of, event)| *of == room && event.seq > after);
        of_room.map(|(_, _, event)| event.clone()).collect()
    }

    fn head(&self, room: ConversationId) -> Option<Seq> {
        self.of(room, Seq::ZERO).last().map(|event| event.seq)
    }

    fn position(&self, nth: Option<u8>) -> Seq {
        let nth = nth.and_then(|nth| self.events.get(usize::from(nth)));
        nth.map_or(Seq::ZERO, |(_, _, event)| event.seq)
    }
}

struct Both {
    dir: TempDir,
    log: Option<Embedded>,
    model: Model,
}

impl Both {
    async fn new() -> Self {
        let mut both = Self { dir: TempDir::new().unwrap(), log: None, model: Model::default() };
        both.reopen().await;
        for shard in (0..SHARDS).map(|shard| Shard::new(shard).unwrap()) {
            let state = both.log().shard_state(shard).await.unwrap();
            both.model.extents.insert(shard, (state.first, state.last, false));
        }
        both
    }

    fn log(&self) -> &Embedded {
        self.log.as_ref().expect("open between operations")
    }

    async fn reopen(&mut self) {
        self.log = None;
        let options = Options { shards: SHARDS, ..Options::default() };
        self.log = Some(Embedded::open(open_database(self.dir.path()).unwrap(), options).unwrap());
    }

    async fn run(&mut self, op: Op) {
        match op {
            Op::Append { room: n, nonce, expect } => self.append(room(n), nonce, expect).await,
            Op::Replay { room: n, after, most } => self.replay(room(n), after, usize::from(most)).await,
            Op::Tail { room: n, after, most } => {
                let mut tail = self.model.of(room(n), self.model.position(after));
                tail.truncate(usize::from(most));
                let after = self.model.position(after);
                assert_eq!(without_time(self.log().tail(room(n), after, usize::from(most)).await.unwrap()), tail);
            }
            Op::Heads => {
                let rooms: Vec<_> = (0..=ROOMS).map(room).collect();
                let heads: Vec<_> = rooms.iter().map(|room| self.model.head(*room)).collect();
                assert_eq!(self.log().heads(&rooms, true).await.unwrap(), heads);
            }
            Op::Work { shard, most } => self.work(Shard::new(shard).unwrap(), most).await,
            Op::Rebase { shard, behind } => self.rebase(Shard::new(shard).unwrap(), behind).await,
            Op::Reopen => {
                self.reopen().await;
                // Nonces of what a rebase purged do not outlive a restart.
                let events = &self.model.events;
                self.model
                    .nonces
                    .retain(|_, place| events.iter().any(|(shard, _, event)| (*shard, event.seq) == *place));
            }
        }
        self.compare_extents().await;
    }

    async fn append(&mut self, to: ConversationId, nonce: u8, expect: Option<u8>) {
        let head = self.model.head(to);
        let expect = expect.map(|off| Seq::new(head.unwrap_or_default().get() + u64::from(off)).unwrap());
        let event = Bytes::from(vec![nonce; usize::from(nonce)]);
        let name = Nonce::hash(&[&to.as_u128().to_be_bytes(), &[nonce]]);
        let answer = self.log().append(to, name, event.clone(), expect).await;
        if let Some((_, first)) = self.model.nonces.get(&(to, nonce)) {
            let appended = answer.unwrap();
            assert_eq!((appended.seq, appended.duplicate), (*first, true));
        } else if expect.is_some_and(|expect| expect != head.unwrap_or_default()) {
            assert!(matches!(answer, Err(BusError::WrongHead(Some(known))) if known == head.unwrap_or_default()));
        } else {
            let shard = self.log().shard_of(to);
            let (_, last, _) = self.model.extents.get_mut(&shard).unwrap();
            *last = last.next();
            let appended = answer.unwrap();
            assert_eq!((appended.seq, appended.duplicate), (*last, false));
            let prev = head.map_or(Prev::AskTheLog, Prev::Known);
            self.model.events.push((
                shard,
                to,
                Logged { seq: *last, prev, at: Default::default(), event, trace: None },
            ));
            self.model.nonces.insert((to, nonce), (shard, appended.seq));
        }
    }

    async fn replay(&self, of: ConversationId, after: Option<u8>, most: usize) {
        let after = self.model.position(after);
        let (first, last, dropped) = self.model.extents[&self.log().shard_of(of)];
        let head = self.model.head(of).unwrap_or_default();
        let mut events = self.model.of(of, after);
        let expected = if after > last {
            Replay::Ahead { head }
        } else if if after == Seq::ZERO { dropped } else { after.next() < first } {
            Replay::TooOld { first, head }
        } else if events.len() > most {
            events.truncate(most);
            Replay::More(events)
        } else {
            Replay::Recovered(events)
        };
        let found = match self.log().replay(of, after, most).await.unwrap() {
            Replay::More(events) => Replay::More(without_time(events)),
            Replay::Recovered(events) => Replay::Recovered(without_time(events)),
            other => other,
        };
        assert_eq!(found, expected);
    }

    /// Everything that is open is delivered once to whoever asks; what is retried at once comes to the next.
    async fn work(&mut self, shard: Shard, most: u8) {
        let open = {
            let settled = self.model.settled.entry(shard).or_default();
            let of_shard = self.model.events.iter().filter(|(of, ..)| *of == shard).map(|(_, _, event)| event.seq);
            of_shard.filter(|seq| !settled.contains(seq)).count()
        };
        let mut stream = self.log().consume(shard).await.unwrap();
        let mut again = Vec::new();
        for n in 0..open.min(usize::from(most)) {
            let delivery = stream.next().await.expect("goes on");
            let seq = delivery.logged.seq;
            let (_, of, said) =
                self.model.events.iter().find(|(of, _, event)| *of == shard && event.seq == seq).unwrap();
            assert_eq!((delivery.conversation, &delivery.logged.event), (*of, &said.event));
            if n % 2 == 0 {
                delivery.settle.ack().await.unwrap();
                self.model.settled.entry(shard).or_default().push(seq);
            } else {
                again.push(delivery);
            }
        }
        for delivery in again {
            delivery.settle.retry(std::time::Duration::ZERO).await.unwrap();
        }
        if open == 0 {
            assert!(stream.next().now_or_never().is_none(), "there is nothing to do");
        }
    }

    async fn rebase(&mut self, shard: Shard, behind: u8) {
        let (_, last, _) = self.model.extents[&shard];
        let mark = Seq::new(last.get() + u64::from(behind)).unwrap();
        self.log().guard(shard, mark).await.unwrap();
        let went_back = if behind == 0 { vec![] } else { vec![shard] };
        assert_eq!(self.log().status().went_back, went_back);
        let floor = self.log().rebase(shard).await.unwrap();
        assert!(floor > mark);
        self.model.events.retain(|(of, ..)| *of != shard);
        self.model.settled.remove(&shard);
        let last = Seq::new(floor.get() - 1).unwrap();
        self.model.extents.insert(shard, (floor, last, true));
    }

    async fn compare_extents(&self) {
        for (shard, (first, last, _)) in &self.model.extents {
            let state = self.log().shard_state(*shard).await.unwrap();
            assert_eq!((state.first, state.last), (*first, *last));
            assert!(state.settled <= *last && state.settled.next() >= *first);
            assert!(state.pending <= last.get() - state.settled.get());
            assert_eq!(state.bytes > 0, last >= first);
        }
    }
}

fn without_time(events: Vec<Logged>) -> Vec<Logged> {
    events.into_iter().map(|event| Logged { at: Default::default(), ..event }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_log_is_what_the_model_says(ops in prop::collection::vec(op(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        runtime.block_on(async {
            let mut both = Both::new().await;
            for op in ops {
                both.run(op).await;
            }
        });
    }
}
