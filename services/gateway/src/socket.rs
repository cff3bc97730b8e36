//! One WebSocket's task: reads frames, asks the [`Session`] what to do, does it.
//!
//! Small while idle: nothing here is allocated for a socket that only listens.

mod commands; // edit, delete, react
mod input; // bytes from the kernel
mod open; // who is there: hello, resume, auth
mod presence; // watch, status
mod replay; // what it missed, conversation by conversation
mod signals; // mark, typing, focus

pub(crate) use open::reconnect;

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use chat_protocol::{
    ConversationId, ErrorCode, Seq,
    codec::Codec,
    event::LeftReason,
    frame::{Failure, Live, Ref, Renewed, ServerFrame, Want},
    id::ClientId,
    limits,
};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    app::App,
    conn::{Conn, Notice},
    fault::Fault,
    metrics,
    outbox::{Outbox, Pushed},
    rate::Mode,
    send::Sent,
    session::{Limits, Session, Step},
    ws::{self, Incoming, Reader, Violation},
};

/// Seats to take or give up that wait; the burst of frames and of feed notices is below it.
const FOLLOWS_WAITING: usize = 1_200;
/// For the close frame to go out, and for the other side's.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// Serves one socket until it ends. `first` is what arrived together with the upgrade.
pub async fn serve(app: Arc<App>, stream: TcpStream, first: Bytes, codec: Codec) {
    let now = app.now();
    let session_limits = Limits {
        frames_per_s: app.config.frames_per_s,
        frames_burst: app.config.frames_burst,
        mode: app.config.limits.limits,
        follows: limits::FOLLOWS,
    };
    let mut socket = Socket {
        outbox: Arc::new(Outbox::new(stream, app.config.outbox_bytes)),
        codec,
        reader: Reader::new(codec),
        session: Box::new(Session::new(session_limits, now)),
        conn: None,
        device: Box::default(),
        want: Box::default(),
        sends: FuturesUnordered::new(),
        follows: VecDeque::new(),
        commands: FuturesUnordered::new(),
        signals: VecDeque::new(),
        presence: VecDeque::new(),
        app,
    };
    socket.feed(&first);
    // Until the first frame there is no sweeper's eye on this socket: it brings a timer of its own.
    let opened = Box::pin(socket.run_until_accepted()).await;
    if opened {
        socket.run().await;
    }
    Box::pin(socket.end()).await;
}

struct Socket {
    app: Arc<App>,
    outbox: Arc<Outbox>,
    codec: Codec,
    reader: Reader,
    session: Box<Session>,
    conn: Option<Arc<Conn>>,
    /// What the client calls its device; for resume tokens.
    device: Box<str>,
    /// The ephemeral frames it asked for; for resume tokens.
    want: Box<[Want]>,
    /// Appends under way, one per conversation.
    sends: FuturesUnordered<BoxFuture<'static, Work>>,
    /// Seats to take and to give up, one after the other: a later one must not overtake an earlier one.
    follows: VecDeque<BoxFuture<'static, Work>>,
    /// Signals under way, one after the other.
    signals: VecDeque<BoxFuture<'static, ()>>,
    /// Watches and statuses under way, one after the other.
    presence: VecDeque<BoxFuture<'static, ()>>,
    /// Changes of messages under way; each answers by itself.
    commands: FuturesUnordered<BoxFuture<'static, ()>>,
}

/// Something the session asked for is done.
enum Work {
    Sent(ConversationId, ClientId, Result<Sent, Fault>),
    Replayed(Vec<ConversationId>, Result<(), Fault>),
    /// Whether there is a seat now.
    Followed(ConversationId, bool),
}

/// One that is done by now.
fn sent_already(sends: &mut FuturesUnordered<BoxFuture<'static, Work>>, cx: &mut Context<'_>) -> Option<Work> {
    match sends.poll_next_unpin(cx) {
        Poll::Ready(work) => work,
        Poll::Pending => None,
    }
}

