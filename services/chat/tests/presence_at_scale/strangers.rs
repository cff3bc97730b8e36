//! Users with nothing but a token: gateways know no more of anybody, and an account would cost a password.

use chat_auth::{Issuer, Keys, access};
use chat_protocol::{Clock, SessionId, UserId, time::SystemClock};
use chat_testkit::play::Cluster;
use rand::Rng;

/// Whoever signs for them.
pub struct Strangers(Issuer);

/// One of them, logged in once.
#[derive(Clone, Copy)]
pub struct Stranger(UserId, SessionId);

impl Strangers {
    /// With the keys of a cluster.
    pub fn of(cluster: &Cluster) -> anyhow::Result<Self> {
        Ok(Self(Issuer::new(&Keys::read(&cluster.keys())?, access::OURS, access::OURS)))
    }

    /// Somebody new.
    pub fn comes(&self) -> Stranger {
        let (mut rng, ms) = (rand::rng(), SystemClock.now().as_ms().unsigned_abs());
        Stranger(UserId::ulid(ms, rng.random()), SessionId::ulid(ms, rng.random()))
    }

    /// A token of now; the next one of the same session renews it.
    pub fn token(&self, Stranger(user, session): Stranger) -> String {
        self.0.issue(user, session, SystemClock.now(), &mut rand::rng()).text.expose().to_owned()
    }
}
