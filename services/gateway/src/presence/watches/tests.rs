use chat_protocol::{SessionId, codec::Codec};
use proptest::prelude::*;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::{conn::Identity, heartbeat::Heartbeat, outbox::Outbox};

const fn user(number: u128) -> UserId {
    UserId::from_u128(1_000 + number)
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(1_000_000_000 + ms)
}

fn is(number: u128, state: PresenceState) -> Presence {
    Presence { user: user(number), state, text: None, last_seen: None }
}

fn all(users: &[UserId]) -> HashSet<UserId> {
    users.iter().copied().collect()
}

/// A socket of one user. Nobody reads it: here nothing is written.
async fn conn(number: u128) -> Arc<Conn> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let identity = Identity {
        user: user(number),
        session: SessionId::from_u128(number),
        device: 1,
        token_issued_at: at(0),
        token_expires_at: at(900_000),
    };
    let outbox = Arc::new(Outbox::new(stream, 256 * 1024));
    let heartbeat = Heartbeat::new(at(0), 25_000, 10_000, 1);
    Arc::new(Conn::new(SocketId::from_u128(number), &identity, at(0), Codec::Json, outbox, heartbeat, &[]))
}

/// Alice's socket watches users whom she may see and who were shown as offline.
async fn watching(users: &[UserId]) -> (Watches, Arc<Conn>) {
    let (watches, alice) = (Watches::default(), conn(0).await);
    assert_eq!(watches.add(&alice, users, at(0)).unwrap().len(), users.len());
    watches.decide(alice.socket, users, &all(users), at(0));
    assert!(watches.view(alice.socket, users, false).iter().all(|state| state.state == PresenceState::Offline));
    (watches, alice)
}

fn due(watches: &Watches, now: Timestamp) -> Vec<Vec<UserId>> {
    watches.take_due(now, 10).into_iter().map(|due| due.users).collect()
}

#[tokio::test]
async fn five_hundred_are_watched_and_no_more() {
    let (watches, alice) = (Watches::default(), conn(0).await);
    let many: Vec<UserId> = (1..=limits::WATCHES as u128).map(user).collect();
    assert_eq!(watches.add(&alice, &many, at(0)).unwrap().len(), many.len());
    assert!(watches.add(&alice, &many, at(0)).unwrap().is_empty(), "who is watched already takes no place");
    assert!(watches.add(&alice, &[user(1), user(501)], at(0)).is_err());
    assert_eq!(watches.len(), many.len(), "who is refused leaves nothing behind");
    watches.remove(alice.socket, &[user(1)]);
    assert_eq!(watches.add(&alice, &[user(501), user(501)], at(0)).unwrap(), [user(501)]);
}

#[tokio::test]
async fn one_frame_in_two_seconds_with_the_newest_of_each() {
    let (watches, alice) = watching(&[user(1), user(2)]).await;
    assert!(watches.learn(vec![is(1, PresenceState::Online)], at(10)));
    assert_eq!(due(&watches, at(10)), [[user(1)]]);
    watches.view(alice.socket, &[user(1)], true);
    watches.learn(vec![is(1, PresenceState::Away)], at(20));
    watches.learn(vec![is(1, PresenceState::Dnd), is(2, PresenceState::Online)], at(30));
    assert_eq!((watches.next_due(), due(&watches, at(10 + PAUSE_MS - 1)).len()), (Some(at(10 + PAUSE_MS)), 0));
    let mut users = due(&watches, at(10 + PAUSE_MS)).remove(0);
    users.sort();
    assert_eq!(users, [user(1), user(2)]);
    let view = watches.view(alice.socket, &users, true);
    assert_eq!(view, [is(1, PresenceState::Dnd), is(2, PresenceState::Online)]);
    assert_eq!(watches.next_due(), None);
}

