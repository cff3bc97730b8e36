//! A message's way into the log: checked, looked up if it may be a late retry, appended once.

mod slow; // slow mode: whether it is the sender's turn

use chat_auth::Action;
use chat_bus::Nonce;
use chat_protocol::{
    ClientId, ConversationId, ErrorCode, MessageId, Seq, Timestamp, UserId, content,
    event::{Body, Event, MessageCreated},
    limits,
    model::{Content, MessageKind},
};

use chat_service::traces;

use self::slow::Turn;
use crate::{app::App, fault::Fault, hub::Room, metrics};

/// Events of the log read at once while a late retry is looked up.
const LOOKUP_PAGE: usize = 1_000;

/// Events of the log read at most for one of them.
const LOOKUP_EVENTS_MAX: usize = 50_000;

/// A message that is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its address.
    pub id: MessageId,
    /// The gateway's time when it was accepted (of this try).
    pub at: Timestamp,
    /// It was there before: an earlier try of the same client id.
    pub duplicate: bool,
    /// Whom it addresses, of this try.
    pub mentions: Vec<String>,
}

impl App {
    /// Sends a message. An answer means that it is stored; the same client id always answers the first message.
    pub async fn send(
        &self,
        by: UserId,
        to: ConversationId,
        client_id: ClientId,
        content: Content,
    ) -> Result<Sent, Fault> {
        let mut trace = traces::begin("send");
        let now = self.now();
        self.rates.send(by, to, now)?;
        let age_ms = self.age_ms(client_id, now)?;
        content::check(&content, now)?;
        let room = self.hub.room(to).await?;
        let roster = room.authorize(by, Action::Send).await?;
        let sent =
            |seq, duplicate, mentions| Sent { id: MessageId::new(room.shard, seq), at: now, duplicate, mentions };
        let turn = self.turn(&room, &roster, by, client_id, now).await?;
        if let Turn::Earlier(seq) = turn {
            metrics::duplicate("store");
            return Ok(sent(seq, true, Vec::new()));
        }
        if let Some(conversation) = roster.conversation() {
            self.rates.sent_to(to, conversation.kind, now)?;
        }
        let late = self.config.late_lookup && age_ms > limits::CLIENT_ID_LATE.as_millis() as i64;
        if late && let Some(seq) = self.first_with(&room, by, client_id).await? {
            metrics::duplicate("store");
            return Ok(sent(seq, true, Vec::new()));
        }
        self.check_references(by, &room, &content).await?;
        let mentions = self.mentions(&room, by, &content).await?;
        let created =
            MessageCreated { client_id, kind: MessageKind::Text, content, mentions: mentions.clone(), deleted: false };
        let event = Event { at: now, by, body: Body::MessageCreated(Box::new(created)) };
        let nonce = Nonce::message(to, by, client_id);
        let started = tokio::time::Instant::now();
        let appending = self.log.append(to, nonce, event.encode(), None);
        let appended = match trace.as_ref().and_then(|trace| trace.part("append")) {
            Some(part) => chat_bus::carrying(part.parent(), appending).await?,
            None => appending.await?,
        };
        metrics::appended(started.elapsed());
        if let Some(trace) = &mut trace {
            trace.note("chat.message", MessageId::new(room.shard, appended.seq).to_string());
        }
        room.acknowledged(appended.seq);
        if appended.duplicate {
            metrics::duplicate("log");
        } else {
            turn.taken(now);
        }
        Ok(sent(appended.seq, appended.duplicate, mentions))
    }

    /// How old a client id says it is; refused when it cannot be true or cannot be looked up any more.
    fn age_ms(&self, client_id: ClientId, now: Timestamp) -> Result<i64, Fault> {
        let minted_ms = i64::try_from(client_id.ulid_ms()).unwrap_or(i64::MAX);
        let age_ms = now.as_ms().saturating_sub(minted_ms);
        let ahead = -age_ms > limits::CLIENT_ID_AHEAD.as_millis() as i64;
        if ahead || age_ms > limits::CLIENT_ID_OLDEST.as_millis() as i64 {
            let detail = if ahead { "client_id is from the future" } else { "client_id is older than 24 h" };
            return Err(Fault { time: Some(now), ..Fault::new(ErrorCode::ClockSkew, detail) });
        }
        Ok(age_ms)
    }

    /// Where the first message with this client id is: in the store, or in what the store may lack.
    ///
    /// If either cannot be read the retry is refused, for it might be a second message.
    async fn first_with(&self, room: &Room, by: UserId, client_id: ClientId) -> Result<Option<Seq>, Fault> {
        let unreadable = |_| Fault::new(ErrorCode::StoreUnavailable, "cannot look up an old client_id now, try again");
        // Read first: whatever is settled now is in the store when it is read below.
        let mut after = self.log.shard_state(room.shard).await.map_err(|err| unreadable(Fault::from(err)))?.settled;
        let row = self.store.first_with(room.conversation, by, client_id).await;
        if let Some(row) = row.map_err(|err| unreadable(Fault::from(err)))? {
            return Ok(Some(row.message.seq()));
        }
        let mut read = 0;
        loop {
            let tail = self.log.tail(room.conversation, after, LOOKUP_PAGE).await;
            let events = tail.map_err(|err| unreadable(Fault::from(err)))?;
            for logged in &events {
                after = logged.seq;
                if let Ok(Event { by: sender, body: Body::MessageCreated(created), .. }) = Event::decode(&logged.event)
                    && sender == by
                    && created.client_id == client_id
                {
                    return Ok(Some(logged.seq));
                }
            }
            if events.len() < LOOKUP_PAGE {
                return Ok(None);
            }
            read += events.len();
            if read >= LOOKUP_EVENTS_MAX {
                return Err(Fault::new(ErrorCode::StoreUnavailable, "persisting is far behind, try again"));
            }
        }
    }
}
