//! The chat server as its users see it: accounts, conversations, sockets that follow one.
//!
//! A bench breaks limits that protect a real service: frames per socket, sends per user and conversation, sockets per
//! user, registrations and connects per address. The set-up spreads over many source addresses, and a refusal names the
//! limit that the server must be started with.

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    str::FromStr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use chat_protocol::{ConversationId, UserId};
use serde_json::{Value, json};

use crate::{
    connect::{Opening, Sources},
    crowd::Crowd,
    drive::Room,
    http::Connection,
    layout::Layout,
};

/// Users named in one request.
const MEMBERS_PER_CALL: usize = 100;
/// Accounts made from one address: fewer than the registrations an address has per hour.
const ACCOUNTS_PER_SOURCE: usize = 8;

/// One public listener.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    sources: Sources,
    /// The least time between two connects; zero = as fast as they go.
    pause: Duration,
    next_connect: Instant,
}

/// Who may do something.
#[derive(Debug, Clone)]
pub struct Account {
    /// The user.
    pub id: UserId,
    /// Its access token.
    pub token: String,
}

impl Service {
    /// Reaches `address` from many sources, with at most `connects_per_s` sockets a second (0 = as fast as they go).
    pub fn new(address: SocketAddr, connects_per_s: u32) -> Self {
        let pause = if connects_per_s == 0 { Duration::ZERO } else { Duration::from_secs(1) / connects_per_s };
        Self { address, sources: Sources::new(250), pause, next_connect: Instant::now() }
    }

    /// Reaches `http://host:port`.
    pub fn at(url: &str, connects_per_s: u32) -> anyhow::Result<Self> {
        let host = url.strip_prefix("http://").context("the URL must begin with http://")?.trim_end_matches('/');
        let address = host.to_socket_addrs().with_context(|| format!("find {host}"))?.next();
        Ok(Self::new(address.with_context(|| format!("no address for {host}"))?, connects_per_s))
    }

    /// Registers `count` users.
    pub fn register(&mut self, count: usize) -> anyhow::Result<Vec<Account>> {
        let run: u32 = rand::random();
        let mut accounts = Vec::with_capacity(count);
        let mut connection = None;
        for number in 0..count {
            if number % ACCOUNTS_PER_SOURCE == 0 {
                connection = Some(Connection::open(self.address, self.sources.take())?);
            }
            let connection = connection.as_mut().expect("the first of every few opens one");
            let body = json!({
                "name": format!("load_{run:08x}_{number}"),
                "password": format!("{:032x}", rand::random::<u128>()),
                "device": "loadtest",
            });
            let answer = connection
                .json("POST", "/v1/users", None, &body)
                .context("register (limits: registrations per address, requests per address)")?;
            accounts.push(Account::from_answer(&answer)?);
        }
        Ok(accounts)
    }

    /// A private group of these accounts; the first one makes it.
    pub fn create_group(&mut self, accounts: &[Account]) -> anyhow::Result<ConversationId> {
        let (owner, others) = accounts.split_first().context("a group needs somebody")?;
        let mut connection = Connection::open(self.address, self.sources.take())?;
        let others: Vec<String> = others.iter().map(|account| account.id.to_string()).collect();
        let (first, rest) = others.split_at(others.len().min(MEMBERS_PER_CALL - 1));
        let body = json!({ "kind": "group", "title": "loadtest", "members": first });
        let answer = connection
            .json("POST", "/v1/conversations", Some(&owner.token), &body)
            .context("create a conversation (limit: requests per user)")?;
        let id = answer["id"].as_str().and_then(|text| ConversationId::from_str(text).ok());
        let id = id.context("a conversation without an id")?;
        for users in rest.chunks(MEMBERS_PER_CALL) {
            connection
                .json(
                    "POST",
                    &format!("/v1/conversations/{id}/members"),
                    Some(&owner.token),
                    &json!({ "users": users }),
                )
                .context("add members (limit: requests per user)")?;
        }
        Ok(id)
    }

    /// A socket of `account` that is live; it follows its feed only.
    pub fn enter(&mut self, account: &Account) -> anyhow::Result<Opening> {
        std::thread::sleep(self.next_connect.saturating_duration_since(Instant::now()));
        self.next_connect = Instant::now() + self.pause;
        let mut opening = Opening::upgrade(self.address, self.sources.take())
            .context("connect (limits: connects per address and gateway)")?;
        let hello = json!({
            "type": "hello", "token": account.token, "device": "loadtest", "client": "chat-loadtest", "follow": "none",
        });
        opening.say(&hello.to_string())?;
        opening.wait_for("live").context("hello (limit: sockets per user)")?;
        Ok(opening)
    }

    /// A live socket of `account` that follows `conversation`.
    pub fn follow(&mut self, account: &Account, conversation: ConversationId) -> anyhow::Result<Opening> {
        let mut opening = self.enter(account)?;
        opening.say(&json!({ "type": "follow", "ref": 1, "conversation": conversation }).to_string())?;
        opening.wait_for("recovered").context("follow")?;
        Ok(opening)
    }

    /// Fills rooms with sockets, `per_user` of them for each account.
    pub fn populate(&mut self, crowd: &mut Crowd, layout: Layout, per_user: usize) -> anyhow::Result<Vec<Room>> {
        ensure!(per_user > 0, "a user needs a socket");
        let accounts = self.register(layout.sockets().div_ceil(per_user))?;
        let mut rooms = Vec::with_capacity(layout.rooms);
        for number in 0..layout.rooms {
            let sockets = number * layout.members..(number + 1) * layout.members;
            let users = sockets.start / per_user..=(sockets.end - 1) / per_user;
            let conversation = self.create_group(&accounts[users])?;
            let mut members = Vec::with_capacity(layout.members);
            for socket in sockets {
                let opening = self.follow(&accounts[socket / per_user], conversation)?;
                members.push(crowd.join(opening)?);
            }
            rooms.push(Room { conversation, members });
            // Whoever is in already is served, so that no ping waits for the rest of a long set-up.
            crowd.serve(Duration::ZERO)?;
        }
        Ok(rooms)
    }
}

impl Account {
    /// `access_token`, and the user as an object or an id.
    fn from_answer(answer: &Value) -> anyhow::Result<Self> {
        let token = answer["access_token"].as_str().context("no access token")?.to_owned();
        let id = answer["user"]["id"].as_str().or_else(|| answer["user"].as_str()).context("no user id")?;
        Ok(Self { id: id.parse().context("a user id that is none")?, token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_in_both_shapes() {
        let id = UserId::from_u128(5).to_string();
        for user in [json!(id), json!({ "id": id })] {
            let account = Account::from_answer(&json!({ "access_token": "t", "user": user })).unwrap();
            assert_eq!((account.id, account.token.as_str()), (UserId::from_u128(5), "t"));
        }
        assert!(Account::from_answer(&json!({ "access_token": "t" })).is_err());
        assert!(Account::from_answer(&json!({ "user": id })).is_err());
    }

    #[test]
    fn urls_are_plain_http() {
        assert_eq!(Service::at("http://127.0.0.1:8080/", 0).unwrap().address.port(), 8080);
        assert!(Service::at("https://127.0.0.1:8080", 0).is_err());
        assert!(Service::at("127.0.0.1:8080", 0).is_err());
    }
}