#[tokio::test]
async fn what_is_as_it_was_shown_is_not_shown_again() {
    let (watches, alice) = watching(&[user(1)]).await;
    watches.learn(vec![is(1, PresenceState::Online)], at(10));
    watches.learn(vec![is(1, PresenceState::Offline)], at(20));
    assert_eq!(watches.view(alice.socket, &due(&watches, at(20))[0], true), [], "there and gone in between");
    assert!(!watches.learn(vec![is(1, PresenceState::Offline)], at(3_000)), "nothing new");
    assert!(!watches.learn(vec![is(9, PresenceState::Online)], at(3_000)), "nobody watches them");
    // What could not be written is shown once more, although it counted as shown.
    watches.learn(vec![is(1, PresenceState::Online)], at(3_000));
    let users = due(&watches, at(3_000)).remove(0);
    assert_eq!(watches.view(alice.socket, &users, true).len(), 1);
    watches.again(alice.socket, &users, at(3_000));
    let users = due(&watches, at(3_000 + PAUSE_MS)).remove(0);
    assert_eq!(watches.view(alice.socket, &users, true), [is(1, PresenceState::Online)]);
}

#[tokio::test]
async fn nothing_is_shown_before_it_is_decided_and_who_is_hidden_is_offline() {
    let (watches, alice) = (Watches::default(), conn(0).await);
    let users = [user(1), user(2)];
    watches.add(&alice, &users, at(0)).unwrap();
    watches.learn(vec![is(1, PresenceState::Online), is(2, PresenceState::Online)], at(10));
    assert!(due(&watches, at(10)).is_empty(), "the answer is still on its way");
    watches.decide(alice.socket, &users, &all(&[user(1)]), at(20));
    let view = watches.view(alice.socket, &users, false);
    assert_eq!(view, [is(1, PresenceState::Online), hidden(user(2))]);
    let busy = Presence { text: Some("secret".into()), ..is(2, PresenceState::Dnd) };
    watches.learn(vec![busy], at(5_000));
    assert_eq!(watches.view(alice.socket, &due(&watches, at(5_000))[0], true), [], "a stranger sees no change");
}

#[tokio::test]
async fn who_may_see_whom_is_decided_anew_after_a_minute_and_when_in_doubt() {
    let (watches, alice) = watching(&[user(1), user(2)]).await;
    let undecided = |now| {
        let due = watches.take_due(now, 10);
        due.into_iter().flat_map(|due| due.undecided).collect::<Vec<_>>()
    };
    watches.learn(vec![is(1, PresenceState::Online)], at(SIGHT_MS - 1));
    assert_eq!(undecided(at(SIGHT_MS - 1)), []);
    watches.learn(vec![is(1, PresenceState::Away)], at(SIGHT_MS * 2));
    assert_eq!(undecided(at(SIGHT_MS * 2)), [user(1)]);
    let now = at(SIGHT_MS * 3);
    watches.decide(alice.socket, &[user(1), user(2)], &all(&[user(1)]), now);
    assert!(!watches.doubt_between(ConversationId::direct(user(1), user(2)), now), "neither of them watches here");
    assert!(watches.doubt_between(ConversationId::direct(user(2), user(0)), now));
    assert_eq!(undecided(now), [user(2)], "only who blocks");
    assert!(watches.doubt(alice.socket, now));
    assert_eq!(undecided(now.plus_ms(PAUSE_MS)).len(), 2, "everybody");
}

#[tokio::test]
async fn a_turn_takes_no_more_than_its_part_and_the_others_are_next() {
    let watches = Watches::default();
    for number in 0..5 {
        let conn = conn(number).await;
        watches.add(&conn, &[user(9)], at(0)).unwrap();
        watches.decide(conn.socket, &[user(9)], &all(&[user(9)]), at(0));
    }
    watches.learn(vec![is(9, PresenceState::Online)], at(10));
    let sizes: Vec<usize> = (0..4).map(|_| watches.take_due(at(10), 2).len()).collect();
    assert_eq!(sizes, [2, 2, 1, 0]);
}

/// What may happen to two sockets and four users.
#[derive(Debug, Clone)]
enum Act {
    Add(usize, Vec<u128>),
    Remove(usize, Vec<u128>),
    End(usize),
    Learn(u128, bool),
    Decide(usize, Vec<u128>, bool),
    Show(usize),
    Doubt(usize),
    Pass(i64),
}

