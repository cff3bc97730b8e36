//! Performs acts, through whichever gateway answers, until each is done or refused.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use chat_client::{CommandError, Rest, SendError};
use chat_protocol::model::{Content, ContentChange};
use chat_protocol::{ConversationId, MessageId, Seq, UserId};
use chat_testkit::play::{Room, User};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::acts::{Act, Membership, Mentioned, What};
use super::held::{insist, is_refused};

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// What came of the acts.
#[derive(Default)]
pub struct Book {
    /// Where each message is that an act said; `None` if it was refused.
    said: watch::Sender<BTreeMap<usize, Option<(usize, MessageId)>>>,
    /// How many acts are over.
    pub over: watch::Sender<usize>,
    refused: Mutex<usize>,
    /// How far users said that they have read, by room and user.
    pub read: Mutex<BTreeMap<(usize, usize), Seq>>,
}

impl Book {
    pub fn refused(&self) -> usize {
        *self.refused.lock()
    }

    async fn find(&self, act: usize) -> anyhow::Result<Option<(usize, MessageId)>> {
        let mut said = self.said.subscribe();
        let known = timeout(PATIENCE, said.wait_for(|said| said.contains_key(&act))).await;
        let known = known.with_context(|| format!("act {act} never came to its end"))??;
        Ok(known.get(&act).copied().flatten())
    }
}

/// Everybody and everything that acts name.
pub struct Stage<'a> {
    pub rooms: &'a [Room],
    pub users: &'a [UserId],
    pub book: &'a Book,
}

/// One user at work.
pub struct Actor<'a> {
    pub stage: &'a Stage<'a>,
    pub number: usize,
    pub user: &'a User,
    /// Requests of this user to each gateway.
    pub gateways: &'a [Rest],
}

