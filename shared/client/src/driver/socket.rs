//! One socket's life: hello or resume, what was missed, then live.

use std::time::Duration;

use chat_protocol::{
    ConversationId, ErrorCode, Seq, UserId,
    error::Retry,
    event::LeftReason,
    frame::{Auth, ClientFrame, EventFrame, Failure, Follow, FollowMode, Hello, Ready, Resume, Send, ServerFrame},
    limits,
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Driver, End, SENDS};
use crate::{
    CommandError, Happened, LoggedIn, Page, Rest, RestError, SendError, Stopped,
    answers::Answer,
    client::Command,
    outbox::Failed,
    positions::Step,
    wire::{Heard, Wire},
};

/// Between two tries of what a gateway could not answer.
const PAUSE: Duration = Duration::from_millis(500);
/// Silence until `ready`; later it is what `ready.ping_ms` says, twice, and this.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a client waits that was closed for its own haste.
const AFTER_RATE_LIMIT: Duration = Duration::from_secs(10);
/// Read at once.
const PAGE: usize = limits::PAGE_MAX;

/// What only this socket knows.
struct Socket {
    wire: Wire,
    number: u32,
    /// Set by `ready`.
    user: Option<UserId>,
    live_since: Option<Instant>,
    heard_at: Instant,
    silence_max: Duration,
    /// The wait that an error before the end told.
    told_to_wait: Option<Duration>,
    /// The gateway asked to leave then.
    leave_at: Option<Instant>,
    /// Then it goes to the gateway whose turn comes after so many.
    turns: usize,
    renewing: bool,
    /// The socket before this one, open until this one is live; what it still hears is replayed here.
    before: Option<Wire>,
    work: FuturesUnordered<BoxFuture<'static, Work>>,
}

/// What was asked elsewhere and came back.
enum Work {
    Read(ConversationId, Seq, Result<Page<EventFrame>, RestError>),
    Renewed(Box<Result<LoggedIn, RestError>>),
    AskAgain(ConversationId),
    /// The next gateway answered, or did not.
    Opened(Option<Box<Wire>>),
}

impl Driver {
    /// Until the socket ends, one way or the other.
    pub(super) async fn serve(&mut self, wire: Wire, before: Option<Wire>) -> End {
        self.sockets += 1;
        let mut socket = Socket {
            wire,
            number: self.sockets,
            user: None,
            live_since: None,
            heard_at: Instant::now(),
            silence_max: PATIENCE,
            told_to_wait: None,
            leave_at: None,
            turns: 1,
            renewing: false,
            before,
            work: FuturesUnordered::new(),
        };
        let end = match self.introduce(&mut socket).await {
            Ok(()) => loop {
                if let Err(end) = self.next(&mut socket).await {
                    break end;
                }
            },
            Err(end) => end,
        };
        if let Some(since) = socket.live_since {
            self.backoff.was_live_for(since.elapsed());
        }
        match end {
            End::Moved { new, .. } => {
                self.gateway = self.gateway.wrapping_add(socket.turns);
                End::Moved { old: Some(Box::new(socket.wire)), new }
            }
            end => {
                socket.wire.close().await;
                end
            }
        }
    }

    /// The first frame: where this client was, or who it is.
    async fn introduce(&mut self, socket: &mut Socket) -> Result<(), End> {
        let cursors = self.positions.cursors();
        let frame = match self.resume_token.clone() {
            Some(resume_token) => ClientFrame::Resume(Resume { resume_token, cursors }),
            None => ClientFrame::Hello(Hello {
                token: self.access_token.clone(),
                device: self.config.device.clone(),
                client: Some(concat!("chat-client/", env!("CARGO_PKG_VERSION")).to_owned()),
                follow: FollowMode::Auto,
                cursors,
                want: None,
            }),
        };
        socket.say(&frame).await
    }

