//! Killed with -9 at random points: everything acknowledged is there, nothing is torn, positions go on.
//!
//! The child is this test binary again, running [`appends_until_killed`]: it says on its output what was acknowledged.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use chat_bus::{
    Log, Nonce, Prev, Replay,
    embedded::{Embedded, Options, open_database},
};
use chat_protocol::{ConversationId, Seq};
use futures_util::StreamExt;
use rand::{Rng, SeedableRng, rngs::StdRng};

const ROUNDS: u32 = 20;
const ROOMS: u128 = 5;
const APPENDERS: u32 = 8;
const DIR: &str = "CHAT_BUS_KILL_DIR";
const ROUND: &str = "CHAT_BUS_KILL_ROUND";

fn room(n: u128) -> ConversationId {
    ConversationId::from_u128(n + 1)
}

/// What is said under a name: its length and every byte follow from the name, so a torn one shows.
fn saying(name: &str) -> String {
    let times = 1 + name.bytes().map(usize::from).sum::<usize>() % 300;
    format!("{name} ").repeat(times)
}

fn open(dir: &Path) -> Embedded {
    Embedded::open(open_database(dir).unwrap(), Options::default()).unwrap()
}

#[derive(Default)]
struct Seen {
    /// What was acknowledged: position → (room, name).
    acknowledged: BTreeMap<Seq, (u128, String)>,
    /// What the consumer was about to settle.
    settling: BTreeSet<Seq>,
}

#[tokio::test]
async fn what_was_acknowledged_survives_any_kill() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let dir = tempfile::TempDir::new().unwrap();
    let mut seen = Seen::default();
    for round in 0..ROUNDS {
        let delay = Duration::from_millis(chance.random_range(0..250));
        let before = seen.acknowledged.len();
        run_and_kill(dir.path(), round, delay, &mut seen);
        let opening = Instant::now();
        let log = open(dir.path());
        let opened_in = opening.elapsed();
        let held = check(&log, &seen).await;
        println!(
            "round {round}: killed after {delay:?}, {} acknowledged, {held} held, opened in {opened_in:?}",
            seen.acknowledged.len() - before,
        );
    }
    assert!(seen.acknowledged.len() > 500, "only {}: nothing was tested", seen.acknowledged.len());
    assert!(!seen.settling.is_empty());
}

/// Runs the child until its first acknowledgement and `delay`, kills it, and takes down all it said.
fn run_and_kill(dir: &Path, round: u32, delay: Duration, seen: &mut Seen) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "appends_until_killed", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix('@').map(str::to_owned));
    note(&lines.next().expect("the child says something"), seen);
    let killer = std::thread::spawn(move || {
        std::thread::sleep(delay);
        child.kill().unwrap();
        child.wait().unwrap()
    });
    lines.for_each(|line| note(&line, seen));
    assert!(!killer.join().unwrap().success());
}

/// One line of the child: `a seq room name` or `s seq`. The kill may have cut the last one short.
fn note(line: &str, seen: &mut Seen) {
    let Some(line) = line.strip_suffix('.') else { return };
    let words: Vec<_> = line.split(' ').collect();
    let seq = |word: &str| Seq::new(word.parse().unwrap()).unwrap();
    match words[..] {
        ["a", at, room, name] => {
            let old = seen.acknowledged.insert(seq(at), (room.parse().unwrap(), name.to_owned()));
            assert_eq!(old, None, "position {at} names two events");
        }
        ["s", at] => drop(seen.settling.insert(seq(at))),
        _ => panic!("{line}"),
    }
}

/// Reads the whole log; answers how many it holds.
async fn check(log: &Embedded, seen: &Seen) -> usize {
    let mut held = BTreeMap::new();
    for n in 0..ROOMS {
        let (mut after, mut prev) = (Seq::ZERO, Prev::AskTheLog);
        loop {
            let (events, more) = match log.replay(room(n), after, 1_000).await.unwrap() {
                Replay::More(events) => (events, true),
                Replay::Recovered(events) => (events, false),
                other => panic!("{other:?}"),
            };
            for event in events {
                assert_eq!(event.prev, prev, "the chain of room {n} is whole");
                let said = std::str::from_utf8(&event.event).unwrap();
                let name = said.split(' ').next().unwrap().to_owned();
                assert_eq!(said, saying(&name), "torn");
                (after, prev) = (event.seq, Prev::Known(event.seq));
                held.insert(event.seq, (n, name));
            }
            if !more {
                break;
            }
        }
    }
    for (seq, said) in &seen.acknowledged {
        assert_eq!(held.get(seq), Some(said), "{seq} was acknowledged");
    }
    let names: BTreeSet<_> = held.values().collect();
    assert_eq!(names.len(), held.len(), "nothing is doubled");
    let shard = log.shard_of(room(0));
    let state = log.shard_state(shard).await.unwrap();
    assert_eq!(Some(&state.last), held.keys().last());
    for (seq, _) in held.range(..=state.settled) {
        assert!(seen.settling.contains(seq), "{seq} counts as settled and nobody settled it");
    }
    held.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of the test above"]
async fn appends_until_killed() {
    #[expect(clippy::disallowed_methods, reason = "a test's own child, not configuration")]
    let of = |name| std::env::var_os(name).and_then(|value: OsString| value.into_string().ok());
    let (Some(dir), Some(round)) = (of(DIR), of(ROUND)) else { panic!("only the test above starts this") };
    let log = Arc::new(open(Path::new(&dir)));
    for appender in 0..APPENDERS {
        let (log, round) = (log.clone(), round.clone());
        tokio::spawn(async move {
            for n in 0_u32.. {
                let name = format!("{round}/{appender}/{n}");
                let of = u128::from(n + appender) % ROOMS;
                let nonce = Nonce::hash(&[name.as_bytes()]);
                let appended = log.append(room(of), nonce, Bytes::from(saying(&name)), None).await.unwrap();
                print(&format!("a {} {of} {name}", appended.seq));
                // Said twice: it is stored once.
                let again = log.append(room(of), nonce, Bytes::from(saying(&name)), None).await.unwrap();
                assert_eq!((again.seq, again.duplicate), (appended.seq, true));
            }
        });
    }
    let mut work = log.consume(log.shard_of(room(0))).await.unwrap();
    while let Some(delivery) = work.next().await {
        print(&format!("s {}", delivery.logged.seq));
        delivery.settle.ack().await.unwrap();
    }
}

/// A whole line in one write.
fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("@{line}.\n").as_bytes()).and_then(|()| out.flush()).expect("the parent reads");
}