impl Actor<'_> {
    /// Performs those of the acts that are this user's.
    pub async fn plays(&self, acts: &[Act]) -> anyhow::Result<()> {
        for (number, act) in acts.iter().enumerate().filter(|(_, act)| act.by == self.number) {
            let done = self.performs(number, act).await.with_context(|| format!("act {number}, {act:?}"))?;
            if !done {
                *self.stage.book.refused.lock() += 1;
            }
            self.stage.book.over.send_modify(|over| *over += 1);
        }
        Ok(())
    }

    /// Whether it was done, and not refused.
    async fn performs(&self, number: usize, act: &Act) -> anyhow::Result<bool> {
        let rest = &act.gateway;
        match &act.what {
            What::Say { room, mentions, answers } => {
                let said = self.says(act, number, *room, *mentions, *answers).await?;
                let said = said.map(|id| (*room, id));
                self.stage.book.said.send_modify(|book| _ = book.insert(number, said));
                Ok(said.is_some())
            }
            What::Edit { message } => {
                let Some((of, id)) = self.message(*message).await? else { return Ok(false) };
                let text = Some(format!("{message}, edited by act {number}"));
                let change = &ContentChange { text, ..ContentChange::default() };
                if act.by_frame {
                    return self.commands(|| self.user.client().edit(of, id, change.clone())).await;
                }
                done(insist(self.gateways, *rest, |rest| async move { rest.edit(of, id, change).await }).await)
            }
            What::Delete { messages } => {
                let mut found = Vec::new();
                for message in messages {
                    found.extend(self.message(*message).await?);
                }
                let ids: &Vec<MessageId> = &found.iter().map(|(_, id)| *id).collect();
                let Some((of, id)) = found.first().copied() else { return Ok(false) };
                if act.by_frame {
                    return self.commands(|| self.user.client().delete(of, ids.clone())).await;
                }
                if ids.len() == 1 {
                    return done(insist(self.gateways, *rest, |rest| async move { rest.delete(of, id).await }).await);
                }
                done(insist(self.gateways, *rest, |rest| async move { rest.delete_many(of, ids).await }).await)
            }
            What::React { message, emoji, op } => {
                let Some((of, id)) = self.message(*message).await? else { return Ok(false) };
                if act.by_frame {
                    return self.commands(|| self.user.client().react(of, id, *emoji, *op)).await;
                }
                let adds = *op == chat_protocol::event::ReactionOp::Add;
                let react = async |rest: Rest| match adds {
                    true => rest.react(of, id, emoji).await,
                    false => rest.take_back(of, id, emoji).await,
                };
                done(insist(self.gateways, *rest, react).await)
            }
            What::Pin { message, present } => {
                let Some((of, id)) = self.message(*message).await? else { return Ok(false) };
                let pin = async |rest: Rest| match present {
                    true => rest.pin(of, id).await,
                    false => rest.unpin(of, id).await,
                };
                done(insist(self.gateways, *rest, pin).await)
            }
            What::Read { message } => self.reads(act, *message).await,
            What::Change { room, user, to } => {
                self.changes(*rest, self.room(*room), self.stage.users[*user], *to).await
            }
            What::Title { room } => {
                let (of, title) = (self.room(*room), format!("title of act {number}"));
                let change = &chat_client::SettingsChange { title: Some(Some(title)), ..Default::default() };
                let change = |rest: Rest| async move { rest.change_conversation(of, change, None).await };
                done(insist(self.gateways, *rest, change).await)
            }
            What::Own { room, pinned, archived } => {
                let of = self.room(*room);
                let change = &json!({"pinned": pinned, "archived": archived});
                done(insist(self.gateways, *rest, |rest| async move { rest.change_own(of, change).await }).await)
            }
            What::Move => {
                self.user.client().reconnect().await;
                Ok(true)
            }
        }
    }

    async fn says(
        &self,
        act: &Act,
        number: usize,
        room: usize,
        mentions: Option<Mentioned>,
        answers: Option<usize>,
    ) -> anyhow::Result<Option<MessageId>> {
        let of = self.room(room);
        let word = match mentions {
            Some(Mentioned::One(user)) => format!(", <@{}>", self.stage.users[user]),
            Some(Mentioned::All) => ", <@all>".to_owned(),
            None => String::new(),
        };
        let reply_to = match answers {
            Some(message) => self.stage.book.find(message).await?.map(|(_, id)| id),
            None => None,
        };
        let content = Content { text: Some(format!("{number}{word}")), reply_to, ..Content::default() };
        let (client, client_id) = (self.user.client(), self.user.client().mint());
        if !act.by_frame {
            let content = &content;
            let send = |rest: Rest| async move { rest.send_content(of, client_id, content).await };
            return Ok(insist(self.gateways, act.gateway, send).await?.map(|sent| sent.message.id));
        }
        match client.send_content(client_id, of, content).await {
            Ok(ack) => Ok(Some(ack.id)),
            Err(SendError::Refused { code, .. }) if is_refused(code)? => Ok(None),
            Err(err) => Err(err.into()),
        }
    }

    async fn reads(&self, act: &Act, message: usize) -> anyhow::Result<bool> {
        let Some((room, id)) = self.stage.book.find(message).await? else { return Ok(false) };
        let of = self.room(room);
        if act.by_frame {
            self.user.client().read_to(of, id.seq()).await;
        } else {
            let mark = |rest: Rest| async move { rest.mark(of, id.seq()).await };
            if insist(self.gateways, act.gateway, mark).await?.is_none() {
                return Ok(false);
            }
        }
        let mut read = self.stage.book.read.lock();
        let known = read.entry((room, self.number)).or_default();
        *known = (*known).max(id.seq());
        Ok(true)
    }

    async fn changes(&self, first: usize, of: ConversationId, user: UserId, to: Membership) -> anyhow::Result<bool> {
        let change = async |rest: Rest| match to {
            Membership::Added => rest.add_members(of, &[user]).await.map(drop),
            Membership::Removed => rest.kick(of, user).await,
            Membership::Banned => rest.ban(of, user, None, None).await,
            Membership::Lifted => rest.unban(of, user).await,
            Membership::Left => rest.leave(of).await,
            Membership::As(role) => rest.change_role(of, user, role).await.map(drop),
        };
        done(insist(self.gateways, first, change).await)
    }

    /// Over the socket, again until it is answered.
    async fn commands<F>(&self, ask: impl Fn() -> F) -> anyhow::Result<bool>
    where
        F: Future<Output = Result<Option<Seq>, CommandError>>,
    {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match ask().await {
                Ok(_) => return Ok(true),
                Err(CommandError::Refused { code, .. }) if is_refused(code)? => return Ok(false),
                Err(CommandError::Unexpected) => bail!("an answer to something else"),
                Err(err) if Instant::now() > deadline => return Err(err.into()),
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    async fn message(&self, act: usize) -> anyhow::Result<Option<(ConversationId, MessageId)>> {
        Ok(self.stage.book.find(act).await?.map(|(room, id)| (self.room(room), id)))
    }

    fn room(&self, number: usize) -> ConversationId {
        self.stage.rooms[number].id
    }
}

fn done<T>(answer: anyhow::Result<Option<T>>) -> anyhow::Result<bool> {
    answer.map(|done| done.is_some())
}