    /// Whatever happens next.
    async fn next(&mut self, socket: &mut Socket) -> Result<(), End> {
        self.give_up();
        if socket.user.is_some() {
            for send in self.outbox.take_due(self.now()) {
                let (client_id, conversation, socket_number) = (send.client_id, send.conversation, socket.number);
                self.observe(&Happened::Sending { client_id, conversation, socket: socket_number });
                socket.say(&ClientFrame::Send(Box::new(send))).await?;
            }
        }
        let silent = socket.heard_at + socket.silence_max;
        let due = self.outbox.next_due().filter(|_| socket.user.is_some()).map(|due| self.started + due);
        let wake = [Some(silent), due, socket.leave_at].into_iter().flatten().min().unwrap_or(silent);
        tokio::select! {
            heard = socket.wire.hear() => {
                socket.heard_at = Instant::now();
                match heard {
                    Heard::Frame(frame) => self.on_frame(socket, *frame).await,
                    Heard::Alive => Ok(()),
                    Heard::Closed(code) => Err(socket.ended(code)),
                }
            }
            command = self.commands.recv(), if self.outbox.len() < SENDS && self.answers.len() < SENDS => {
                self.on_command(socket, command).await
            }
            Some(work) = socket.work.next(), if !socket.work.is_empty() => self.on_work(socket, work).await,
            () = sleep_until(wake) => {
                let now = Instant::now();
                if socket.leave_at.is_some_and(|at| now >= at) {
                    socket.leave_at = None;
                    self.open_next(socket);
                }
                if now >= silent { Err(End::Again { code: None, after: None }) } else { Ok(()) }
            }
        }
    }

    async fn on_command(&mut self, socket: &mut Socket, command: Option<Command>) -> Result<(), End> {
        let frame = match command {
            Some(Command::Send { send, answer }) => {
                self.outbox.push(*send, answer, self.now());
                None
            }
            Some(Command::Ask { frame, answer }) => {
                self.note(&frame);
                if socket.user.is_some() {
                    let reference = self.answers.asked(answer);
                    Some(frame.with_reference(reference))
                } else {
                    let _ = answer.send(Err(CommandError::NotConnected));
                    None
                }
            }
            Some(Command::Mark(conversation, marked)) => self.wishes.mark(conversation, marked),
            Some(Command::Typing(typing)) => Some(ClientFrame::Typing(typing)),
            Some(Command::Focus(conversations)) => Some(self.wishes.focus(conversations)),
            Some(Command::Reconnect) => return Err(End::Again { code: None, after: Some(Duration::ZERO) }),
            Some(Command::Stop) | None => return Err(End::Stop(Stopped::ByItself)),
        };
        // Before `ready` nothing but the first frame may be said; wishes are said then anyway.
        match frame.filter(|_| socket.user.is_some()) {
            Some(frame) => socket.say(&frame).await,
            None => Ok(()),
        }
    }

    /// Asked to leave: the next socket is opened beside this one.
    fn open_next(&self, socket: &mut Socket) {
        let (base, codec) = (self.base(self.gateway.wrapping_add(socket.turns)), self.config.codec);
        let opening = async move {
            let opened = match base {
                Some(base) => Wire::open(&base, codec).await.ok(),
                None => None,
            };
            Work::Opened(opened.map(Box::new))
        };
        socket.work.push(opening.boxed());
    }

    async fn on_frame(&mut self, socket: &mut Socket, frame: ServerFrame) -> Result<(), End> {
        match frame {
            ServerFrame::Ready(ready) => return self.on_ready(socket, &ready).await,
            ServerFrame::Event(event) => {
                let steps = self.positions.on_event(event);
                return self.perform(socket, steps).await;
            }
            ServerFrame::Recovered(recovered) => {
                let steps = self.positions.on_recovered(&recovered);
                return self.perform(socket, steps).await;
            }
            ServerFrame::Resync(resync) => {
                let steps = self.positions.on_resync(&resync);
                return self.perform(socket, steps).await;
            }
            ServerFrame::Live(live) => {
                self.resume_token = Some(live.resume_token);
                socket.live_since = Some(Instant::now());
                if let Some(before) = socket.before.take() {
                    before.close().await;
                }
                self.tell(Happened::Live).await;
            }
            ServerFrame::Renewed(renewed) => self.resume_token = Some(renewed.resume_token),
            ServerFrame::Ack(ack) => {
                if let Some((Send { conversation, .. }, answer)) = self.outbox.on_ack(ack.client_id) {
                    self.observe(&Happened::Acked { conversation, ack: ack.clone() });
                    // Whoever waited may have left.
                    let _ = answer.send(Ok(ack));
                }
            }
            ServerFrame::Error(failure) => return self.on_error(socket, *failure).await,
            ServerFrame::Left(left) => {
                self.positions.on_left(left.conversation);
                self.wishes.on_left(left.conversation);
                self.tell(Happened::Left { conversation: left.conversation, reason: left.reason }).await;
            }
            ServerFrame::AuthExpiring(_) => self.begin_renewal(socket, Duration::ZERO),
            ServerFrame::Goaway(goaway) => {
                socket.leave_at = Some(Instant::now() + Duration::from_millis(goaway.after_ms));
            }
            ServerFrame::Ok(done) => {
                if let Some(waiter) = self.answers.on_answer(done.reference) {
                    let _ = waiter.send(Ok(Answer::Done(done.seq)));
                }
            }
            ServerFrame::Presence(shown) => match self.answers.on_answer(shown.reference) {
                Some(waiter) => {
                    let _ = waiter.send(Ok(Answer::States(shown.states)));
                }
                None => self.mention(Happened::Presence(shown.states)),
            },
            ServerFrame::Marker(marker) => self.mention(Happened::Marker(marker)),
            ServerFrame::Typing(typing) => self.mention(Happened::Typing(typing)),
            ServerFrame::Counts(counts) => self.mention(Happened::Counts(counts)),
            ServerFrame::Pong(_) => {}
        }
        Ok(())
    }

