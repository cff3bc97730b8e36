//! One socket's conduct, as a value: frames, results and the time go in, steps come out. No I/O, no clock of its own.

mod presence; // the same for watch and status
mod sends; // one append at a time per conversation, in order
mod signals; // what is wrong with them before anybody is asked

use std::collections::BTreeSet;

use chat_protocol::{
    ConversationId, ErrorCode, Timestamp,
    error::Retry,
    frame::{
        Ack, Auth, AuthExpiring, ClientFrame, Delete, Done, Edit, Failure, Focus, Follow, FollowMode, Hello, Mark,
        Ping, Pong, React, Ref, Resume, Send, ServerFrame, SetStatus, Typing, Unfollow, Watch,
    },
    id::ClientId,
    limits,
};

use self::sends::Sends;
use crate::{bucket::Bucket, conn::Identity, fault::Fault, rate::Mode, send::Sent};

/// What the socket is to do.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Send a frame.
    Reply(ServerFrame),
    /// Check who is there, then replay.
    Hello(Box<Hello>),
    /// The same by a resume token.
    Resume(Box<Resume>),
    /// Check a fresh access token.
    Auth(Auth),
    /// Append a message.
    Append(Box<Send>),
    /// Follow a conversation.
    Follow(Follow),
    /// Follow it no longer.
    Unfollow(ConversationId),
    /// Change messages.
    Command(Command),
    /// Say something that may be lost.
    Signal(Signal),
    /// Watch others, or set the own status.
    Presence(Presence),
    /// Send a newer resume token.
    Renew,
    /// Count a frame too many, and whether it was refused.
    Exceeded(Mode),
    /// Close, with a few words.
    Close(ErrorCode, &'static str),
}

/// A change of messages; answered by `ok` or `error`.
#[derive(Debug, PartialEq)]
pub enum Command {
    Edit(Box<Edit>),
    Delete(Delete),
    React(React),
}

/// What has no answer and may be lost.
#[derive(Debug, PartialEq)]
pub enum Signal {
    Mark(Mark),
    Typing(Typing),
    Focus(Focus),
}

/// What has to do with presence; answered by `presence`, `ok` or `error`.
#[derive(Debug, PartialEq)]
pub enum Presence {
    Watch(Watch),
    Status(SetStatus),
}

/// Bounds of one session.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Frames per second.
    pub frames_per_s: u32,
    /// Frames at once.
    pub frames_burst: u32,
    /// What becomes of those beyond it.
    pub mode: Mode,
    /// Conversations followed beside the feed.
    pub follows: usize,
}

/// One socket's state.
#[derive(Debug)]
pub struct Session {
    limits: Limits,
    phase: Phase,
    frames: Bucket,
    refusals: Bucket,
    sends: Sends,
    /// What is followed beside the feed.
    follows: BTreeSet<ConversationId>,
    auto: bool,
    token_expires_at: Timestamp,
    told_expiring: bool,
    renew_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing was said yet.
    Open { until: Timestamp },
    /// The first frame is being checked.
    Check,
    /// Accepted; what was missed is being sent.
    Replay,
    /// Everything was sent.
    Live,
}

/// Between two resume tokens of a socket whose follows do not change.
const RENEW_MS: i64 = limits::RESUME_TOKEN_LIFE.as_millis() as i64 / 2;
/// A change of what is followed is gathered with others for this long.
const RENEW_SOON_MS: i64 = 1_000;

type Steps = Vec<Step>;

impl Session {
    /// A socket that was just opened.
    pub fn new(limits: Limits, now: Timestamp) -> Self {
        Self {
            limits,
            phase: Phase::Open { until: first_frame_until(now) },
            frames: Bucket::full(limits.frames_per_s, 1_000, limits.frames_burst, now),
            refusals: Bucket::full(limits::REFUSALS_PER_MIN, 60_000, limits::REFUSALS_PER_MIN, now),
            sends: Sends::default(),
            follows: BTreeSet::new(),
            auto: false,
            token_expires_at: Timestamp::MAX,
            told_expiring: false,
            renew_at: Timestamp::MAX,
        }
    }

