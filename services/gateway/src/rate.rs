//! How much each may do: token buckets in the memory of this gateway, by user, address, name and conversation.
//!
//! Limits are a gateway's own: whoever spreads over several gateways may do more, and no request waits for a count
//! that lies elsewhere. In reading order:

mod quota; // so many in so long

mod buckets; // one bucket per key, bounded

mod address; // whose address a connection is

mod config; // settings

mod headers; // what a request's answer says of the limits it met

use chat_protocol::{ConversationId, ErrorCode, Timestamp, UserId, model::Kind};
use std::hash::{BuildHasher, RandomState};

pub use self::{
    address::{Address, Occupancy, Occupied},
    config::{Limits, Mode},
    headers::told,
};
use self::{buckets::Buckets, quota::Quota};
use crate::{fault::Fault, metrics};

/// What is limited, as clients and operators are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    Requests,
    Anonymous,
    LoginName,
    LoginAddress,
    Register,
    Send,
    SendUser,
    Conversation,
    Broadcast,
    Connect,
    Hello,
    Resume,
    Presence,
    PresenceAll,
}

impl Bucket {
    const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Anonymous => "anonymous",
            Self::LoginName => "login_name",
            Self::LoginAddress => "login_address",
            Self::Register => "register",
            Self::Send => "send",
            Self::SendUser => "send_user",
            Self::Conversation => "conversation",
            Self::Broadcast => "broadcast",
            Self::Connect => "connect",
            Self::Hello => "hello",
            Self::Resume => "resume",
            Self::Presence => "presence",
            Self::PresenceAll => "presence_all",
        }
    }

    /// Who is shed because there are too many is told so; who does too much, that.
    const fn code(self) -> ErrorCode {
        match self {
            Self::Connect | Self::Hello | Self::Resume | Self::PresenceAll => ErrorCode::Overloaded,
            _ => ErrorCode::RateLimited,
        }
    }
}

/// A question about presence costs one token of all, and one more for as many users as these.
const USERS_PER_TOKEN: usize = 10;

/// All buckets of one gateway.
pub struct Rates {
    mode: Mode,
    names: RandomState,
    sockets: Occupied,
    sockets_per_address: usize,
    requests: Buckets<UserId>,
    anonymous: Buckets<Address>,
    login_name: Buckets<u64>,
    login_address: Buckets<Address>,
    register: Buckets<Address>,
    send: Buckets<(UserId, ConversationId)>,
    send_user: Buckets<UserId>,
    conversation: Buckets<ConversationId>,
    broadcast: Buckets<ConversationId>,
    connect: Buckets<Address>,
    hello: Buckets<()>,
    resume: Buckets<()>,
    presence: Buckets<UserId>,
    presence_all: Buckets<()>,
}

impl Rates {
    /// As configured, all full.
    pub fn new(limits: &Limits) -> Self {
        Self {
            mode: limits.limits,
            names: RandomState::new(),
            sockets: Occupied::default(),
            sockets_per_address: limits.sockets_per_address,
            requests: Buckets::new(limits.limit_requests),
            anonymous: Buckets::new(limits.limit_anonymous),
            login_name: Buckets::new(limits.limit_logins_name),
            login_address: Buckets::new(limits.limit_logins_address),
            register: Buckets::new(limits.limit_registrations),
            send: Buckets::new(limits.limit_sends),
            send_user: Buckets::new(limits.limit_sends_user),
            conversation: Buckets::new(limits.limit_conversation),
            broadcast: Buckets::new(limits.limit_broadcast),
            connect: Buckets::new(limits.limit_connects),
            hello: Buckets::new(limits.limit_hellos),
            resume: Buckets::new(limits.limit_resumes),
            presence: Buckets::new(limits.limit_presence),
            presence_all: Buckets::new(limits.limit_presence_all),
        }
    }

    /// A request with a token.
    pub fn request(&self, by: UserId, now: Timestamp) -> Result<(), Fault> {
        self.take(Bucket::Requests, &self.requests, by, now)
    }

    /// A request without one.
    pub fn anonymous(&self, from: Address, now: Timestamp) -> Result<(), Fault> {
        self.take(Bucket::Anonymous, &self.anonymous, from, now)
    }

    /// A log-in, before its password is looked at.
    pub fn log_in(&self, name: &str, from: Address, now: Timestamp) -> Result<(), Fault> {
        self.take(Bucket::LoginAddress, &self.login_address, from, now)?;
        self.take(Bucket::LoginName, &self.login_name, self.names.hash_one(name), now)
    }

