//! Who does what, in which order: all of it from one seed. Pure.
//!
//! Each user performs their own acts one after the other, all users at once. An act that concerns a message names the
//! earlier act that said it, and waits for that: so the acts are the same in every run, and nobody waits in a circle.

use chat_protocol::event::ReactionOp;
use chat_protocol::rights::Role;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Everybody. The first one owns every room and is always in.
pub const USERS: usize = 8;
pub const ROOMS: usize = 3;
/// Whoever can pin: the owner, and the second one for as long as they are a moderator.
const MODERATORS: usize = 2;
const EMOJI: [&str; 4] = ["👍", "🎉", "+1", "❤️"];
const ROLES: [Role; 4] = [Role::Guest, Role::Member, Role::Moderator, Role::Admin];

/// One act.
#[derive(Debug, Clone)]
pub struct Act {
    pub by: usize,
    /// The gateway that is asked first, if it is a request.
    pub gateway: usize,
    /// Over the socket, where there is a frame for it.
    pub by_frame: bool,
    pub what: What,
}

/// A message is named by the number of the act that says it.
#[derive(Debug, Clone)]
pub enum What {
    Say { room: usize, mentions: Option<Mentioned>, answers: Option<usize> },
    Edit { message: usize },
    Delete { messages: Vec<usize> },
    React { message: usize, emoji: &'static str, op: ReactionOp },
    Pin { message: usize, present: bool },
    Read { message: usize },
    Change { room: usize, user: usize, to: Membership },
    Title { room: usize },
    Own { room: usize, pinned: bool, archived: bool },
    Move,
}

#[derive(Debug, Clone, Copy)]
pub enum Mentioned {
    One(usize),
    All,
}

#[derive(Debug, Clone, Copy)]
pub enum Membership {
    Added,
    Removed,
    Banned,
    Lifted,
    Left,
    As(Role),
}

/// So many acts, the same for the same seed.
pub fn acts(seed: u64, count: usize) -> Vec<Act> {
    let mut chance = StdRng::seed_from_u64(seed);
    let (mut said, mut pinned) = (Vec::new(), Vec::new());
    (0..count)
        .map(|number| {
            let act = act(&mut chance, &said, &pinned);
            match act.what {
                What::Say { room, .. } => said.push(Said { number, by: act.by, room }),
                What::Pin { message, present: true } => pinned.push(message),
                _ => {}
            }
            act
        })
        .collect()
}

/// Users who are never put out of a room by any of these acts.
pub fn stays(acts: &[Act], room: usize, user: usize) -> bool {
    !acts.iter().any(|act| match act.what {
        What::Change { room: of, user: whom, to } => of == room && whom == user && !matches!(to, Membership::As(_)),
        _ => false,
    })
}

struct Said {
    number: usize,
    by: usize,
    room: usize,
}

fn act(chance: &mut StdRng, said: &[Said], pinned: &[usize]) -> Act {
    let by = chance.random_range(0..USERS);
    let act = Act { by, gateway: chance.random_range(0..2), by_frame: chance.random(), what: What::Move };
    let moderator = chance.random_range(0..MODERATORS);
    let room = chance.random_range(0..ROOMS);
    // Mostly what was said lately, as people do.
    let lately = said.len().saturating_sub(20);
    let from = if chance.random_bool(0.8) { lately } else { 0 };
    let some = said[from..].choose(chance);
    let own = said.iter().rev().filter(|said| said.by == by).take(8).collect::<Vec<_>>();
    let own = own.choose(chance).copied();
    match (chance.random_range(0..100), some, own) {
        (0..12, _, Some(own)) => Act { what: What::Edit { message: own.number }, ..act },
        (12..16, _, Some(own)) => Act { what: What::Delete { messages: vec![own.number] }, ..act },
        (16..19, Some(some), _) => {
            let more = said.iter().rev().filter(|said| said.room == some.room).take(3).map(|said| said.number);
            Act { by: moderator, what: What::Delete { messages: more.collect() }, ..act }
        }
        (19..36, Some(some), _) => {
            let emoji = EMOJI[chance.random_range(0..EMOJI.len())];
            let op = if chance.random_bool(0.7) { ReactionOp::Add } else { ReactionOp::Remove };
            Act { what: What::React { message: some.number, emoji, op }, ..act }
        }
        (36..42, Some(some), _) => {
            let what = match pinned.choose(chance).filter(|_| chance.random_bool(0.3)) {
                Some(pinned) => What::Pin { message: *pinned, present: false },
                None => What::Pin { message: some.number, present: true },
            };
            Act { by: moderator, what, ..act }
        }
        (42..50, Some(some), _) => Act { what: What::Read { message: some.number }, ..act },
        (50..60, ..) => {
            let user = chance.random_range(1..USERS);
            let to = membership(chance);
            let by = if matches!(to, Membership::Left) { user } else { moderator };
            Act { by, what: What::Change { room, user, to }, ..act }
        }
        (60..63, ..) => Act { by: 0, what: What::Title { room }, ..act },
        (63..66, ..) => {
            let (pinned, archived) = (chance.random(), chance.random());
            Act { what: What::Own { room, pinned, archived }, ..act }
        }
        (66..68, ..) => act,
        _ => {
            let mentions = match chance.random_range(0..6) {
                0 => Some(Mentioned::One(chance.random_range(0..USERS))),
                1 => Some(Mentioned::All),
                _ => None,
            };
            let answers = some.filter(|some| some.room == room && chance.random_bool(0.5)).map(|some| some.number);
            Act { what: What::Say { room, mentions, answers }, ..act }
        }
    }
}

/// Most of those who are put out come back.
fn membership(chance: &mut StdRng) -> Membership {
    match chance.random_range(0..12) {
        0 | 1 => Membership::Removed,
        2 => Membership::Banned,
        3 => Membership::Lifted,
        4 => Membership::Left,
        5..8 => Membership::As(ROLES[chance.random_range(0..ROLES.len())]),
        _ => Membership::Added,
    }
}

#[test]
fn the_same_seed_is_the_same_acts() {
    assert_eq!(format!("{:?}", acts(7, 500)), format!("{:?}", acts(7, 500)));
    assert_ne!(format!("{:?}", acts(7, 500)), format!("{:?}", acts(8, 500)));
}