    /// A message arrived: a frame, or the answer to what is none.
    pub fn on_frame(&mut self, frame: Result<ClientFrame, Box<Failure>>, now: Timestamp) -> Steps {
        match self.phase {
            Phase::Open { .. } => self.on_first_frame(frame),
            Phase::Check => close(ErrorCode::BadState, "wait for ready"),
            Phase::Replay | Phase::Live => self.on_later_frame(frame, now),
        }
    }

    fn on_first_frame(&mut self, frame: Result<ClientFrame, Box<Failure>>) -> Steps {
        let step = match frame {
            Ok(ClientFrame::Hello(hello)) => {
                let words = hello.device.chars().count() <= limits::DEVICE_CHARS && !hello.device.is_empty();
                if !words || hello.cursors.len() > limits::CURSORS {
                    return refuse(Failure::new(ErrorCode::Malformed, "device of 1 to 64 characters, 500 cursors"));
                }
                self.auto = hello.follow == FollowMode::Auto;
                Step::Hello(Box::new(hello))
            }
            Ok(ClientFrame::Resume(resume)) => {
                if resume.cursors.len() > limits::CURSORS {
                    return refuse(Failure::new(ErrorCode::Malformed, "at most 500 cursors"));
                }
                Step::Resume(Box::new(resume))
            }
            Ok(_) => return close(ErrorCode::BadState, "hello or resume comes first"),
            Err(failure) if failure.code == ErrorCode::UnknownType => {
                return close(ErrorCode::BadState, "hello or resume comes first");
            }
            Err(failure) => return refuse(Failure { code: ErrorCode::Malformed, ..*failure }),
        };
        self.phase = Phase::Check;
        vec![step]
    }

    fn on_later_frame(&mut self, frame: Result<ClientFrame, Box<Failure>>, now: Timestamp) -> Steps {
        match (self.limits.mode, self.frames.take(now)) {
            (Mode::Enforce, Err(wait_ms)) => self.refuse_frame(&frame, wait_ms, now),
            (Mode::DryRun, Err(_)) => {
                let mut steps = self.on_admitted_frame(frame, now);
                steps.push(Step::Exceeded(Mode::DryRun));
                steps
            }
            _ => self.on_admitted_frame(frame, now),
        }
    }

    fn on_admitted_frame(&mut self, frame: Result<ClientFrame, Box<Failure>>, now: Timestamp) -> Steps {
        match frame {
            Ok(ClientFrame::Hello(_) | ClientFrame::Resume(_)) => close(ErrorCode::BadState, "only as first frame"),
            Ok(ClientFrame::Auth(auth)) => vec![Step::Auth(auth)],
            Ok(ClientFrame::Ping(Ping { reference })) => reply(ServerFrame::Pong(Pong { reference, time: now })),
            Ok(ClientFrame::Send(send)) => self.on_send(send, now),
            Ok(ClientFrame::Follow(follow)) => self.on_follow(follow),
            Ok(ClientFrame::Unfollow(unfollow)) => self.on_unfollow(&unfollow),
            Ok(ClientFrame::Edit(edit)) => vec![Step::Command(Command::Edit(edit))],
            Ok(ClientFrame::Delete(delete)) => vec![Step::Command(Command::Delete(delete))],
            Ok(ClientFrame::React(react)) => vec![Step::Command(Command::React(react))],
            Ok(ClientFrame::Mark(mark)) => signals::on_mark(mark),
            Ok(ClientFrame::Typing(typing)) => vec![Step::Signal(Signal::Typing(typing))],
            Ok(ClientFrame::Focus(focus)) => signals::on_focus(focus),
            Ok(ClientFrame::Watch(watch)) => presence::on_watch(watch),
            Ok(ClientFrame::Status(status)) => presence::on_status(status, now),
            Err(failure) if failure.code == ErrorCode::Malformed => refuse(*failure),
            Err(failure) => reply(ServerFrame::Error(failure)),
        }
    }

    fn refuse_frame(&mut self, frame: &Result<ClientFrame, Box<Failure>>, wait_ms: u64, now: Timestamp) -> Steps {
        let (reference, client_id, conversation) = answers(frame);
        let failure = Failure {
            reference,
            client_id,
            conversation,
            retry_after_ms: Some(wait_ms),
            ..Failure::new(ErrorCode::RateLimited, "too many frames")
        };
        let mut steps = self.refused(ServerFrame::Error(Box::new(failure)), now);
        steps.push(Step::Exceeded(Mode::Enforce));
        steps
    }

