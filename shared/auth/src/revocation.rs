//! What is no longer trusted although its token has not ended: by session, and by user and time of issue.

use std::collections::HashMap;

use chat_protocol::{ErrorCode, SessionId, Timestamp, UserId};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

/// One line of the list; also the signal that tells other gateways of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Revocation {
    /// One log-in.
    Session {
        /// Which.
        session: SessionId,
        /// After it no token of it can live.
        until: Timestamp,
    },
    /// Every token of a user that was issued before a time.
    User {
        /// Whose.
        user: UserId,
        /// Tokens issued before this.
        issued_before: Timestamp,
        /// After it no such token can live.
        until: Timestamp,
    },
}

/// The list of one gateway, checked in memory for every request and socket.
#[derive(Default)]
pub struct Revocations {
    list: RwLock<List>,
}

#[derive(Default)]
struct List {
    sessions: HashMap<SessionId, Timestamp>,
    users: HashMap<UserId, Cut>,
}

#[derive(Clone, Copy)]
struct Cut {
    issued_before: Timestamp,
    until: Timestamp,
}

impl Revocations {
    /// Nothing revoked.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether tokens of this session, issued then, still count.
    ///
    /// # Errors
    /// [`ErrorCode::TokenRevoked`].
    pub fn check(&self, user: UserId, session: SessionId, issued_at: Timestamp) -> Result<(), ErrorCode> {
        let list = self.list.read();
        let by_session = list.sessions.contains_key(&session);
        let by_user = list.users.get(&user).is_some_and(|cut| issued_at < cut.issued_before);
        if by_session || by_user { Err(ErrorCode::TokenRevoked) } else { Ok(()) }
    }

    /// Adds what a signal, or a fresh read of the store, brought. Repeating it, in any order, changes nothing.
    pub fn merge(&self, news: impl IntoIterator<Item = Revocation>) {
        let mut list = self.list.write();
        for revocation in news {
            list.add(revocation);
        }
    }

    /// Forgets what has ended by itself.
    pub fn expire(&self, now: Timestamp) {
        let mut list = self.list.write();
        list.sessions.retain(|_, until| now < *until);
        list.users.retain(|_, cut| now < cut.until);
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        let list = self.list.read();
        list.sessions.len() + list.users.len()
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl List {
    fn add(&mut self, revocation: Revocation) {
        match revocation {
            Revocation::Session { session, until } => {
                let known = self.sessions.entry(session).or_insert(until);
                *known = until.max(*known);
            }
            Revocation::User { user, issued_before, until } => {
                let known = self.users.entry(user).or_insert(Cut { issued_before, until });
                known.issued_before = issued_before.max(known.issued_before);
                known.until = until.max(known.until);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: UserId = UserId::from_u128(1);
    const PHONE: SessionId = SessionId::from_u128(10);
    const LAPTOP: SessionId = SessionId::from_u128(11);

    const fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    #[test]
    fn a_session_is_refused_and_the_others_are_not() {
        let list = Revocations::new();
        list.merge([Revocation::Session { session: PHONE, until: at(900) }]);
        assert_eq!(list.check(ALICE, PHONE, at(1)), Err(ErrorCode::TokenRevoked));
        assert_eq!(list.check(ALICE, LAPTOP, at(1)), Ok(()));
    }

    #[test]
    fn a_user_is_refused_up_to_a_time_of_issue() {
        let list = Revocations::new();
        list.merge([Revocation::User { user: ALICE, issued_before: at(500), until: at(900) }]);
        assert_eq!(list.check(ALICE, PHONE, at(499)), Err(ErrorCode::TokenRevoked));
        assert_eq!(list.check(ALICE, PHONE, at(500)), Ok(()), "a log-in after it counts");
        assert_eq!(list.check(UserId::from_u128(2), PHONE, at(1)), Ok(()));
    }

    #[test]
    fn merging_takes_the_later_of_each_whatever_the_order() {
        let news = [
            Revocation::User { user: ALICE, issued_before: at(500), until: at(900) },
            Revocation::User { user: ALICE, issued_before: at(300), until: at(1_000) },
        ];
        for news in [news, [news[1], news[0]]] {
            let list = Revocations::new();
            list.merge(news);
            list.expire(at(950));
            assert!(list.check(ALICE, PHONE, at(499)).is_err());
        }
    }

    #[test]
    fn what_has_ended_is_forgotten() {
        let list = Revocations::new();
        list.merge([
            Revocation::Session { session: PHONE, until: at(900) },
            Revocation::User { user: ALICE, issued_before: at(500), until: at(901) },
        ]);
        list.expire(at(900));
        assert_eq!(list.len(), 1);
        list.expire(at(901));
        assert!(list.is_empty());
    }

    #[test]
    fn it_crosses_the_wire_as_json() {
        let revocation = Revocation::User { user: ALICE, issued_before: at(500), until: at(900) };
        let json = serde_json::to_string(&revocation).unwrap();
        assert_eq!(serde_json::from_str::<Revocation>(&json).unwrap(), revocation);
    }
}
