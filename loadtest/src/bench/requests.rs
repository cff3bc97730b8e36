//! G6 and G4d: what requests cost beside a bare route (B8), and how often they ask the store.
//!
//! The conversation whose pages are read is filled over WebSocket, and persisted, before anything is measured: its old
//! pages come from the store. Store queries are counted by the server itself.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use chat_protocol::ConversationId;
use serde_json::{Value, json};

use super::{
    Goal, Options, Ratio, Ratios,
    servers::{Chat, Log, metric, metric_without},
};
use crate::{
    connect::Sources,
    crowd::Crowd,
    drive::{Room, closed_loop},
    http::Connection,
    process::{Cores, Watched},
    raw::{ServerKind, http, start},
    service::{Account, Service},
    stamp::Clock,
    stats::{Latency, Runs},
};

/// Connections that ask at the same time.
const CONNECTIONS: usize = 32;
/// Requests one after the other, to see how long one takes and what it asks the store.
const ALONE: usize = 200;
/// Sockets that fill a conversation, and what they have in flight.
const FILLERS: usize = 16;
const IN_FLIGHT: usize = 1_000;
/// For everything to be persisted.
const PATIENCE: Duration = Duration::from_secs(900);
/// Looks, half a second apart, that must find nothing left to persist.
const SETTLED_LOOKS: usize = 20;
/// Conversations of one user: as many as one may have.
const CONVERSATIONS: usize = 2_000;
/// Members who read one hot conversation, and their reads in all.
const READERS: usize = 100;
const READS: usize = 10_000;
/// What a persister asks of the store for every batch.
const PERSISTING: [&str; 3] = ["query=\"apply\"", "query=\"mark\"", "query=\"raise_mark\""];

pub(super) fn measure(options: &Options, log: &Log, cores: Cores, ratios: &mut Ratios) -> anyhow::Result<()> {
    let (raw, raw_at) = start(ServerKind::Http, 1, cores)?;
    let raw_watched = [Watched { class: "raw".to_owned(), pid: raw.pid() }];
    let chat = Chat::start(options, log, cores)?;
    let persister = chat.persister(options, cores)?;
    let mut service = Service::new(chat.public, 0);
    let accounts = service.register(READERS)?;
    let conversation = service.create_group(&accounts)?;
    let mut bench = Bench { options, log, chat: &chat, raw_at, raw: &raw_watched, ratios };
    let owner = &accounts[0];

    let path = format!("/v1/conversations/{conversation}/messages");
    let text = json!({ "text": "x".repeat(150) });
    let send = |connection: &mut Connection| connection.ask("POST", &path, Some(&owner.token), Some(&text));
    bench.row("G6 send", Goal::AtLeast { must: 0.5, target: 0.7 }, send)?;

    let filled = fill(options, &mut service, owner, conversation, &chat)?;
    settle(persister.as_ref().map_or(chat.ops, |persister| persister.ops))?;
    let (first, head) = bench.ends(owner, conversation)?;
    let page = Goal::AtLeast { must: 0.6, target: 0.8 };
    let newest = format!("{path}?limit=10");
    bench.row(&format!("G6 newest page of {filled} messages"), page, get(&newest, owner))?;
    let anywhere = |connection: &mut Connection| {
        let before = rand::random_range(first..head);
        connection.ask("GET", &format!("{path}?limit=10&before={before}"), Some(&owner.token), None)
    };
    bench.row(&format!("any page of {filled} messages"), Goal::None, anywhere)?;
    bench.hot_readers(&accounts, &newest, &text)?;

    let owner = &service.register(1)?[0];
    bench.conversations(owner)?;
    let list = "/v1/conversations?limit=10";
    bench.row(&format!("own list, {CONVERSATIONS} conversations"), Goal::None, get(list, owner))
}

struct Bench<'a> {
    options: &'a Options,
    log: &'a Log,
    chat: &'a Chat,
    raw_at: SocketAddr,
    raw: &'a [Watched],
    ratios: &'a mut Ratios,
}

