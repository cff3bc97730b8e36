//! What every request and socket of this gateway works with.

use std::sync::Arc;

use chat_auth::{Access, Issuer, Passwords, ResumeSealer, Revocations, Verifier};
use chat_bus::Log;
use chat_protocol::{Clock, ConversationId, ErrorCode, Seq, Timestamp, UserId, limits};
use chat_service::{Health, Shutdown};
use chat_store::{Membership, Store};
use tokio_util::sync::CancellationToken;

use crate::{
    accept::Places, config::Config, fault::Fault, history::SharedReads, hub::Hub, presence::Presence, rate::Rates,
    recency::Quiet, signals::Signals,
};

/// Memberships read at once.
const MEMBERSHIPS_PAGE: usize = 500;

/// Shared by all tasks of one gateway.
pub struct App {
    /// The settings in force.
    pub config: Config,
    /// Conversations and sockets.
    pub hub: Hub,
    /// The log.
    pub log: Arc<dyn Log>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Signs access tokens.
    pub issuer: Issuer,
    /// Checks them.
    pub verifier: Verifier,
    /// Seals and opens resume tokens.
    pub sealer: ResumeSealer,
    /// What is no longer trusted.
    pub revocations: Revocations,
    /// Hashes and checks passwords.
    pub passwords: Passwords,
    /// Last events of conversations that the log holds nothing of.
    pub quiet: Quiet,
    /// Equal reads of the store share one query.
    pub reads: SharedReads,
    /// How much each may do.
    pub rates: Rates,
    /// What may be lost.
    pub signals: Signals,
    /// Who is there.
    pub presence: Presence,
    /// What the operator is told.
    pub health: Health,
    /// For connections.
    pub places: Places,
    /// When to leave.
    pub shutdown: Shutdown,
    /// When the doors close: nothing is accepted any more, what is under way ends.
    pub doors: CancellationToken,
}

impl App {
    /// Who an access token speaks for, if it counts now.
    pub fn verify(&self, token: &str) -> Result<Access, Fault> {
        let access = self.verifier.verify(token, self.now()).map_err(|err| Fault::from(err.code()))?;
        self.revocations.check(access.user, access.session, access.issued_at)?;
        Ok(access)
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Refuses new sockets while the gateway leaves. Requests and open sockets are served to the end.
    pub fn accepting(&self) -> Result<(), ErrorCode> {
        if self.shutdown.is_draining() { Err(ErrorCode::Draining) } else { Ok(()) }
    }

    /// A user's conversations with where they joined, at most [`limits::CONVERSATIONS_PER_USER`].
    pub async fn memberships(&self, user: UserId) -> Result<Vec<(ConversationId, Seq)>, Fault> {
        let places = self.places(user).await?;
        Ok(places.into_iter().map(|row| (row.conversation, row.member.joined_seq)).collect())
    }

    /// A user's conversations with their place in each, at most [`limits::CONVERSATIONS_PER_USER`].
    pub async fn places(&self, user: UserId) -> Result<Vec<Membership>, Fault> {
        let mut all: Vec<Membership> = Vec::new();
        loop {
            let after = all.last().map(|row| row.conversation);
            let page = self.store.memberships(user, after, MEMBERSHIPS_PAGE).await?;
            let last = page.len() < MEMBERSHIPS_PAGE;
            all.extend(page);
            if last || all.len() >= limits::CONVERSATIONS_PER_USER {
                return Ok(all);
            }
        }
    }
}
