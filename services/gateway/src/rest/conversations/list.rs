//! A user's own conversations, newest first, each with what a list shows; or only those that changed since an earlier
//! answer.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chat_auth::Action;
use chat_protocol::{
    ConversationId, Seq, Shard, Timestamp, UserId,
    event::Body,
    model::{Marker, MemberSettings, Message},
};
use chat_store::Cursor;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

use super::{Shown, show};
use crate::{
    app::App,
    fault::Fault,
    history::message_of,
    hub::Room,
    recency::Recent,
    rest::{
        Problem,
        extract::{Caller, Query},
        paging::going_on,
    },
    unread::Reader,
};

/// Conversations looked at together for one list.
const AT_ONCE: usize = 16;
/// Of a message's text.
const TEXT_CHARS: usize = 200;
/// Events of the feed looked through for settings that changed: beyond so many everything counts as changed.
const FEED_EVENTS: usize = 900;
/// Markers are read again for this long: they are written a moment late, and by gateways whose clocks differ.
const MARKER_LATE_MS: i64 = 10_000;

/// A page of the list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConversationList)]
pub struct Listed {
    /// The one in which something happened last comes first.
    items: Vec<Shown>,
    /// Where the next page begins; `null` at the end.
    #[schema(required)]
    next: Option<String>,
    /// For `?since=`: later answers leave out what has not changed since this one.
    since: String,
}

/// Where an answer stands, as its token says it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Since {
    at: Timestamp,
    /// By shard.
    known_to: BTreeMap<u16, Seq>,
}

/// Where the next page begins: after this conversation; its token is the first page's.
#[derive(Debug, Serialize, Deserialize)]
struct After {
    at: Timestamp,
    id: ConversationId,
    since: Since,
}

/// The own conversations, newest first
///
/// Each with its head, its last message (at most 200 characters of it), what is unread, the own settings and marker.
/// With `since` only what has changed since the answer that gave it.
#[utoipa::path(
    get, path = "/v1/conversations", tag = "Conversations", operation_id = "list_conversations",
    params(("since" = Option<String>, Query), ("archived" = Option<bool>, Query), ("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page; `since` is for asking again later", body = Listed))
)]
pub async fn list(State(app): State<Arc<App>>, Caller(access): Caller, query: Query) -> Result<Response, Problem> {
    let user = access.user;
    let limit = query.limit()?;
    let archived: Option<bool> = query.parsed("archived")?;
    let after: Option<After> = token(&query, "cursor")?;
    let since: Option<Since> = token(&query, "since")?;
    // Before anything is read: what changes meanwhile comes again.
    let at = app.now();
    let recents = app.recents(user).await?;
    let mut all = recents.all;
    if let Some(since) = &since {
        let changed = Changed::since(&app, user, since, &all).await?;
        all.retain(|recent| changed.has(&app, recent));
    }
    if let Some(archived) = archived {
        let known: HashSet<ConversationId> = app.store.archived(user).await?.into_iter().collect();
        all.retain(|recent| known.contains(&recent.membership.conversation) == archived);
    }
    // Ties by id. A conversation that moves between two pages may be seen twice; if it would be missed, the token of
    // the first page finds it.
    let key = |recent: &Recent| (Reverse(recent.at), recent.membership.conversation);
    all.sort_unstable_by_key(key);
    let begun = after.as_ref().map(|after| (Reverse(after.at), after.id));
    let mut page: Vec<Recent> =
        all.into_iter().filter(|recent| begun.is_none_or(|begun| key(recent) > begun)).take(limit + 1).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let stands = after.map_or(Since { at, known_to: positions(recents.known_to) }, |after| after.since);
    let next = page
        .last()
        .filter(|_| more)
        .map(|last| write(&After { at: last.at, id: last.membership.conversation, since: stands.clone() }));
    let answer = Listed { items: entries(&app, user, page).await?, next: next.clone(), since: write(&stands) };
    Ok(going_on(axum::Json(answer).into_response(), next))
}

async fn entries(app: &Arc<App>, user: UserId, page: Vec<Recent>) -> Result<Vec<Shown>, Fault> {
    let ids: Vec<ConversationId> = page.iter().map(|recent| recent.membership.conversation).collect();
    let settings = app.store.member_settings(user, &ids).await?;
    let markers = app.markers(user, &ids).await?;
    let reader = Reader::new(user);
    let items: Vec<Option<Shown>> = stream::iter(page.into_iter().zip(settings).zip(markers))
        .map(|((recent, settings), marker)| entry(app, user, &reader, recent, settings, marker))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(items.into_iter().flatten().collect())
}

