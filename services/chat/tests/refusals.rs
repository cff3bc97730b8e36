//! Every refusal that the OpenAPI document promises of a route is provoked once: (route, code) by (route, code), and
//! what cannot be provoked here stands in one list with who does it instead.

#[path = "refusals/ask.rs"]
mod ask; // and what every refusal looks like
#[path = "refusals/away.rs"]
mod away; // logs and stores that fail
#[path = "refusals/house.rs"]
mod house; // gateways over them
#[path = "refusals/requests.rs"]
mod requests; // of every route, and those that are refused
#[path = "refusals/stage.rs"]
mod stage; // everybody and everything they name
#[path = "refusals/tally.rs"]
mod tally; // what is promised, what was provoked

use std::sync::Arc;

use chat_bus::{BusError, Full, Log};
use chat_protocol::limits;
use chat_service::Shutdown;
use chat_store::{Store, StoreError};
use futures_util::{StreamExt, stream};

use ask::{Asker, Sent};
use away::{Broken, BrokenLog, NoStore};
use house::House;
use requests::{GOOD, REFUSED, Request};
use stage::Stage;
use tally::{Promised, Tally};

/// What is not provoked here, why, and where it is.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("put_marker", "overloaded", "takes more markers than fit: gateway/src/signals/pending.rs counts them"),
    ("set_status", "overloaded", "all users of a gateway together do more than it takes: the bench of presence does"),
    ("query_presence", "overloaded", "the same"),
    ("open_socket", "overloaded", "limits.rs opens more sockets than one address may"),
    (
        "open_socket",
        "draining",
        "a gateway that drains takes sockets no more: the plays of one that leaves, in browser/leaving.rs",
    ),
    ("list_own_events", "store_unavailable", "only what the log holds no more is asked of the store: chaos/store.rs"),
    ("list_own_events", "internal", "the same"),
];

struct Play {
    house: House,
    stage: Stage,
    tally: Tally,
    sound: Asker,
}

impl Play {
    async fn begin() -> anyhow::Result<Self> {
        let house = House::build().await?;
        let sound = house.sound().await?;
        let stage = Stage::set(&house, sound).await?;
        Ok(Self { house, stage, tally: Tally::of(chat_gateway::openapi())?, sound: Asker::at(sound) })
    }

    fn sent(&self, request: &Request) -> Sent {
        let Promised { method, .. } = self.tally.promised(request.operation);
        let upgrading = request.by == "upgrading";
        let handshake = ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13"];
        let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
        let own = Some(request.header).filter(|header| !header.is_empty());
        let headers = handshake.into_iter().chain([key]).filter(|_| upgrading).chain(own).map(str::to_owned);
        Sent {
            method: method.clone(),
            path: self.stage.fill(request.path),
            token: self.stage.tokens.get(request.by).cloned().unwrap_or_default(),
            body: self.stage.fill(request.body),
            kind: String::new(),
            headers: headers.collect(),
        }
    }

    /// Asks what may be refused so, and notes it if it is.
    async fn provokes(&mut self, asker: &Asker, operation: &'static str, code: &str, sent: Sent) -> anyhow::Result<()> {
        if self.tally.waits_for(operation, code) {
            let answer = asker.asks(sent).await?;
            self.tally.note(operation, code, &answer);
        }
        Ok(())
    }

    /// All routes at once at a gateway that can only fail like this.
    async fn everywhere(&mut self, asker: &Asker, code: &str) -> anyhow::Result<()> {
        let wanted = GOOD.iter().filter(|good| self.tally.waits_for(good.operation, code));
        let asked = wanted.map(|good| (good.operation, self.sent(good)));
        let asked: Vec<_> = asked.map(|(operation, sent)| async move { (operation, asker.asks(sent).await) }).collect();
        let answers: Vec<_> = stream::iter(asked).buffer_unordered(8).collect().await;
        for (operation, answer) in answers {
            self.tally.note(operation, code, &answer?);
        }
        Ok(())
    }

    async fn refusals_of_their_own(&mut self) -> anyhow::Result<()> {
        let asker = self.sound.clone();
        for (code, request) in REFUSED {
            let answer = asker.asks(self.sent(request)).await?;
            anyhow::ensure!(answer == *code, "{request:?} answers {answer}, not {code}");
            self.tally.note(request.operation, code, &answer);
        }
        Ok(())
    }