    /// Says that a limit was met; to who does not listen, for the last time.
    fn refused(&mut self, frame: ServerFrame, now: Timestamp) -> Steps {
        match self.refusals.take(now) {
            Ok(()) => reply(frame),
            Err(_) => close(ErrorCode::RateLimited, "slow down"),
        }
    }

    fn on_send(&mut self, send: Box<Send>, now: Timestamp) -> Steps {
        match self.sends.push(send) {
            Ok(Some(first)) => vec![Step::Append(first)],
            Ok(None) => Vec::new(),
            Err(refused) => {
                let fault = Fault::new(ErrorCode::RateLimited, "too many sends wait");
                self.refused(failed(fault, refused.client_id, refused.conversation), now)
            }
        }
    }

    /// An append came back.
    pub fn on_sent(
        &mut self,
        conversation: ConversationId,
        client_id: ClientId,
        sent: Result<Sent, Fault>,
        now: Timestamp,
    ) -> Steps {
        let mut steps = Vec::new();
        match sent {
            Ok(Sent { id, duplicate, .. }) => {
                let ack = Ack { client_id, id, seq: id.seq(), duplicate };
                steps.push(Step::Reply(ServerFrame::Ack(ack)));
            }
            Err(fault) if fault.code == ErrorCode::RateLimited => {
                steps.extend(self.refused(failed(fault, client_id, conversation), now));
            }
            Err(fault) => {
                // What waits behind a failed append would overtake its retry; what is only refused fails alone.
                let behind =
                    if append_failed(fault.code) { self.sends.clear(conversation) } else { Default::default() };
                steps.push(Step::Reply(failed(fault.clone(), client_id, conversation)));
                steps.extend(
                    behind.into_iter().map(|send| Step::Reply(failed(fault.clone(), send.client_id, conversation))),
                );
            }
        }
        steps.extend(self.sends.next(conversation).map(Step::Append));
        steps
    }

    fn on_follow(&mut self, follow: Follow) -> Steps {
        if self.follows.len() >= self.limits.follows && !self.follows.contains(&follow.conversation) {
            let failure = Failure {
                reference: follow.reference,
                conversation: Some(follow.conversation),
                ..Failure::new(ErrorCode::LimitReached, format!("at most {} conversations", self.limits.follows))
            };
            return reply(ServerFrame::Error(Box::new(failure)));
        }
        vec![Step::Follow(follow)]
    }

    fn on_unfollow(&mut self, unfollow: &Unfollow) -> Steps {
        let Unfollow { reference, conversation } = *unfollow;
        let done = Step::Reply(ServerFrame::Ok(Done { reference, seq: None }));
        if self.on_left(conversation) { vec![Step::Unfollow(conversation), done] } else { vec![done] }
    }

    /// The first frame was accepted; replay begins.
    pub fn on_accepted(&mut self, identity: &Identity, auto: bool) {
        self.phase = Phase::Replay;
        self.auto = auto;
        self.token_expires_at = identity.token_expires_at;
    }

    /// The first frame was refused, but another may follow.
    pub fn on_try_again(&mut self, now: Timestamp) {
        self.phase = Phase::Open { until: first_frame_until(now) };
    }

    /// Replay is over, with these conversations followed beside the feed.
    pub fn on_replayed(&mut self, follows: impl IntoIterator<Item = ConversationId>, now: Timestamp) {
        self.follows.extend(follows);
        self.phase = Phase::Live;
        // What changed meanwhile is in the token that `live` carries.
        self.renew_at = now.plus_ms(RENEW_MS);
    }

    /// A conversation is followed.
    pub fn on_followed(&mut self, conversation: ConversationId, now: Timestamp) {
        if self.follows.insert(conversation) {
            self.renew_at = self.renew_at.min(now.plus_ms(RENEW_SOON_MS));
        }
    }

    /// A conversation is followed no longer; whether it was.
    pub fn on_left(&mut self, conversation: ConversationId) -> bool {
        self.follows.remove(&conversation)
    }

