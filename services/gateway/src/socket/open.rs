//! Who is there: `hello`, `resume` and `auth`.

use std::sync::Arc;

use chat_auth::{ResumeState, resume::WANTS};
use chat_protocol::{
    ErrorCode, SocketId, Timestamp,
    frame::{
        Auth, ClientFrame, Failure, FollowMode, Hello, Ready, Reconnect, Resume, SecretText, ServerFrame, SocketLimits,
        Want,
    },
    limits,
};

use super::{Socket, replay};
use crate::{
    conn::{Conn, Identity, device_key},
    fault::Fault,
    heartbeat::Heartbeat,
    hub::Proof,
    metrics,
};

/// A cursor as JSON, quoted id, number and punctuation: what a `hello` may have beside its 8 KiB.
const CURSOR_BYTES: usize = 26 + 2 + 16 + 2;

/// Whether a `hello` is larger than one may be, its cursors not counted.
pub(super) fn is_oversized(frame: &Result<ClientFrame, Box<Failure>>, bytes: usize) -> bool {
    let Ok(ClientFrame::Hello(hello)) = frame else { return false };
    bytes.saturating_sub(hello.cursors.len() * CURSOR_BYTES) > limits::HELLO_BYTES
}

impl Socket {
    pub(super) fn on_hello(&mut self, hello: Hello) {
        // Shed before anything costly.
        let admitted = self.app.accepting().map_err(Fault::from).and_then(|()| self.app.rates.hello(self.app.now()));
        let access = match admitted.and_then(|()| self.app.verify(hello.token.expose())) {
            Ok(access) => access,
            Err(fault) => {
                metrics::connected("hello", fault.code.code());
                return self.refuse(fault);
            }
        };
        metrics::connected("hello", "accepted");
        let identity = Identity {
            user: access.user,
            session: access.session,
            device: device_key(access.session, &hello.device),
            token_issued_at: access.issued_at,
            token_expires_at: access.expires_at,
        };
        let auto = hello.follow == FollowMode::Auto;
        let conn = self.accept(&identity, auto, hello.device, hello.want.unwrap_or_else(|| WANTS.to_vec()));
        self.follow(replay::hello(Arc::clone(&self.app), conn, auto, hello.cursors));
    }

    pub(super) fn on_resume(&mut self, resume: Resume) {
        let now = self.app.now();
        let state = match self.check_resume(&resume, now) {
            Ok(state) => state,
            Err(fault) if fault.code == ErrorCode::ResumeExpired => {
                metrics::connected("resume", fault.code.code());
                self.reply(&ServerFrame::Error(Box::new(fault.frame())));
                return self.session.on_try_again(now);
            }
            Err(fault) => {
                metrics::connected("resume", fault.code.code());
                return self.refuse(fault);
            }
        };
        metrics::connected("resume", "accepted");
        let ResumeState { user, session, device, token_issued_at, token_expires_at, follow, want, follows, settled } =
            state;
        let device_key = device_key(session, &device);
        let identity = Identity { user, session, device: device_key, token_issued_at, token_expires_at };
        let conn = self.accept(&identity, follow == FollowMode::Auto, device, want);
        let proof = Proof { resumed: true, settled, ..Proof::default() };
        self.follow(replay::resume(Arc::clone(&self.app), conn, follows, resume.cursors, proof));
    }

    fn check_resume(&self, resume: &Resume, now: Timestamp) -> Result<ResumeState, Fault> {
        self.app.accepting()?;
        self.app.rates.resume(now)?;
        let state = self.app.sealer.open(resume.resume_token.expose(), now).map_err(|err| Fault::from(err.code()))?;
        self.app.revocations.check(state.user, state.session, state.token_issued_at)?;
        if now >= state.token_expires_at.plus_ms(limits::AUTH_GRACE.as_millis() as i64) {
            return Err(ErrorCode::TokenExpired.into());
        }
        Ok(state)
    }

    /// The socket is somebody's now.
    fn accept(&mut self, identity: &Identity, auto: bool, device: String, want: Vec<Want>) -> Arc<Conn> {
        let now = self.app.now();
        let (ping_ms, pong_ms) = (self.app.config.ping_interval_ms(), limits::PONG_TIMEOUT.as_millis() as i64);
        let heartbeat = Heartbeat::new(now, ping_ms, pong_ms, rand::random());
        let socket = SocketId::ulid(u64::try_from(now.as_ms()).unwrap_or(0), rand::random());
        let conn = Arc::new(Conn::new(socket, identity, now, self.codec, Arc::clone(&self.outbox), heartbeat, &want));
        if let Some(oldest) = self.app.hub.register(&conn) {
            oldest.close(ErrorCode::TooManySockets, "too many sockets of one user");
        }
        // A revocation that came before the socket was listed did not find it.
        if let Err(code) = self.app.revocations.check(conn.user, conn.session, conn.token_issued_at()) {
            conn.close(code, "log in again");
        }
        self.app.touch(&conn);
        self.conn = Some(Arc::clone(&conn));
        self.session.on_accepted(identity, auto);
        self.device = device.into();
        self.want = want.into();
        self.reply(&ServerFrame::Ready(Ready {
            socket,
            user: identity.user,
            session: identity.session,
            token_expires_at: identity.token_expires_at,
            time: now,
            ping_ms: ping_ms.unsigned_abs(),
            reconnect: self.app.config.reconnect(),
            limits: SocketLimits {
                frame_bytes: limits::FRAME_BYTES,
                follows: limits::FOLLOWS,
                watches: limits::WATCHES,
            },
        }));
        self.schedule();
        conn
    }

    pub(super) fn on_auth(&mut self, auth: &Auth) {
        let Some(conn) = self.conn.clone() else { return };
        match self.app.verify(auth.token.expose()) {
            Ok(access) if access.user != conn.user || access.session != conn.session => {
                let fault = Fault::new(ErrorCode::Forbidden, "the token is another session's");
                self.answer_failure(auth.reference, fault);
            }
            Ok(access) => {
                conn.renew(access.issued_at);
                let steps = self.session.on_renewed(auth.reference, access.expires_at, self.app.now());
                self.perform(steps);
            }
            Err(fault) => self.answer_failure(auth.reference, fault),
        }
    }

    /// A token that lets any gateway go on where this socket is now.
    pub(super) fn resume_token(&self, conn: &Conn) -> (SecretText, Timestamp) {
        let state = ResumeState {
            user: conn.user,
            session: conn.session,
            device: self.device.to_string(),
            token_issued_at: conn.token_issued_at(),
            token_expires_at: self.session.token_expires_at(),
            follow: if self.session.is_auto() { FollowMode::Auto } else { FollowMode::None },
            want: self.want.to_vec(),
            follows: self.session.follows().collect(),
            settled: self.app.hub.settled().into_iter().filter(|(shard, _)| conn.is_proven(*shard)).collect(),
        };
        self.app.sealer.seal(&state, self.app.now())
    }
}

/// The client's part of coming back, as every `ready` says it.
pub(crate) const fn reconnect(base_ms: u64, max_ms: u64) -> Reconnect {
    Reconnect { base_ms, max_ms, stable_ms: 60_000 }
}