    /// A registration, before its password is hashed.
    pub fn register(&self, from: Address, now: Timestamp) -> Result<(), Fault> {
        self.take(Bucket::Register, &self.register, from, now)
    }

    /// A message, before anything is asked of anybody.
    pub fn send(&self, by: UserId, to: ConversationId, now: Timestamp) -> Result<(), Fault> {
        self.take(Bucket::Send, &self.send, (by, to), now)?;
        self.take(Bucket::SendUser, &self.send_user, by, now)
    }

    /// A message to a conversation, by somebody who may send there.
    pub fn sent_to(&self, to: ConversationId, kind: Kind, now: Timestamp) -> Result<(), Fault> {
        match kind {
            Kind::Direct | Kind::Group => self.take(Bucket::Conversation, &self.conversation, to, now),
            Kind::Broadcast => self.take(Bucket::Broadcast, &self.broadcast, to, now),
        }
    }

    /// A WebSocket is asked for; what is answered is held for as long as it lives.
    pub fn connect(&self, from: Address, now: Timestamp) -> Result<Option<Occupancy>, Fault> {
        self.take(Bucket::Connect, &self.connect, from, now)?;
        let most = if self.mode == Mode::Enforce { self.sockets_per_address } else { usize::MAX };
        let occupancy = self.sockets.enter(from, most);
        if occupancy.is_none() {
            metrics::rate_limited("sockets_address", "enforced");
            return Err(Fault::new(ErrorCode::Overloaded, "too many sockets of one address"));
        }
        Ok(occupancy)
    }

    /// A first `hello`.
    pub fn hello(&self, now: Timestamp) -> Result<(), Fault> {
        self.take(Bucket::Hello, &self.hello, (), now)
    }

    /// A first `resume`.
    pub fn resume(&self, now: Timestamp) -> Result<(), Fault> {
        self.take(Bucket::Resume, &self.resume, (), now)
    }

    /// A question about the presence of so many users, or a word about one's own. What all of them may cost together is
    /// bounded too, and a question costs more the more users it names, so that they leave room for messages.
    pub fn presence(&self, by: UserId, users: usize, now: Timestamp) -> Result<(), Fault> {
        self.take(Bucket::Presence, &self.presence, by, now)?;
        let cost = 1 + u32::try_from(users / USERS_PER_TOKEN).unwrap_or(u32::MAX - 1);
        self.take_many(Bucket::PresenceAll, &self.presence_all, (), cost, now)
            .inspect_err(|_| metrics::presence_shed("request"))
    }

    /// Forgets whoever is idle.
    pub fn expire(&self, now: Timestamp) {
        [&self.requests, &self.send_user, &self.presence].into_iter().for_each(|buckets| buckets.expire(now));
        self.login_name.expire(now);
        self.send.expire(now);
        let by_address = [&self.anonymous, &self.login_address, &self.register, &self.connect];
        by_address.into_iter().for_each(|buckets| buckets.expire(now));
        [&self.conversation, &self.broadcast].into_iter().for_each(|buckets| buckets.expire(now));
    }

    fn take<K: std::hash::Hash + Eq + Clone>(
        &self,
        bucket: Bucket,
        buckets: &Buckets<K>,
        key: K,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.take_many(bucket, buckets, key, 1, now)
    }

    fn take_many<K: std::hash::Hash + Eq + Clone>(
        &self,
        bucket: Bucket,
        buckets: &Buckets<K>,
        key: K,
        tokens: u32,
        now: Timestamp,
    ) -> Result<(), Fault> {
        if self.mode == Mode::Off {
            return Ok(());
        }
        let taken = buckets.take(key, tokens, now);
        headers::met(bucket, *buckets.quota(), taken);
        match taken.outcome {
            Ok(()) => Ok(()),
            Err(_) if self.mode == Mode::DryRun => {
                metrics::rate_limited(bucket.name(), "dry_run");
                tracing::info!(bucket = bucket.name(), "would be refused");
                Ok(())
            }
            Err(wait_ms) => {
                metrics::rate_limited(bucket.name(), "enforced");
                Err(refusal(bucket, *buckets.quota(), wait_ms))
            }
        }
    }
}

fn refusal(bucket: Bucket, quota: Quota, wait_ms: u64) -> Fault {
    // Spread over a quarter more, and never less than asked: those who were refused together come back one by one.
    let jitter_ms = rand::random_range(0..=wait_ms / 4 + 100);
    let detail = format!("{}: at most {quota}", bucket.name());
    Fault { retry_after_ms: Some(wait_ms + jitter_ms), ..Fault::new(bucket.code(), detail) }
}

#[cfg(test)]
mod tests;