impl Bench<'_> {
    /// Requests per CPU-second beside the bare route's, in turns; then some alone.
    fn row(
        &mut self,
        what: &str,
        goal: Goal,
        mut ask: impl FnMut(&mut Connection) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let window = Duration::from_secs(self.options.timing.window);
        // The gateway's own cost: what NATS and the database take for it stands in their rows.
        let gateway = &self.chat.watched[..1];
        // New ones for each row: a server closes connections that are silent for long.
        let (mut to_raw, mut to_ours) = (connections(self.raw_at)?, connections(self.chat.public)?);
        let (mut baseline, mut ours, mut ratio) = (Runs::default(), Runs::default(), Runs::default());
        for _ in 0..self.options.timing.runs {
            let (requests, cpu) = http::measure(&mut to_raw, self.raw, window, http::ask_for_page)?;
            let bare = requests as f64 / cpu;
            let (requests, cpu) = http::measure(&mut to_ours, gateway, window, &mut ask)?;
            baseline.push(bare);
            ours.push(requests as f64 / cpu);
            ratio.push(requests as f64 / cpu / bare);
        }
        let (mut took, before) = (Latency::default(), queries(self.chat.ops)?);
        for _ in 0..ALONE {
            let began = Instant::now();
            ask(&mut to_ours[0])?;
            let answer = to_ours[0].answer()?;
            took.record(began.elapsed().as_nanos() as u64);
            ensure!((200..300).contains(&answer.status), "{what}: status {}", answer.status);
        }
        let per_request = (queries(self.chat.ops)? - before) / ALONE as f64;
        let alone = format!(
            "{}; alone {:.2} ms, p99 {:.2}, {per_request:.2} store queries",
            ratio.text(2),
            took.ms(0.5),
            took.ms(0.99),
        );
        self.ratios.add(Ratio {
            metric: format!("{what}, {}", self.log.name()),
            unit: "requests per CPU-s",
            baseline: baseline.median(),
            ours: ours.median(),
            ratio: ratio.median(),
            spread: alone,
            goal,
            void: String::new(),
        });
        Ok(())
    }

    /// Reads of the newest page of one conversation, on all connections at once, while somebody writes in it.
    fn hot_readers(&mut self, readers: &[Account], page: &str, text: &Value) -> anyhow::Result<()> {
        let path = page.split('?').next().unwrap_or_default();
        let mut ours = connections(self.chat.public)?;
        let before = queries(self.chat.ops)?;
        let (mut reads, mut writes, mut number) = (0, 0, 0);
        while reads < READS {
            let (writer, others) = ours.split_first_mut().context("there are connections")?;
            writer.ask("POST", path, Some(&readers[0].token), Some(text))?;
            for connection in others.iter_mut() {
                number += 1;
                connection.ask("GET", page, Some(&readers[number % readers.len()].token), None)?;
            }
            writes += 1;
            for connection in &mut ours {
                let answer = connection.answer()?;
                ensure!((200..300).contains(&answer.status), "status {}", answer.status);
            }
            reads += CONNECTIONS - 1;
        }
        let asked = queries(self.chat.ops)? - before;
        self.ratios.add(Ratio {
            metric: format!("G4d store queries ÷ reads of a hot conversation, {}", self.log.name()),
            unit: "queries",
            baseline: reads as f64,
            ours: asked,
            ratio: asked / reads as f64,
            spread: format!("{READERS} readers, {writes} messages meanwhile"),
            goal: Goal::AtMost { must: 0.01, target: 0.001 },
            void: String::new(),
        });
        Ok(())
    }

    /// Positions between which a conversation's messages lie.
    fn ends(&self, reader: &Account, of: ConversationId) -> anyhow::Result<(u64, u64)> {
        let path = format!("/v1/conversations/{of}/messages");
        let mut connections = connections(self.chat.public)?;
        let mut end = |query: &str| {
            let answer = connections[0].call("GET", &format!("{path}?limit=1&{query}"), Some(&reader.token), None)?;
            let page: Value = serde_json::from_slice(&answer.body)?;
            page["items"][0]["seq"].as_u64().context("a message with a position")
        };
        Ok((end("after=0")?, end("")?))
    }

    /// As many conversations as one user may have, each with a message.
    fn conversations(&self, owner: &Account) -> anyhow::Result<()> {
        let token = Some(owner.token.as_str());
        let (mut ours, mut made) = (connections(self.chat.public)?, Vec::new());
        while made.len() < CONVERSATIONS {
            let some = (CONVERSATIONS - made.len()).min(CONNECTIONS);
            for connection in &mut ours[..some] {
                connection.ask(
                    "POST",
                    "/v1/conversations",
                    token,
                    Some(&json!({ "kind": "group", "title": "one of many" })),
                )?;
            }
            for connection in &mut ours[..some] {
                let answer: Value = serde_json::from_slice(&connection.answer()?.body)?;
                made.push(answer["id"].as_str().context("a conversation's id")?.to_owned());
            }
        }
        for some in made.chunks(CONNECTIONS) {
            for (connection, of) in ours.iter_mut().zip(some) {
                let path = format!("/v1/conversations/{of}/messages");
                connection.ask("POST", &path, token, Some(&json!({ "text": "hello" })))?;
            }
            for connection in &mut ours[..some.len()] {
                ensure!(connection.answer()?.status == 201, "a message was refused");
            }
        }
        Ok(())
    }
}

fn connections(to: SocketAddr) -> anyhow::Result<Vec<Connection>> {
    let mut sources = Sources::new(64);
    (0..CONNECTIONS).map(|_| Connection::open(to, sources.take())).collect()
}

fn get<'a>(path: &'a str, by: &'a Account) -> impl FnMut(&mut Connection) -> anyhow::Result<()> + 'a {
    move |connection| connection.ask("GET", path, Some(&by.token), None)
}

/// Store queries that a server has made so far; those of persisting, which one process does itself, are left out.
fn queries(ops: SocketAddr) -> anyhow::Result<f64> {
    metric_without(ops, "chat_store_query_seconds_count", &PERSISTING)
}

/// At least as many messages as the options say, over sockets that follow nothing; how many that were.
fn fill(
    options: &Options,
    service: &mut Service,
    by: &Account,
    conversation: ConversationId,
    chat: &Chat,
) -> anyhow::Result<u64> {
    let (clock, mut crowd) = (Clock::start(), Crowd::new()?);
    let members = (0..FILLERS).map(|_| crowd.join(service.enter(by)?)).collect::<anyhow::Result<Vec<_>>>()?;
    let rooms = [Room { conversation, members }];
    let mut filled = 0;
    while filled < options.messages {
        let offer = options.timing.offer(1.0, true);
        let some = closed_loop(&mut crowd, &rooms, IN_FLIGHT, offer, &chat.watched, &clock)?;
        ensure!(some.errors == 0 && some.acked > 0, "{} errors: {:?}", some.errors, some.first_error);
        filled += some.acked;
    }
    Ok(filled)
}

/// Waits until the store has all that the log holds.
fn settle(ops: SocketAddr) -> anyhow::Result<()> {
    let (begun, mut settled) = (Instant::now(), 0);
    // The figure is a few seconds old at any time.
    while settled < SETTLED_LOOKS {
        ensure!(begun.elapsed() < PATIENCE, "the log is not persisted");
        settled = if metric(ops, "chat_persister_lag_events")? > 0.0 { 0 } else { settled + 1 };
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}
