//! Bare sockets, many on each of a few threads: they say hello, answer pings, are cut all at once, and resume elsewhere.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, ensure};
use chat_loadtest::connect::{Opening, Sources};
use chat_loadtest::crowd::Crowd;
use chat_protocol::frame::Live;
use serde_json::json;
use tokio::time::{Instant, sleep};

/// Threads that open sockets at the same time.
const THREADS: usize = 4;
/// Sockets opened between two looks at who pings.
const SOME: usize = 50;
const LOOK: Duration = Duration::from_millis(20);

/// What all threads are to do.
const STAY: u8 = 0;
const CUT: u8 = 1;
const RETURN: u8 = 2;
const END: u8 = 3;

/// One socket's user.
#[derive(Clone)]
pub struct Ticket {
    /// Its access token.
    pub token: String,
    /// Whether it comes back after the cut.
    pub returns: bool,
}

/// All of them.
pub struct Bare {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    what: AtomicU8,
    open: AtomicUsize,
    wrong: Mutex<Option<anyhow::Error>>,
}

impl Bare {
    /// Opens one socket for each, by turns at each gateway.
    pub fn enter(gateways: Vec<SocketAddr>, tickets: &[Ticket]) -> Self {
        let shared = Arc::new(Shared::default());
        let threads = tickets.chunks(tickets.len().div_ceil(THREADS)).enumerate().map(|(number, tickets)| {
            let (shared, gateways, tickets) = (Arc::clone(&shared), gateways.clone(), tickets.to_vec());
            std::thread::spawn(move || {
                if let Err(err) = live(number, &gateways, &tickets, &shared) {
                    *shared.wrong.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(err);
                }
            })
        });
        Self { threads: threads.collect(), shared }
    }

    /// Waits until so many are open; how long that took.
    pub async fn are(&self, open: usize, within: Duration) -> anyhow::Result<Duration> {
        let began = Instant::now();
        while self.shared.open.load(SeqCst) != open {
            self.check()?;
            ensure!(began.elapsed() < within, "{} of {open} are open", self.shared.open.load(SeqCst));
            sleep(LOOK).await;
        }
        Ok(began.elapsed())
    }

    /// All are cut, none says good-bye.
    pub fn cut(&self) {
        self.shared.what.store(CUT, SeqCst);
    }

    /// Those who return do, with their resume tokens, at another gateway.
    pub fn come_back(&self) {
        self.shared.what.store(RETURN, SeqCst);
    }

    /// Fails if a socket was refused or closed.
    pub fn check(&self) -> anyhow::Result<()> {
        match self.shared.wrong.lock().ok().and_then(|mut wrong| wrong.take()) {
            Some(err) => Err(err),
            None => Ok(()),
        }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.shared.what.store(END, SeqCst);
        for thread in self.threads.drain(..) {
            // What went wrong there was said already, or is said by the test that ends here.
            let _ = thread.join();
        }
    }
}

/// The life of one thread's sockets.
fn live(number: usize, gateways: &[SocketAddr], tickets: &[Ticket], shared: &Shared) -> anyhow::Result<()> {
    let mut sources = Sources::new(250);
    for _ in 0..number * 60 {
        sources.take();
    }
    let mut crowd = Crowd::new()?;
    let hellos = tickets.iter().enumerate().map(|(place, ticket)| {
        let hello = json!({
            "type": "hello", "token": ticket.token, "device": "storm", "client": "bare", "follow": "none",
        });
        (gateways[place % gateways.len()], hello)
    });
    let Some(resumes) = open(&mut crowd, &mut sources, shared, hellos)? else { return Ok(()) };
    serve_while(STAY, &mut crowd, shared)?;
    drop(crowd);
    shared.open.fetch_sub(tickets.len(), SeqCst);

    while shared.what.load(SeqCst) == CUT {
        std::thread::sleep(LOOK);
    }
    let mut crowd = Crowd::new()?;
    let back = resumes.iter().enumerate().filter(|(place, _)| tickets[*place].returns).map(|(place, resume)| {
        (gateways[(place + 1) % gateways.len()], json!({ "type": "resume", "resume_token": resume }))
    });
    match open(&mut crowd, &mut sources, shared, back)? {
        Some(_) => serve_while(RETURN, &mut crowd, shared),
        None => Ok(()),
    }
}

/// Opens sockets one after the other, each with its first frame, and answers pings meanwhile; with what each comes back.
/// `None` if it is told to end before all are open.
fn open(
    crowd: &mut Crowd,
    sources: &mut Sources,
    shared: &Shared,
    firsts: impl Iterator<Item = (SocketAddr, serde_json::Value)>,
) -> anyhow::Result<Option<Vec<String>>> {
    let mut resumes = Vec::new();
    for (place, (gateway, first)) in firsts.enumerate() {
        let (opening, resume) = enter(gateway, sources, &first)?;
        resumes.push(resume);
        crowd.join(opening)?;
        shared.open.fetch_add(1, SeqCst);
        if place % SOME == 0 {
            crowd.serve(Duration::ZERO)?;
        }
        if shared.what.load(SeqCst) == END {
            return Ok(None);
        }
    }
    Ok(Some(resumes))
}

/// Answers pings; nobody may be closed meanwhile.
fn serve_while(what: u8, crowd: &mut Crowd, shared: &Shared) -> anyhow::Result<()> {
    while shared.what.load(SeqCst) == what {
        crowd.serve(LOOK)?;
        ensure!(crowd.closed().is_empty(), "closed by a gateway: {:?}", crowd.closed().first());
    }
    Ok(())
}

/// A live socket, and with what it comes back.
fn enter(to: SocketAddr, sources: &mut Sources, first: &serde_json::Value) -> anyhow::Result<(Opening, String)> {
    let mut opening = Opening::upgrade(to, sources.take())?;
    opening.say(&first.to_string())?;
    let live: Live = serde_json::from_str(&opening.wait_for("live")?).context("read `live`")?;
    Ok((opening, live.resume_token.expose().to_owned()))
}