    /// Tokens, bodies and queries are looked at alike everywhere.
    async fn refusals_at_the_door(&mut self) -> anyhow::Result<()> {
        let asker = self.sound.clone();
        for good in GOOD {
            let sent = self.sent(good);
            for (code, holder) in [("unauthenticated", ""), ("token_expired", "expired"), ("token_revoked", "revoked")]
            {
                let token = self.stage.tokens.get(holder).cloned().unwrap_or_default();
                self.provokes(&asker, good.operation, code, Sent { token, ..sent.clone() }).await?;
            }
            let body = |body: &str| Sent { body: body.to_owned(), ..sent.clone() };
            self.provokes(&asker, good.operation, "malformed", body("{")).await?;
            self.provokes(&asker, good.operation, "too_large", body(&" ".repeat(limits::BODY_BYTES + 1))).await?;
            let plain = Sent { kind: "text/plain".into(), ..sent.clone() };
            self.provokes(&asker, good.operation, "unsupported_media_type", plain).await?;
            let wrong = if sent.body.is_empty() {
                Sent { path: format!("{}?limit=0", sent.path.split('?').next().unwrap_or_default()), ..sent.clone() }
            } else {
                body(r#"{"no_such_field":1}"#)
            };
            self.provokes(&asker, good.operation, "invalid", wrong).await?;
        }
        Ok(())
    }

    /// Who may what where is decided in one place.
    async fn refusals_by_right(&mut self) -> anyhow::Result<()> {
        let asker = self.sound.clone();
        for good in GOOD {
            let moved = |by: &'static str, to: &str, message: &str| {
                let place = |text: &str| {
                    let text = text.replace("{message}", &format!("{{{message}}}"));
                    text.replace("{group}", &format!("{{{to}}}")).replace("{public}", &format!("{{{to}}}"))
                };
                let sent = self.sent(&Request { by, ..*good });
                Sent { path: self.stage.fill(&place(good.path)), body: self.stage.fill(&place(good.body)), ..sent }
            };
            let tries = [
                ("not_found", moved("ada", "absent", "message")),
                ("not_a_member", moved("eve", "public", "public_message")),
                ("forbidden", moved("eve", "public", "public_message")),
                ("forbidden", moved("ben", "mute", "mute_message")),
            ];
            for (code, sent) in tries {
                self.provokes(&asker, good.operation, code, sent).await?;
            }
        }
        Ok(())
    }

    async fn refusals_to_the_impatient(&mut self) -> anyhow::Result<()> {
        let flags = ["--gateway-limit-requests", "1/1h:1", "--gateway-limit-anonymous", "1/1h:1"];
        let (log, store) = (Arc::clone(&self.house.log), Arc::clone(&self.house.store));
        let asker = Asker::at(self.house.gateway(log, store, &flags, Shutdown::new()).await?);
        for by in ["", "ada", "ben", "eve"] {
            let me = GOOD.iter().find(|good| good.operation == "get_me").copied();
            if let Some(me) = me {
                asker.asks(self.sent(&Request { by, ..me })).await?;
            }
        }
        self.everywhere(&asker, "rate_limited").await
    }

    async fn refusals_without_a_store(&mut self) -> anyhow::Result<()> {
        let stores = [
            ("store_unavailable", NoStore(|| StoreError::Unavailable)),
            ("storage_full", NoStore(|| StoreError::Full)),
            ("internal", NoStore(|| StoreError::Other("broken on purpose".into()))),
        ];
        for (code, store) in stores {
            let store: Arc<dyn Store> = Arc::new(store);
            let asker = Asker::at(self.house.over(Arc::clone(&self.house.log), store).await?);
            self.everywhere(&asker, code).await?;
        }
        Ok(())
    }

    async fn refusals_without_a_log(&mut self) -> anyhow::Result<()> {
        let faults: [(&str, Broken); 6] = [
            ("log_unavailable", Broken::Away),
            ("outcome_unknown", Broken::Append(|| BusError::Unknown)),
            ("storage_full", Broken::Append(|| BusError::Full(Full::Storage))),
            ("overloaded", Broken::Append(|| BusError::Full(Full::Window))),
            ("internal", Broken::Append(|| BusError::Other("broken on purpose".into()))),
            // Somebody else is always faster.
            ("conflict", Broken::Append(|| BusError::WrongHead(None))),
        ];
        for (code, broken) in faults {
            let log: Arc<dyn Log> = Arc::new(BrokenLog(Arc::clone(&self.house.log), broken));
            let asker = Asker::at(self.house.over(log, Arc::clone(&self.house.store)).await?);
            self.everywhere(&asker, code).await?;
        }
        Ok(())
    }

    /// Passwords are checked by few at a time, and only so many wait.
    async fn refusals_to_the_crowd(&mut self) -> anyhow::Result<()> {
        const CROWD: usize = 120;
        let asker = self.sound.clone();
        for good in GOOD.iter().filter(|good| ["register", "log_in", "change_password"].contains(&good.operation)) {
            let asked = (0..CROWD).map(|_| {
                let mut sent = self.sent(good);
                sent.body = sent.body.replace(r#""old":""#, r#""old":"not "#);
                asker.asks(sent)
            });
            let asked: Vec<_> = asked.collect();
            let answers: Vec<_> = stream::iter(asked).buffer_unordered(CROWD).collect().await;
            for answer in answers {
                self.tally.note(good.operation, "overloaded", &answer?);
            }
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_that_is_documented_is_provoked() -> anyhow::Result<()> {
    let mut play = Play::begin().await?;
    play.refusals_of_their_own().await?;
    play.refusals_at_the_door().await?;
    play.refusals_by_right().await?;
    play.refusals_to_the_impatient().await?;
    play.refusals_without_a_store().await?;
    play.refusals_without_a_log().await?;
    play.refusals_to_the_crowd().await?;
    play.tally.is_complete(ELSEWHERE)
}
