//! Users who come and go, as their gateways say it, and the truth about them.
//!
//! The gateways are played: what they say and ask goes over a real NATS server to real workers, in the real words of
//! `chat_protocol::presence`, as often as gateways say it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chat_bus::{Log, Topic};
use chat_protocol::presence::{self, Beat, End, Lease, pack_ends, pack_leases};
use chat_protocol::{NodeId, UserId};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Gateways that the users are at.
const GATEWAYS: usize = 4;
/// What begins or ends within this is said together, as gateways do.
const GATHER: Duration = Duration::from_millis(50);
/// Sessions in one message, as gateways do.
const PER_MESSAGE: usize = 2_000;

/// Everybody, and how they are.
pub struct Town {
    pub people: Vec<Person>,
    /// The first of them, who never move.
    pub staying: HashSet<UserId>,
    gateways: Vec<NodeId>,
    chance: StdRng,
    /// How many came or went.
    pub changes: u64,
}

/// One user with one device.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    pub id: UserId,
    pub there: bool,
    /// Since when that is so.
    pub since: Instant,
}

/// What one gateway has to say.
#[derive(Default)]
struct Words {
    leases: Vec<Lease>,
    ends: Vec<End>,
}

impl Town {
    /// All are there.
    pub fn new(staying: usize, moving: usize, seed: u64) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        let since = Instant::now();
        let mut id = || chance.random();
        let gateways = (0..GATEWAYS).map(|_| NodeId::from_u128(id())).collect();
        let people: Vec<Person> =
            (0..staying + moving).map(|_| Person { id: UserId::from_u128(id()), there: true, since }).collect();
        let staying = people.iter().take(staying).map(|person| person.id).collect();
        Self { people, staying, gateways, chance, changes: 0 }
    }

    /// So many users come or go; each gateway's words about it.
    fn change(&mut self, count: u64) -> Vec<Words> {
        let mut words: Vec<Words> = (0..GATEWAYS).map(|_| Words::default()).collect();
        let now = Instant::now();
        for _ in 0..count {
            let place = self.chance.random_range(self.staying.len()..self.people.len());
            let person = &mut self.people[place];
            (person.there, person.since) = (!person.there, now);
            let (user, words) = (person.id, &mut words[place % GATEWAYS]);
            // Of what one user did in this moment a gateway says how it ended.
            words.leases.retain(|lease| lease.user != user);
            words.ends.retain(|end| end.user != user);
            if person.there {
                words.leases.push(lease(user));
            } else {
                words.ends.push(End { user, device: DEVICE });
            }
        }
        self.changes += count;
        words
    }

    /// Everybody who is there, by gateway.
    fn all(&self) -> Vec<Words> {
        let mut words: Vec<Words> = (0..GATEWAYS).map(|_| Words::default()).collect();
        for (place, person) in self.people.iter().enumerate().filter(|(_, person)| person.there) {
            words[place % GATEWAYS].leases.push(lease(person.id));
        }
        words
    }
}

const DEVICE: u64 = 1;

fn lease(user: UserId) -> Lease {
    Lease { user, device: DEVICE, idle_s: 0, acted: true }
}

/// Lives for ever: says all sessions once a beat, and what changes at once, so many in a second while `rate` says so.
pub async fn live(town: Arc<Mutex<Town>>, rate: Arc<Mutex<u64>>, log: Arc<dyn Log>, beat: Duration) {
    let gateways = town.lock().gateways.clone();
    let mut tick = interval(GATHER);
    // What could not be said in time is said later: the rate is that of the whole run.
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut next_beat = Instant::now();
    loop {
        tick.tick().await;
        if Instant::now() >= next_beat {
            next_beat = Instant::now() + beat;
            let words = town.lock().all();
            say(&log, &gateways, words).await;
        }
        let changes = *rate.lock() * GATHER.as_millis() as u64 / 1_000;
        if changes > 0 {
            let words = town.lock().change(changes);
            say(&log, &gateways, words).await;
        }
    }
}

async fn say(log: &Arc<dyn Log>, gateways: &[NodeId], words: Vec<Words>) {
    for (gateway, Words { leases, ends }) in gateways.iter().zip(words) {
        let beat = |leases: &[Lease], ends: &[End]| Beat {
            gateway: *gateway,
            leases: pack_leases(leases),
            ends: pack_ends(ends),
            ..Beat::default()
        };
        let beats = leases.chunks(PER_MESSAGE).map(|some| beat(some, &[]));
        for beat in beats.chain(ends.chunks(PER_MESSAGE).map(|some| beat(&[], some))) {
            // One that is lost is made up for by the next, as with gateways.
            let _ = log.emit(&Topic::Beats, presence::encode(&beat)).await;
        }
    }
}
