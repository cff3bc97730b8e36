//! People and conversations in every state that some request is refused for.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use chat_bus::Nonce;
use chat_protocol::{
    ClientId, Clock, ConversationId, MessageId, Seq, Timestamp, UserId,
    event::{BlockChanged, Body, ConversationCreated, Event, MemberChanged, MessageCreated},
    limits,
    model::{AccountState, Content, HistoryAccess, Kind, MessageKind, Settings, Visibility},
    rights::Role,
    time::SystemClock,
};
use chat_store::EventRow;
use serde_json::{Value, json};

use crate::{ask::Asker, house::House};

const PASSWORD: &str = "correct-horse-battery";

/// What the names in requests stand for.
pub struct Stage {
    pub names: BTreeMap<String, String>,
    /// By who holds them; `expired` and `revoked` are ada's.
    pub tokens: BTreeMap<String, String>,
}

impl Stage {
    /// Everything, at a gateway in which nothing is broken.
    pub async fn set(house: &House, sound: SocketAddr) -> anyhow::Result<Self> {
        let mut stage = Self { names: BTreeMap::new(), tokens: BTreeMap::new() };
        let asker = Asker::at(sound);
        stage.name("password", PASSWORD);
        stage.name("ada_name", "ada");
        stage.name("absent", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        stage.name("old_client_id", &ClientId::ulid(1, 1).to_string());
        for name in ["ada", "ben", "eve", "fay", "gil", "dan", "max"] {
            let session = asker.good("", "POST", "/v1/users", &json!({"name": name, "password": PASSWORD})).await?;
            stage.name(name, text(&session["user"]["id"])?);
            stage.name(&format!("{name}_refresh"), text(&session["refresh_token"])?);
            stage.tokens.insert(name.to_owned(), text(&session["access_token"])?.to_owned());
        }
        stage.ends_sessions(house, &asker).await?;
        stage.holds_conversations(&asker).await?;
        stage.has_an_old_message(house, &asker).await?;
        stage.is_full(house).await?;
        // Last: he cannot do anything any more.
        house.store.set_state(stage.user("dan")?, AccountState::Suspended).await?;
        Ok(stage)
    }

    fn name(&mut self, name: &str, value: &str) {
        self.names.insert(name.to_owned(), value.to_owned());
    }

    /// With the names filled in.
    pub fn fill(&self, text: &str) -> String {
        let fresh = format!("n{:x}", rand::random::<u64>());
        let text = text.replace("{fresh}", &fresh);
        self.names.iter().fold(text, |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    fn user(&self, name: &str) -> anyhow::Result<UserId> {
        Ok(self.names[name].parse()?)
    }

    async fn ends_sessions(&mut self, house: &House, asker: &Asker) -> anyhow::Result<()> {
        let an_hour_ago = SystemClock.now().plus_ms(-3_600_000);
        self.tokens.insert("expired".into(), house.token(self.user("ada")?, an_hour_ago));
        let log_in = json!({"name": "ada", "password": PASSWORD});
        let ended = asker.good("", "POST", "/v1/sessions", &log_in).await?;
        let token = text(&ended["access_token"])?;
        asker.good(token, "DELETE", "/v1/sessions/current", &Value::Null).await?;
        self.tokens.insert("revoked".into(), token.to_owned());
        let refresh = text(&ended["refresh_token"])?;
        self.name("revoked_refresh", refresh);
        // Well formed, and of a session that never was.
        let session = text(&ended["id"])?;
        self.name("unknown_refresh", &refresh.replace(session, &self.names["absent"]));
        Ok(())
    }

    async fn holds_conversations(&mut self, asker: &Asker) -> anyhow::Result<()> {
        let (ada, fay) = (self.tokens["ada"].clone(), self.tokens["fay"].clone());
        let [ben, gil, fay_id] = ["ben", "gil", "fay"].map(|name| self.names[name].clone());
        let makes = async |what: Value| -> anyhow::Result<String> {
            let made = asker.good(&ada, "POST", "/v1/conversations", &what).await?;
            Ok(text(&made["id"])?.to_owned())
        };
        let does = async |method: &str, path: &str, body: Value| asker.good(&ada, method, path, &body).await;
        let says = async |to: &str| -> anyhow::Result<String> {
            let sent = does("POST", &format!("/v1/conversations/{to}/messages"), json!({"text": "hi"})).await?;
            Ok(text(&sent["id"])?.to_owned())
        };
        for (name, what) in [
            ("group", json!({"kind": "group", "members": [ben]})),
            ("public", json!({"kind": "group", "visibility": "public", "members": [ben]})),
            ("mute", json!({"kind": "group", "members": [ben]})),
            ("full", json!({"kind": "group", "members": [ben]})),
            ("slow", json!({"kind": "group", "members": [ben], "slow_mode_s": 3_600})),
            ("direct", json!({"kind": "direct", "members": [fay_id]})),
        ] {
            let id = makes(what).await?;
            let message = if name == "group" { "message".to_owned() } else { format!("{name}_message") };
            self.name(&message, &says(&id).await?);
            self.name(name, &id);
        }
        let [group, public, mute, full] = ["group", "public", "mute", "full"].map(|name| self.names[name].clone());
        for name in ["other_message", "full_message"] {
            self.name(name, &says(&group).await?);
        }
        let (message, crowded) = (self.names["message"].clone(), self.names["full_message"].clone());
        let of_group = |rest: &str| format!("/v1/conversations/{group}/{rest}");
        does("PUT", &of_group(&format!("messages/{message}/reactions/old")), Value::Null).await?;
        does("PUT", &of_group(&format!("pins/{message}")), Value::Null).await?;
        for n in 0..limits::EMOJI_PER_MESSAGE {
            does("PUT", &of_group(&format!("messages/{crowded}/reactions/e{n}")), Value::Null).await?;
        }
        for place in [&group, &public] {
            does("PUT", &format!("/v1/conversations/{place}/bans/{gil}"), json!({})).await?;
        }
        let nothing = ["read", "react", "send", "attach", "edit_own", "delete_own"];
        let muted = json!({"overrides": {"member": {"allow": [], "deny": nothing}}});
        does("PATCH", &format!("/v1/conversations/{mute}"), muted).await?;
        let slowly = format!("/v1/conversations/{}/messages", self.names["slow"]);
        asker.good(&self.tokens["ben"], "POST", &slowly, &json!({"text": "hi"})).await?;
        for _ in 0..limits::PINS {
            let pinned = says(&full).await?;
            does("PUT", &format!("/v1/conversations/{full}/pins/{pinned}"), Value::Null).await?;
        }
        self.name("last_message", &says(&full).await?);
        does("PUT", &format!("/v1/users/me/blocks/{gil}"), Value::Null).await?;
        let blocks = format!("/v1/users/me/blocks/{}", self.names["ada"]);
        asker.good(&fay, "PUT", &blocks, &Value::Null).await?;
        let gone = makes(json!({"kind": "group"})).await?;
        let job = does("DELETE", &format!("/v1/conversations/{gone}"), Value::Null).await?;
        self.name("job", text(&job["id"])?);
        Ok(())
    }

    /// Said the day before yesterday, as far as anybody can tell.
    async fn has_an_old_message(&mut self, house: &House, asker: &Asker) -> anyhow::Result<()> {
        let (of, by): (ConversationId, UserId) = (self.names["group"].parse()?, self.user("ada")?);
        let at = SystemClock.now().plus_ms(-48 * 3_600_000);
        let client_id = ClientId::ulid(at.as_ms().unsigned_abs(), rand::random());
        let content = Content { text: Some("long ago".into()), ..Content::default() };
        let created =
            MessageCreated { client_id, kind: MessageKind::Text, content, mentions: Vec::new(), deleted: false };
        let event = Event { at, by, body: Body::MessageCreated(Box::new(created)) };
        let nonce = Nonce::message(of, by, client_id);
        let seq = house.log.append(of, nonce, event.encode(), None).await?.seq;
        let id = MessageId::new(house.log.shard_of(of), seq).to_string();
        let path = format!("/v1/conversations/{of}/messages/{id}");
        for _ in 0..100 {
            if asker.good(&self.tokens["ada"], "GET", &path, &Value::Null).await.is_ok() {
                self.name("old_message", &id);
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("the old message is not seen")
    }

    /// Max blocks as many as one may, and is in as many conversations.
    async fn is_full(&self, house: &House) -> anyhow::Result<()> {
        let max = self.user("max")?;
        let row = |of: ConversationId, seq: u64, body: Body| -> anyhow::Result<EventRow> {
            let at = Timestamp::from_ms(1_700_000_000_000);
            let event = Event { at, by: max, body }.encode();
            let seq = Seq::new(seq).context("a position")?;
            Ok(EventRow { conversation: of, shard: house.log.shard_of(of), seq, event })
        };
        let mut rows = Vec::new();
        for n in 1..=limits::BLOCKS as u64 {
            let blocked = Body::BlockAdded(BlockChanged { user: UserId::from_u128(n.into()) });
            rows.push(row(ConversationId::feed(max), n, blocked)?);
        }
        for n in 1..=limits::CONVERSATIONS_PER_USER as u64 {
            let created = ConversationCreated {
                kind: Kind::Group,
                visibility: Visibility::Private,
                history: HistoryAccess::All,
                settings: Settings::default(),
                members: vec![MemberChanged { user: max, role: Role::Owner }],
            };
            rows.push(row(ConversationId::from_u128(n.into()), n, Body::ConversationCreated(Box::new(created)))?);
        }
        for batch in rows.chunks(200) {
            house.store.apply(batch).await?;
        }
        let places = house.store.memberships(max, None, limits::CONVERSATIONS_PER_USER).await?;
        ensure!(places.len() == limits::CONVERSATIONS_PER_USER, "max is in {} conversations", places.len());
        Ok(())
    }
}

fn text(value: &Value) -> anyhow::Result<&str> {
    value.as_str().with_context(|| format!("a word, not {value}"))
}