    async fn on_ready(&mut self, socket: &mut Socket, ready: &Ready) -> Result<(), End> {
        self.clock.correct(ready.time);
        self.backoff.told(ready.reconnect);
        socket.silence_max = Duration::from_millis(ready.ping_ms.saturating_mul(2)) + PATIENCE;
        socket.user = Some(ready.user);
        self.tell(Happened::Opened { socket: socket.number, user: ready.user }).await;
        for frame in self.wishes.again() {
            socket.say(&frame).await?;
        }
        Ok(())
    }

    async fn on_error(&mut self, socket: &mut Socket, failure: Failure) -> Result<(), End> {
        if let Some(waiter) = self.answers.on_answer(failure.reference) {
            let _ = waiter.send(Err(failure.into()));
            return Ok(());
        }
        let Failure { reference, client_id, code, retry_after_ms, time, .. } = failure;
        let retry_after = retry_after_ms.map(Duration::from_millis);
        if let Some(time) = time {
            self.clock.correct(time);
        }
        if let Some(client_id) = client_id {
            match self.outbox.on_failed(client_id, code, retry_after, self.now()) {
                Some(Failed::Again(Send { conversation, .. })) => {
                    self.observe(&Happened::Unanswered { client_id, conversation });
                }
                Some(Failed::Refused(Send { conversation, .. }, answer)) => {
                    self.observe(&Happened::Refused { client_id, conversation });
                    let _ = answer.send(Err(SendError::Refused { code, detail: failure.detail }));
                }
                None => {}
            }
        } else if let Some(conversation) = reference.and_then(|reference| self.positions.asked_by(reference)) {
            match code.retry() {
                Retry::Yes | Retry::After => socket.ask_again(conversation, retry_after.unwrap_or(PAUSE)),
                Retry::No | Retry::WithChange => {
                    tracing::warn!(%conversation, %code, "not followed any more");
                    self.wishes.on_left(conversation);
                    if self.positions.on_left(conversation) {
                        self.tell(Happened::Left { conversation, reason: LeftReason::Removed }).await;
                    }
                }
            }
        } else if code == ErrorCode::ResumeExpired {
            self.resume_token = None;
            return self.introduce(socket).await;
        } else {
            tracing::debug!(%code, detail = failure.detail, "the gateway complains");
            socket.told_to_wait = retry_after;
        }
        Ok(())
    }

    async fn perform(&mut self, socket: &mut Socket, steps: Vec<Step>) -> Result<(), End> {
        for step in steps {
            match step {
                Step::Following(conversation, after) => self.tell(Happened::Following { conversation, after }).await,
                Step::Tell(event) => self.tell(Happened::Event(event)).await,
                Step::Skipped { conversation, from, head } => {
                    self.tell(Happened::Skipped { conversation, from, head }).await;
                }
                Step::Follow { reference, conversation, after } => {
                    let follow = Follow { reference: Some(reference), conversation, after: Some(after) };
                    socket.say(&ClientFrame::Follow(follow)).await?;
                }
                Step::Read { conversation, after } => socket.read(self.rest.clone(), conversation, after, None),
            }
        }
        Ok(())
    }

