//! A private group with everybody in it who can be, and some who are not.

use anyhow::Context;
use chat_protocol::{ClientId, Clock, ConversationId, MessageId, Seq, Shard, time::SystemClock};
use serde_json::{Value, json};

use crate::{
    routes::Route,
    world::{User, World, id},
};

/// Who asks; those who may least come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    Anonymous,
    Stranger,
    Banned,
    ExMember,
    Member,
    Moderator,
    Admin,
    Owner,
}

impl Actor {
    pub const ALL: [Self; 8] = [
        Self::Anonymous,
        Self::Stranger,
        Self::Banned,
        Self::ExMember,
        Self::Member,
        Self::Moderator,
        Self::Admin,
        Self::Owner,
    ];
}

/// The users, the same for every conversation.
pub struct Cast {
    users: Vec<(Actor, User)>,
    /// A plain member to whom things are done.
    target: User,
}

impl Cast {
    pub async fn new(world: &World) -> anyhow::Result<Self> {
        let mut users = Vec::new();
        for actor in Actor::ALL.into_iter().filter(|actor| *actor != Actor::Anonymous) {
            users.push((actor, world.user(&named(&format!("{actor:?}"))).await?));
        }
        Ok(Self { users, target: world.user(&named("target")).await? })
    }

    pub fn user(&self, actor: Actor) -> Option<&User> {
        self.users.iter().find(|(known, _)| *known == actor).map(|(_, user)| user)
    }

    fn one(&self, actor: Actor) -> anyhow::Result<&User> {
        self.user(actor).context("anonymous is nobody")
    }
}

/// A name that no other cast of the same world has.
fn named(what: &str) -> String {
    format!("{}-{:08x}", what.to_lowercase(), rand::random::<u32>())
}

/// One conversation.
pub struct Stage {
    /// Its path.
    room: String,
    /// A message of its owner.
    message: String,
}

impl Stage {
    pub async fn set(world: &World, cast: &Cast) -> anyhow::Result<Self> {
        let owner = cast.one(Actor::Owner)?;
        let inside = [Actor::Banned, Actor::ExMember, Actor::Member, Actor::Moderator, Actor::Admin];
        let mut members = vec![cast.target.id.as_str()];
        for actor in inside {
            members.push(&cast.one(actor)?.id);
        }
        let room = world.makes(owner, json!({"kind": "group", "members": members})).await?;
        for (actor, role) in [(Actor::Moderator, "moderator"), (Actor::Admin, "admin")] {
            let path = format!("{room}/members/{}", cast.one(actor)?.id);
            world.does(owner, "PATCH", &path, json!({"role": role})).await?;
        }
        world.does(cast.one(Actor::ExMember)?, "DELETE", &format!("{room}/members/me"), Value::Null).await?;
        world.does(owner, "PUT", &format!("{room}/bans/{}", cast.one(Actor::Banned)?.id), json!({})).await?;
        let sent = world.does(owner, "POST", &format!("{room}/messages"), json!({"text": "hi"})).await?;
        Ok(Self { room, message: sent["id"].as_str().context("an id")?.to_owned() })
    }

    /// One like this that does not exist.
    pub fn absent(_: &Self) -> Self {
        let message = MessageId::new(Shard::new(1).expect("small"), Seq::new(7).expect("small"));
        let room = format!("/v1/conversations/{}", ConversationId::from_u128(rand::random()));
        Self { room, message: message.to_string() }
    }

    pub fn path(&self, cast: &Cast, route: &Route) -> String {
        self.filled(cast, route.path).replace("{c}", &self.room)
    }

    pub fn body(&self, cast: &Cast, route: &Route) -> Option<Value> {
        let body = self.filled(cast, route.body).replace("{c}", id(&self.room));
        (!body.is_empty()).then(|| serde_json::from_str(&body).expect("the table holds JSON"))
    }

    fn filled(&self, cast: &Cast, text: &str) -> String {
        let minted = ClientId::ulid(u64::try_from(SystemClock.now().as_ms()).unwrap_or_default(), rand::random());
        text.replace("{m}", &self.message).replace("{t}", &cast.target.id).replace("{id}", &minted.to_string())
    }

    /// The status, and the code of a refusal.
    pub async fn ask(&self, world: &World, cast: &Cast, actor: Actor, route: &Route) -> anyhow::Result<String> {
        let (path, body) = (self.path(cast, route), self.body(cast, route));
        Ok(world.ask(0, cast.user(actor), route.method, &path, body).await?.refusal())
    }

    /// The code of a refusal, or `ok`.
    pub async fn says(&self, world: &World, cast: &Cast, actor: Actor, frame: &Route) -> anyhow::Result<String> {
        let mut socket = world.socket(0, cast.one(actor)?).await?;
        let mut document = self.body(cast, frame).context("a frame has fields")?;
        document["type"] = json!(frame.path);
        socket.says(&document).await?;
        let answers = ["ack", "ok", "recovered", "error"];
        let by_id = document["client_id"].clone();
        let answer = socket.until(move |frame| {
            let kind = frame["type"].as_str().unwrap_or_default();
            answers.contains(&kind) && (frame["ref"] == 1 || (!by_id.is_null() && frame["client_id"] == by_id))
        });
        Ok(answer.await?["code"].as_str().unwrap_or("ok").to_owned())
    }
}