    /// Whether a conversation that was just added is to be followed.
    pub fn wants_added(&self, conversation: ConversationId) -> bool {
        self.auto && !self.follows.contains(&conversation) && self.follows.len() < self.limits.follows
    }

    /// A fresh access token was accepted.
    pub fn on_renewed(&mut self, reference: Option<Ref>, token_expires_at: Timestamp, now: Timestamp) -> Steps {
        self.token_expires_at = token_expires_at;
        self.told_expiring = false;
        self.renew_at = self.renew_at.min(now.plus_ms(RENEW_SOON_MS));
        reply(ServerFrame::Ok(Done { reference, seq: None }))
    }

    /// Time has passed.
    pub fn on_tick(&mut self, now: Timestamp) -> Steps {
        if let Phase::Open { until } = self.phase {
            return if now >= until { close(ErrorCode::FirstFrameTimeout, "no first frame") } else { Vec::new() };
        }
        let mut steps = Vec::new();
        if now >= self.closes_at() {
            return close(ErrorCode::TokenExpired, "no fresh token came");
        }
        if now >= self.tells_at() && !self.told_expiring {
            self.told_expiring = true;
            steps.push(Step::Reply(ServerFrame::AuthExpiring(AuthExpiring { expires_at: self.token_expires_at })));
        }
        if now >= self.renew_at && self.is_live() {
            self.renew_at = now.plus_ms(RENEW_MS);
            steps.push(Step::Renew);
        }
        steps
    }

    /// When [`Session::on_tick`] has something to do next.
    pub fn due_at(&self) -> Timestamp {
        match self.phase {
            Phase::Open { until } => until,
            _ => {
                let token = if self.told_expiring { self.closes_at() } else { self.tells_at() };
                if self.is_live() { token.min(self.renew_at) } else { token }
            }
        }
    }

    /// What is followed beside the feed.
    pub fn follows(&self) -> impl ExactSizeIterator<Item = ConversationId> + '_ {
        self.follows.iter().copied()
    }

    /// When the access token ends.
    pub const fn token_expires_at(&self) -> Timestamp {
        self.token_expires_at
    }

    /// Whether conversations added later are followed.
    pub const fn is_auto(&self) -> bool {
        self.auto
    }

    /// Whether replay is over.
    pub const fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live)
    }

    /// Whether the first frame was accepted.
    pub const fn is_accepted(&self) -> bool {
        matches!(self.phase, Phase::Replay | Phase::Live)
    }

    fn tells_at(&self) -> Timestamp {
        self.token_expires_at.plus_ms(-(limits::AUTH_EXPIRING_BEFORE.as_millis() as i64))
    }

    fn closes_at(&self) -> Timestamp {
        self.token_expires_at.plus_ms(limits::AUTH_GRACE.as_millis() as i64)
    }
}

/// Whether a send failed in the log, so that what waits behind it must not overtake it.
fn append_failed(code: ErrorCode) -> bool {
    matches!(code.retry(), Retry::Yes | Retry::After) && code != ErrorCode::SlowMode
}

/// Whom the answer to a frame is for.
fn answers(frame: &Result<ClientFrame, Box<Failure>>) -> (Option<Ref>, Option<ClientId>, Option<ConversationId>) {
    match frame {
        Ok(frame) => frame.addressee(),
        Err(failure) => (failure.reference, failure.client_id, failure.conversation),
    }
}

fn first_frame_until(now: Timestamp) -> Timestamp {
    now.plus_ms(limits::FIRST_FRAME_TIMEOUT.as_millis() as i64)
}

fn failed(fault: Fault, client_id: ClientId, conversation: ConversationId) -> ServerFrame {
    let failure = Failure { client_id: Some(client_id), conversation: Some(conversation), ..fault.frame() };
    ServerFrame::Error(Box::new(failure))
}

fn reply(frame: ServerFrame) -> Steps {
    vec![Step::Reply(frame)]
}

fn close(code: ErrorCode, reason: &'static str) -> Steps {
    vec![Step::Close(code, reason)]
}

/// An error frame, for its words, and then the end.
fn refuse(failure: Failure) -> Steps {
    let code = failure.code;
    vec![Step::Reply(ServerFrame::Error(Box::new(failure))), Step::Close(code, "broken frame")]
}

#[cfg(test)]
mod tests;
