//! Does what positions, outbox and backoff decide: one socket after another, over any of the gateways.

mod socket; // one socket's life, from its first frame to its end

use std::{sync::Arc, time::Duration};

use chat_protocol::{
    ErrorCode,
    frame::{Ack, ClientFrame, SecretText},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

use crate::{
    CommandError, Config, Happened, Rest, SendError, Stopped,
    answers::Answers,
    backoff::Backoff,
    client::{Command, Waiter},
    clock::ServerClock,
    outbox::Outbox,
    positions::Positions,
    wire::{Wire, told_to_wait},
    wishes::Wishes,
};

/// Sends that one client holds without an answer; more wait in their callers.
const SENDS: usize = 1_000;

pub(crate) async fn run(
    config: Config,
    rest: Rest,
    clock: Arc<ServerClock>,
    commands: mpsc::Receiver<Command>,
    outlet: mpsc::Sender<Happened>,
) {
    let positions = Positions::new(config.cursors.clone(), config.repair_gaps);
    let outbox = Outbox::new(config.give_up_after);
    let (access_token, refresh_token) = (config.access_token.clone(), config.refresh_token.clone());
    let driver = Driver {
        started: Instant::now(),
        gateway: 0,
        sockets: 0,
        resume_token: None,
        backoff: Backoff::new(),
        config,
        rest,
        clock,
        commands,
        outlet,
        positions,
        outbox,
        answers: Answers::new(),
        wishes: Wishes::default(),
        access_token,
        refresh_token,
    };
    driver.run().await;
}

type Answer = oneshot::Sender<Result<Ack, SendError>>;

struct Driver {
    config: Config,
    rest: Rest,
    clock: Arc<ServerClock>,
    commands: mpsc::Receiver<Command>,
    outlet: mpsc::Sender<Happened>,
    positions: Positions,
    outbox: Outbox<Answer>,
    answers: Answers<Waiter>,
    wishes: Wishes,
    backoff: Backoff,
    access_token: SecretText,
    refresh_token: Option<SecretText>,
    resume_token: Option<SecretText>,
    started: Instant,
    /// Which gateway is next.
    gateway: usize,
    sockets: u32,
}

/// How one socket ended, and what comes next.
enum End {
    Stop(Stopped),
    /// After the usual wait, or the one that was told.
    Again {
        code: Option<u16>,
        after: Option<Duration>,
    },
    /// There was no socket to begin with. After the usual wait, at least the one that was told.
    NotOpened {
        told: Option<Duration>,
    },
    /// The access token is over.
    Renew,
    /// The next socket is open already; the present one stays until that is live.
    Moved {
        old: Option<Box<Wire>>,
        new: Box<Wire>,
    },
}

impl Driver {
    async fn run(mut self) {
        let mut end = self.one_socket().await;
        let stopped = loop {
            match end {
                End::Stop(stopped) => break stopped,
                End::Again { code, after } => {
                    self.disconnected(code).await;
                    let after = after.unwrap_or_else(|| self.backoff.next(rand::random()));
                    if let Some(stopped) = self.wait(after).await {
                        break stopped;
                    }
                }
                End::NotOpened { told } => {
                    self.tell(Happened::NotConnected).await;
                    // Another gateway may have room; the only one there is has asked to be left alone.
                    let told = told.filter(|_| self.config.gateways.len() == 1).unwrap_or_default();
                    let after = self.backoff.next(rand::random()).max(told);
                    if let Some(stopped) = self.wait(after).await {
                        break stopped;
                    }
                }
                End::Renew => {
                    self.disconnected(ErrorCode::TokenExpired.close()).await;
                    self.resume_token = None;
                    if let Err(stopped) = self.renew().await {
                        break stopped;
                    }
                }
                End::Moved { old, new } => {
                    self.let_go();
                    self.tell(Happened::Moved).await;
                    self.aim();
                    end = self.serve(*new, old.map(|old| *old)).await;
                    continue;
                }
            }
            self.gateway = self.gateway.wrapping_add(1);
            end = self.one_socket().await;
        };
        self.tell(Happened::Stopped(stopped)).await;
    }

    async fn one_socket(&mut self) -> End {
        let Some(base) = self.aim() else { return End::Stop(Stopped::ByItself) };
        match Wire::open(&base, self.config.codec).await {
            Ok(wire) => self.serve(wire, None).await,
            Err(err) => {
                tracing::debug!(gateway = base, error = %err, "not connected");
                End::NotOpened { told: told_to_wait(&err) }
            }
        }
    }

    /// Requests and sockets go to the gateway whose turn it is.
    fn aim(&mut self) -> Option<String> {
        let base = self.base(self.gateway)?;
        self.rest = self.rest.at(&base);
        Some(base)
    }

    fn base(&self, turn: usize) -> Option<String> {
        self.config.gateways.get(turn % self.config.gateways.len().max(1)).cloned()
    }

    async fn disconnected(&mut self, code: Option<u16>) {
        self.let_go();
        self.tell(Happened::Lost { code }).await;
    }

    /// What was under way on a socket is under way no more.
    fn let_go(&mut self) {
        self.positions.on_disconnected();
        for waiter in self.answers.on_disconnected() {
            let _ = waiter.send(Err(CommandError::Lost));
        }
        for send in self.outbox.on_disconnected(self.now()) {
            let Self { config, .. } = self;
            let (client_id, conversation) = (send.client_id, send.conversation);
            config.observer.happened(&Happened::Unanswered { client_id, conversation });
        }
    }

    /// Waits without a socket; sends are taken, and given up in time.
    async fn wait(&mut self, after: Duration) -> Option<Stopped> {
        let until = Instant::now() + after;
        loop {
            self.give_up();
            tokio::select! {
                () = sleep_until(until) => return None,
                command = self.commands.recv(), if self.outbox.len() < SENDS => match command {
                    Some(Command::Send { send, answer }) => self.outbox.push(*send, answer, self.now()),
                    Some(Command::Ask { frame, answer }) => {
                        self.note(&frame);
                        let _ = answer.send(Err(CommandError::NotConnected));
                    }
                    // Said to the next socket.
                    Some(Command::Mark(conversation, marked)) => drop(self.wishes.mark(conversation, marked)),
                    Some(Command::Focus(conversations)) => drop(self.wishes.focus(conversations)),
                    Some(Command::Typing(_) | Command::Reconnect) => {}
                    Some(Command::Stop) | None => return Some(Stopped::ByItself),
                },
            }
        }
    }

    /// A fresh access token, for as long as a gateway can be asked.
    async fn renew(&mut self) -> Result<(), Stopped> {
        let expired = Stopped::Refused(ErrorCode::TokenExpired);
        loop {
            let refresh_token = self.refresh_token.clone().ok_or(expired)?;
            match self.rest.refresh(&refresh_token).await {
                Ok(login) => {
                    self.access_token = login.access_token.clone();
                    self.refresh_token = Some(login.refresh_token);
                    self.rest = self.rest.by(login.access_token);
                    return Ok(());
                }
                Err(err) if err.code().is_some_and(|code| code.http().is_some_and(|status| status < 429)) => {
                    return Err(expired);
                }
                Err(_) => {
                    let after = self.backoff.next(rand::random());
                    match self.wait(after).await {
                        Some(stopped) => return Err(stopped),
                        None => self.gateway = self.gateway.wrapping_add(1),
                    }
                }
            }
        }
    }

    fn give_up(&mut self) {
        let now = self.now();
        for (_, answer, last) in self.outbox.give_up(now) {
            // Whoever waited may have left.
            let _ = answer.send(Err(SendError::GaveUp { last }));
        }
    }

    /// What is to be said again to every socket.
    fn note(&mut self, frame: &ClientFrame) {
        if let ClientFrame::Watch(watch) = frame {
            self.wishes.watch(&watch.add, &watch.remove);
        }
    }

    /// What may be lost is, when the reader lags: events must not wait behind it.
    fn mention(&self, what: Happened) {
        self.config.observer.happened(&what);
        let _ = self.outlet.try_send(what);
    }

    /// Observers hear it at once, the reader as soon as it reads.
    async fn tell(&mut self, what: Happened) {
        self.config.observer.happened(&what);
        // A reader that is gone wants to know nothing.
        let _ = self.outlet.send(what).await;
    }

    fn observe(&self, what: &Happened) {
        self.config.observer.happened(what);
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}