fn act() -> impl Strategy<Value = Act> {
    let some = || prop::collection::vec(1_u128..5, 0..4);
    prop_oneof![
        (0_usize..2, some()).prop_map(|(socket, users)| Act::Add(socket, users)),
        (0_usize..2, some()).prop_map(|(socket, users)| Act::Remove(socket, users)),
        (0_usize..2).prop_map(Act::End),
        (1_u128..5, any::<bool>()).prop_map(|(user, there)| Act::Learn(user, there)),
        (0_usize..2, some(), any::<bool>()).prop_map(|(socket, users, seen)| Act::Decide(socket, users, seen)),
        (1_usize..3).prop_map(Act::Show),
        (0_usize..2).prop_map(Act::Doubt),
        (1_i64..3_000).prop_map(Act::Pass),
    ]
}

/// Every index says the same, and nothing is kept of whom nobody watches.
fn is_whole(inner: &Inner) {
    for (socket, watcher) in &inner.watchers {
        assert!(!watcher.watched.is_empty() && watcher.watched.len() <= limits::WATCHES);
        assert!(watcher.pending.iter().all(|user| watcher.watched.contains_key(user)));
        assert!(watcher.watched.keys().all(|user| inner.by_user[user].contains(socket)));
        assert!(watcher.due.is_none_or(|at| inner.due.contains(&(at, *socket))));
    }
    for (user, sockets) in &inner.by_user {
        assert!(!sockets.is_empty() && all_different(sockets));
        assert!(sockets.iter().all(|socket| inner.watchers[socket].watched.contains_key(user)));
    }
    assert!(inner.known.keys().all(|user| inner.by_user.contains_key(user)));
    let noted = inner.watchers.values().filter(|watcher| watcher.due.is_some()).count();
    assert_eq!(inner.due.len(), noted);
}

fn all_different(sockets: &[SocketId]) -> bool {
    sockets.iter().collect::<HashSet<_>>().len() == sockets.len()
}

proptest! {
    /// However sockets and users come, go and change: the indices agree, no socket is due twice within the pause, and
    /// in the end nothing is left.
    #[test]
    fn nothing_is_forgotten_and_nothing_is_left(acts in prop::collection::vec(act(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let conns = runtime.block_on(async { [conn(101).await, conn(102).await] });
        let (watches, mut now) = (Watches::default(), 0);
        let mut shown_at: HashMap<SocketId, i64> = HashMap::new();
        let users = |numbers: Vec<u128>| numbers.into_iter().map(user).collect::<Vec<_>>();
        for act in acts {
            match act {
                Act::Add(socket, some) => drop(watches.add(&conns[socket], &users(some), at(now)).unwrap()),
                Act::Remove(socket, some) => watches.remove(conns[socket].socket, &users(some)),
                Act::End(socket) => {
                    watches.end(conns[socket].socket);
                    shown_at.remove(&conns[socket].socket);
                }
                Act::Learn(user, there) => {
                    let state = if there { PresenceState::Online } else { PresenceState::Offline };
                    watches.learn(vec![is(user, state)], at(now));
                }
                Act::Decide(socket, some, seen) => {
                    let some = users(some);
                    let visible = if seen { all(&some) } else { HashSet::new() };
                    watches.decide(conns[socket].socket, &some, &visible, at(now));
                }
                Act::Show(most) => {
                    for due in watches.take_due(at(now), most) {
                        let before = shown_at.insert(due.conn.socket, now);
                        let early = before.is_some_and(|before| now - before < PAUSE_MS);
                        prop_assert!(!early, "shown twice within the pause");
                        watches.view(due.conn.socket, &due.users, true);
                    }
                }
                Act::Doubt(socket) => _ = watches.doubt(conns[socket].socket, at(now)),
                Act::Pass(ms) => now += ms,
            }
            let inner = watches.inner.lock();
            is_whole(&inner);
            // One that watched nobody for a moment begins anew.
            shown_at.retain(|socket, _| inner.watchers.contains_key(socket));
        }
        conns.iter().for_each(|conn| watches.end(conn.socket));
        let inner = watches.inner.lock();
        prop_assert!(inner.watchers.is_empty() && inner.by_user.is_empty());
        prop_assert!(inner.known.is_empty() && inner.due.is_empty());
    }
}