/// `None` for one that the user left a moment ago.
async fn entry(
    app: &Arc<App>,
    user: UserId,
    reader: &Reader,
    recent: Recent,
    settings: MemberSettings,
    marker: Option<Marker>,
) -> Result<Option<Shown>, Fault> {
    let joined = recent.membership.member.joined_seq;
    let room = app.hub.room(recent.membership.conversation).await?;
    let roster = match room.authorize(user, Action::Read).await {
        Ok(roster) => roster,
        Err(fault) if fault.code.http().is_some_and(|status| status < 500) => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let mut shown = show(&room, &roster, user).await?;
    shown.head = shown.head.max(recent.head);
    let since = room.readable_since(&roster, user).await?;
    shown.last_message = last_message(app, &room, recent).await?.filter(|message| message.seq > since).map(cut);
    // Who joined starts with nothing unread.
    let read = marker.map_or(Seq::ZERO, |marker| marker.read).max(joined).max(since);
    shown.unread = Some(app.unread(reader, &room, read).await?);
    shown.settings = Some(settings);
    shown.marker = marker;
    Ok(Some(shown))
}

async fn last_message(app: &Arc<App>, room: &Arc<Room>, recent: Recent) -> Result<Option<Message>, Fault> {
    // Mostly the last thing that happened is a message, and then nothing more has to be read.
    if let Some(message) =
        recent.event.and_then(|event| message_of((room.conversation, room.shard), recent.head, &event))
    {
        return Ok(Some(message));
    }
    Ok(app.history(room, Cursor::Newest, 1).await?.messages.into_iter().next())
}

/// What a list shows of a message.
fn cut(mut message: Message) -> Message {
    if let Some(text) = &mut message.content.text
        && let Some((end, _)) = text.char_indices().nth(TEXT_CHARS)
    {
        text.truncate(end);
        let end = u32::try_from(TEXT_CHARS).unwrap_or(u32::MAX);
        message.content.spans.retain(|span| span.start < end);
        message.content.spans.iter_mut().for_each(|span| span.len = span.len.min(end - span.start));
    }
    message
}

/// What changed since an earlier answer.
struct Changed {
    since: Since,
    /// By the user's own doing: settings, markers, a joining without an event.
    own: HashSet<ConversationId>,
    /// More than could be looked through.
    all: bool,
}

impl Changed {
    async fn since(app: &Arc<App>, user: UserId, since: &Since, all: &[Recent]) -> Result<Self, Fault> {
        let mut changed = Self { since: since.clone(), own: HashSet::new(), all: false };
        changed.by_feed(app, user).await?;
        changed.by_markers(app, user, all).await?;
        Ok(changed)
    }

    fn has(&self, app: &App, recent: &Recent) -> bool {
        let of = recent.membership.conversation;
        self.all || recent.head > self.position(app, of) || self.own.contains(&of)
    }

    fn position(&self, app: &App, of: ConversationId) -> Seq {
        self.since.known_to.get(&app.log.shard_of(of).get()).copied().unwrap_or(Seq::ZERO)
    }

    async fn by_feed(&mut self, app: &Arc<App>, user: UserId) -> Result<(), Fault> {
        let feed = app.hub.room(ConversationId::feed(user)).await?;
        let after = self.position(app, feed.conversation);
        let (events, more) = app.events(&feed, after, FEED_EVENTS).await?;
        self.all = more;
        self.own.extend(events.iter().filter_map(|event| match &event.body {
            Body::SettingsUpdated(updated) => Some(updated.conversation),
            Body::ConversationAdded(added) => Some(added.conversation),
            _ => None,
        }));
        Ok(())
    }

    async fn by_markers(&mut self, app: &Arc<App>, user: UserId, all: &[Recent]) -> Result<(), Fault> {
        let from = self.since.at.plus_ms(-MARKER_LATE_MS);
        let ids: Vec<ConversationId> = all.iter().map(|recent| recent.membership.conversation).collect();
        let markers = app.markers(user, &ids).await?;
        let moved = ids.iter().zip(markers).filter(|(_, marker)| marker.is_some_and(|marker| marker.at >= from));
        self.own.extend(moved.map(|(id, _)| *id));
        Ok(())
    }
}

fn positions(known_to: BTreeMap<Shard, Seq>) -> BTreeMap<u16, Seq> {
    known_to.into_iter().map(|(shard, seq)| (shard.get(), seq)).collect()
}

fn write(what: &impl Serialize) -> String {
    // Only numbers, strings and maps: this cannot fail, and an empty token would be refused when it comes back.
    URL_SAFE_NO_PAD.encode(rmp_serde::to_vec(what).unwrap_or_default())
}

fn token<T: DeserializeOwned>(query: &Query, name: &str) -> Result<Option<T>, Fault> {
    let read = |text: &str| rmp_serde::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
    let refused = || Fault::field(name, "format", "not one that this list answered");
    query.text(name).map(|text| read(text).ok_or_else(refused)).transpose()
}