    async fn on_work(&mut self, socket: &mut Socket, work: Work) -> Result<(), End> {
        match work {
            Work::Read(conversation, _, Ok(Page { items, next })) => {
                let steps = self.positions.on_read(conversation, items, next.is_some());
                self.perform(socket, steps).await
            }
            Work::Read(conversation, _, Err(err)) if is_final(&err) => {
                let steps = self.positions.on_unreadable(conversation);
                self.perform(socket, steps).await
            }
            Work::Read(conversation, after, Err(err)) => {
                tracing::debug!(%conversation, error = %err, "not read, trying again");
                socket.read(self.rest.clone(), conversation, after, Some(PAUSE));
                Ok(())
            }
            Work::Renewed(renewed) => {
                socket.renewing = false;
                match *renewed {
                    Ok(login) => self.authenticate(socket, login).await,
                    // The gateway closes in time, and says why.
                    Err(err) if is_final(&err) => Ok(()),
                    Err(_) => {
                        self.begin_renewal(socket, PAUSE);
                        Ok(())
                    }
                }
            }
            Work::Opened(Some(new)) => {
                // Filled in by `serve`, which has the old one.
                Err(End::Moved { old: None, new })
            }
            // Nobody there to go to: this socket is served until its end, and the next gateway may have room.
            Work::Opened(None) => {
                socket.turns = turns_after(socket.turns, self.config.gateways.len());
                socket.leave_at = Some(Instant::now() + PAUSE);
                Ok(())
            }
            Work::AskAgain(conversation) => {
                let steps = self.positions.ask(conversation).into_iter().collect();
                self.perform(socket, steps).await
            }
        }
    }

    async fn authenticate(&mut self, socket: &mut Socket, login: LoggedIn) -> Result<(), End> {
        self.access_token = login.access_token.clone();
        self.refresh_token = Some(login.refresh_token);
        self.rest = self.rest.by(login.access_token.clone());
        socket.say(&ClientFrame::Auth(Auth { reference: None, token: login.access_token })).await
    }

    fn begin_renewal(&self, socket: &mut Socket, after: Duration) {
        let Some(refresh_token) = self.refresh_token.clone().filter(|_| !socket.renewing) else { return };
        socket.renewing = true;
        let rest = self.rest.clone();
        let renewal = async move {
            sleep(after).await;
            Work::Renewed(Box::new(rest.refresh(&refresh_token).await))
        };
        socket.work.push(renewal.boxed());
    }
}

impl Socket {
    async fn say(&mut self, frame: &ClientFrame) -> Result<(), End> {
        let Err(err) = self.wire.say(frame).await else { return Ok(()) };
        tracing::debug!(error = %err, "socket lost");
        let code = self.wire.last_words().await;
        Err(self.ended(code))
    }

    fn read(&mut self, rest: Rest, conversation: ConversationId, after: Seq, pause: Option<Duration>) {
        let is_feed = self.user.is_some_and(|user| ConversationId::feed(user) == conversation);
        let reading = async move {
            sleep(pause.unwrap_or_default()).await;
            let page =
                if is_feed { rest.feed(after, PAGE).await } else { rest.events(conversation, after, PAGE).await };
            Work::Read(conversation, after, page)
        };
        self.work.push(reading.boxed());
    }

    fn ask_again(&mut self, conversation: ConversationId, after: Duration) {
        let asking = async move {
            sleep(after).await;
            Work::AskAgain(conversation)
        };
        self.work.push(asking.boxed());
    }

    /// What a close code asks of a client.
    fn ended(&mut self, code: Option<u16>) -> End {
        let after = self.told_to_wait.take();
        match code {
            Some(4004) => End::Renew,
            Some(code @ (4500..=4999 | 1002 | 1003 | 1007..=1010)) => End::Stop(Stopped::ByServer(code)),
            Some(4005) => End::Again { code, after: Some(after.unwrap_or(AFTER_RATE_LIMIT)) },
            // Elsewhere at once; but one that drains before `ready` may be the only one there is.
            Some(4001) if self.user.is_some() => End::Again { code, after: Some(Duration::ZERO) },
            code => End::Again { code, after },
        }
    }
}

/// So many turns further than the gateway that asks to leave is who is tried next: each of the others in its turn, and
/// that one only if it is all there is.
const fn turns_after(turns: usize, gateways: usize) -> usize {
    match gateways {
        0 | 1 => 1,
        more => turns % (more - 1) + 1,
    }
}

/// Whether asking again would be answered the same.
fn is_final(err: &RestError) -> bool {
    err.code().is_some_and(|code| matches!(code.retry(), Retry::No | Retry::WithChange))
}

#[cfg(test)]
mod tests {
    use super::turns_after;

    #[test]
    fn whoever_is_sent_away_does_not_come_back_while_there_are_others() {
        let tried = |gateways| {
            let next = std::iter::successors(Some(1), |turns| Some(turns_after(*turns, gateways)));
            next.take(5).map(|turns| turns % gateways).collect::<Vec<usize>>()
        };
        assert_eq!(tried(1), [0, 0, 0, 0, 0]);
        assert_eq!(tried(2), [1, 1, 1, 1, 1]);
        assert_eq!(tried(3), [1, 2, 1, 2, 1]);
    }
}