/// The first of them is driven; the others wait.
async fn first<T>(queue: &mut VecDeque<BoxFuture<'static, T>>) -> T {
    match queue.front_mut() {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

impl Socket {
    /// Whether a first frame was accepted.
    async fn run_until_accepted(&mut self) -> bool {
        while !self.session.is_accepted() {
            if self.outbox.is_closing() {
                return false;
            }
            let wait_ms = self.session.due_at().as_ms() - self.app.now().as_ms();
            let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
            if timeout(wait, self.turn()).await.is_err() {
                let steps = self.session.on_tick(self.app.now());
                self.perform(steps);
            }
        }
        true
    }

    async fn run(&mut self) {
        while !self.outbox.is_closing() {
            self.turn().await;
        }
    }

    /// Waits for one thing to happen and deals with it. Cancel-safe.
    async fn turn(&mut self) {
        let outbox = Arc::clone(&self.outbox);
        let mut backlog = outbox.backlog() > 0;
        if backlog && outbox.holds() {
            self.write_held().await;
            backlog = outbox.backlog() > 0;
        }
        tokio::select! {
            readable = outbox.stream().readable() => match readable {
                Ok(()) => self.read(),
                Err(_) => self.outbox.kill(),
            },
            () = outbox.flush(), if backlog => {}
            () = outbox.woken() => self.on_woken(),
            Some(work) = self.sends.next(), if !self.sends.is_empty() => self.on_work(work),
            work = first(&mut self.follows), if !self.follows.is_empty() => {
                self.follows.pop_front();
                self.on_work(work);
            }
            Some(()) = self.commands.next(), if !self.commands.is_empty() => {}
            () = first(&mut self.signals), if !self.signals.is_empty() => {
                self.signals.pop_front();
            }
            () = first(&mut self.presence), if !self.presence.is_empty() => {
                self.presence.pop_front();
            }
        }
    }

    /// The acknowledgement of a message and the message itself are made by two tasks, one right after the other: what
    /// came first waits until everything that is ready had its turn, so that one write does for both.
    async fn write_held(&mut self) {
        tokio::task::yield_now().await;
        while !self.outbox.is_closing()
            && let Some(work) = poll_fn(|cx| Poll::Ready(sent_already(&mut self.sends, cx))).await
        {
            self.on_work(work);
        }
        self.outbox.write_held();
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut reader = std::mem::replace(&mut self.reader, Reader::new(self.codec));
        let fed = reader.feed(bytes, |incoming| {
            self.on_incoming(incoming);
            !self.outbox.is_closing()
        });
        self.reader = reader;
        if let Err(violation) = fed {
            self.on_violation(violation);
        }
    }

    fn on_incoming(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Message(document) => {
                let frame = self.codec.decode_client(&document);
                metrics::frame_in(&frame, document.len());
                if open::is_oversized(&frame, document.len()) {
                    return self.on_violation(Violation::TooLarge);
                }
                if let (Some(conn), Ok(frame)) = (&self.conn, &frame)
                    && crate::presence::is_act(frame)
                {
                    self.app.acted(conn);
                }
                let steps = self.session.on_frame(frame, self.app.now());
                self.perform(steps);
            }
            Incoming::Ping(payload) => {
                self.outbox.push(&[ws::pong(&payload)]);
            }
            Incoming::Pong => self.conn.iter().for_each(|conn| conn.on_pong()),
            Incoming::Close(code) => {
                metrics::closed_by_client();
                self.outbox.close(ws::close(code.unwrap_or(1000), ""));
            }
        }
    }

    fn on_violation(&self, violation: Violation) {
        let (code, reason, word) = match violation {
            Violation::Protocol(reason) => (1002, reason, ErrorCode::Malformed),
            Violation::NotUtf8 => (1007, "not UTF-8", ErrorCode::Malformed),
            Violation::TooLarge => (1009, "frame too large", ErrorCode::TooLarge),
            Violation::WrongKind => (4500, "wrong kind of message for this subprotocol", ErrorCode::Malformed),
        };
        metrics::closed(code, word);
        self.outbox.close(ws::close(code, reason));
    }

    fn on_woken(&mut self) {
        let Some(conn) = self.conn.clone() else { return };
        self.on_notices(&conn);
        let now = self.app.now();
        if conn.is_due(now) {
            let steps = self.session.on_tick(now);
            self.perform(steps);
        }
    }

    /// What the feed asked for; it waits while what the socket follows anyway is still being replayed.
    fn on_notices(&mut self, conn: &Arc<Conn>) {
        if !self.session.is_live() {
            return;
        }
        let notices = conn.take_notices();
        if !notices.is_empty() {
            // Whom its user meets in a conversation may have changed.
            self.app.doubt_sight(conn);
        }
        for notice in notices {
            self.on_notice(conn, notice);
        }
    }

    fn on_notice(&mut self, conn: &Arc<Conn>, notice: Notice) {
        match notice {
            Notice::Added(added) if self.session.wants_added(added.conversation) => {
                // From before the addition, so that the event that added the user is the first they see.
                let before = Seq::new(added.head.get().saturating_sub(1));
                let (app, conn) = (Arc::clone(&self.app), Arc::clone(conn));
                self.follow(replay::added(app, conn, added.conversation, before));
            }
            Notice::Added(_) => {}
            Notice::Removed(conversation, reason) => {
                self.session.on_left(conversation);
                self.unseat(conn, conversation, Some(reason));
            }
            // Who was added again meanwhile has another seat, which stays.
            Notice::Dismissed(conversation) if conn.is_seated(conversation) => {}
            Notice::Dismissed(conversation) => _ = self.session.on_left(conversation),
        }
    }

    /// Work that changes what is followed, behind what was asked before.
    pub(super) fn follow(&mut self, work: BoxFuture<'static, Work>) {
        if self.follows.len() >= FOLLOWS_WAITING {
            return self.close(ErrorCode::RateLimited, "too many follows wait");
        }
        self.follows.push_back(work);
    }

    /// Gives a seat up; with a reason it says so, unless the room already did.
    fn unseat(&mut self, conn: &Arc<Conn>, conversation: ConversationId, reason: Option<LeftReason>) {
        let (hub, conn) = (self.app.hub.clone(), Arc::clone(conn));
        self.follow(Box::pin(async move {
            if let Some(room) = hub.open_room(conversation)
                && room.unseat(&conn).await
                && let Some(reason) = reason
            {
                conn.left(conversation, reason);
            }
            Work::Followed(conversation, false)
        }));
    }

    fn on_work(&mut self, work: Work) {
        match work {
            Work::Sent(conversation, client_id, sent) => {
                self.conn.iter().for_each(|conn| conn.end_send());
                let steps = self.session.on_sent(conversation, client_id, sent, self.app.now());
                self.perform(steps);
            }
            Work::Replayed(follows, replayed) => match replayed {
                Ok(()) => {
                    self.session.on_replayed(follows, self.app.now());
                    self.go_live();
                    if let Some(conn) = self.conn.clone() {
                        self.on_notices(&conn);
                    }
                }
                Err(fault) => self.refuse(fault),
            },
            Work::Followed(conversation, followed) => {
                // It may have been taken again since.
                if followed && self.conn.as_ref().is_some_and(|conn| conn.is_seated(conversation)) {
                    self.session.on_followed(conversation, self.app.now());
                }
            }
        }
        self.schedule();
    }

    fn go_live(&self) {
        let Some(conn) = &self.conn else { return };
        let (resume_token, resume_expires_at) = self.resume_token(conn);
        self.app.attend(conn);
        let follows = self.session.follows().len() + 1;
        conn.send(&ServerFrame::Live(Live { follows, resume_token, resume_expires_at }));
    }

    fn perform(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Reply(frame) => self.reply(&frame),
                Step::Hello(hello) => self.on_hello(*hello),
                Step::Resume(resume) => self.on_resume(*resume),
                Step::Auth(auth) => self.on_auth(&auth),
                Step::Append(send) => {
                    let (app, Some(conn)) = (Arc::clone(&self.app), &self.conn) else { continue };
                    let by = conn.user;
                    conn.begin_send();
                    self.sends.push(Box::pin(async move {
                        let (to, client_id) = (send.conversation, send.client_id);
                        Work::Sent(to, client_id, app.send(by, to, client_id, send.content).await)
                    }));
                }
                Step::Follow(follow) => {
                    let Some(conn) = &self.conn else { continue };
                    self.follow(replay::follow(Arc::clone(&self.app), Arc::clone(conn), follow));
                }
                Step::Unfollow(conversation) => {
                    let Some(conn) = self.conn.clone() else { continue };
                    self.unseat(&conn, conversation, None);
                }
                Step::Command(command) => self.on_command(command),
                Step::Signal(signal) => self.on_signal(signal),
                Step::Presence(presence) => self.on_presence(presence),
                Step::Renew => {
                    let Some(conn) = &self.conn else { continue };
                    let (resume_token, resume_expires_at) = self.resume_token(conn);
                    conn.send(&ServerFrame::Renewed(Renewed { resume_token, resume_expires_at }));
                }
                Step::Exceeded(mode) => {
                    metrics::rate_limited("frames", if mode == Mode::Enforce { "enforced" } else { "dry_run" });
                }
                Step::Close(code, reason) => self.close(code, reason),
            }
        }
        self.schedule();
    }

    /// Tells the sweeper when this socket wants to be woken.
    fn schedule(&self) {
        self.conn.iter().for_each(|conn| conn.wake_at(self.session.due_at()));
    }

    /// Written at the end of this turn.
    fn reply(&self, frame: &ServerFrame) {
        if self.outbox.hold(&[crate::delivery::message(self.codec, frame)]) == Pushed::Refused {
            self.close(ErrorCode::Slow, "outbox full");
        }
    }

    fn close(&self, code: ErrorCode, reason: &str) {
        if self.outbox.is_closing() {
            return;
        }
        let number = code.close().unwrap_or(4000);
        metrics::closed(number, code);
        self.outbox.close(ws::close(number, reason));
    }

    /// An error frame, and the close code that goes with it.
    fn refuse(&self, fault: Fault) {
        // What has no close code of its own ends a socket that is not live yet as a fault of ours, to be resumed.
        let number = fault.code.close().unwrap_or(4000);
        let code = fault.code;
        self.reply(&ServerFrame::Error(Box::new(fault.frame())));
        metrics::closed(number, code);
        self.outbox.close(ws::close(number, code.code()));
    }

    fn answer_failure(&self, reference: Option<Ref>, fault: Fault) {
        self.reply(&ServerFrame::Error(Box::new(Failure { reference, ..fault.frame() })));
    }

    /// Lets go of everything.
    async fn end(self) {
        let Self { app, outbox, conn, mut sends, follows, signals, .. } = self;
        // First of all: a follow that goes on would take the seats anew.
        drop(follows);
        let stand_up = async {
            let Some(conn) = conn else { return };
            // A last marker counts, whoever closes behind it.
            let _ = timeout(limits::APPEND_TIMEOUT, async {
                for signal in signals {
                    signal.await
                }
            })
            .await;
            app.unattend(&conn);
            app.hub.unregister(&conn);
            app.touch(&conn);
            for conversation in conn.seats() {
                if let Some(room) = app.hub.open_room(conversation) {
                    room.unseat(&conn).await;
                }
            }
        };
        // Appends under way are finished: their outcome is known to whoever retries them.
        let finish = async { while sends.next().await.is_some() {} };
        let close = async {
            let _ = timeout(CLOSE_DEADLINE, outbox.flush()).await;
            let _ = socket2::SockRef::from(outbox.stream()).shutdown(std::net::Shutdown::Write);
            let _ = timeout(CLOSE_DEADLINE, input::drain(outbox.stream())).await;
            outbox.kill();
        };
        let _ = tokio::join!(stand_up, timeout(limits::APPEND_TIMEOUT, finish), close);
    }
}
