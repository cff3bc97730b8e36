//! Conversations: made, listed, looked at.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    extract::State,
    http::{
        HeaderValue, StatusCode,
        header::{ETAG, LOCATION},
    },
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chat_auth::Action;
use chat_protocol::{
    ClientId, ConversationId, ErrorCode, Seq, UserId,
    error::FieldError,
    event::{Body, ConversationAdded, ConversationCreated, MemberChanged},
    limits,
    model::{Conversation, HistoryAccess, Kind, Message, Settings, Visibility},
    rights::Role,
};
use chat_store::Cursor;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Problem,
    extract::{Caller, Id, Json, Query},
    users::{List, json_field, too_long},
};
use crate::{
    app::App,
    fault::Fault,
    hub::{Room, Roster},
};

/// Conversations looked at together for one list.
const AT_ONCE: usize = 16;
const SLOW_MODE_S_MAX: u32 = 21_600;
const RETENTION_DAYS_MAX: u32 = 36_500;

/// What a new conversation is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    kind: Kind,
    #[serde(default)]
    members: Vec<UserId>,
    title: Option<String>,
    topic: Option<String>,
    avatar_url: Option<String>,
    visibility: Option<Visibility>,
    data: Option<Value>,
    #[serde(default)]
    history: HistoryAccess,
    #[serde(default)]
    retention_days: u32,
    #[serde(default)]
    slow_mode_s: u32,
    client_id: Option<ClientId>,
}

/// A conversation as one of its viewers sees it.
#[derive(Debug, Serialize)]
pub struct Shown {
    #[serde(flatten)]
    conversation: Conversation,
    members_count: usize,
    head: Seq,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_message: Option<Message>,
    #[serde(skip_serializing_if = "is_false")]
    duplicate: bool,
}

/// `POST /v1/conversations`
pub async fn create(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Json(wanted): Json<Create>,
) -> Result<Response, Problem> {
    app.accepting()?;
    let by = access.user;
    let others = check(&wanted, by)?;
    if app.store.users(&others).await?.len() < others.len() {
        return Err(Fault::new(ErrorCode::NotFound, "one of the members does not exist").into());
    }
    let id = id_of(&app, &wanted, by, &others);
    let created = created(wanted, by, &others);
    let work = Arc::clone(&app);
    let changed = app.complete(async move { make(&work, id, by, created).await }).await?;
    let room = app.hub.room(id).await?;
    let roster = room.authorize(by, Action::View).await?;
    let mut shown = show(&room, &roster, by).await?;
    shown.duplicate = !changed;
    let status = if changed { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = with_tag(shown, status);
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/conversations/{id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Makes it and tells its members; whether it was not there before.
async fn make(app: &Arc<App>, id: ConversationId, by: UserId, created: ConversationCreated) -> Result<bool, Fault> {
    let decide = |roster: &Roster| {
        Ok(roster.conversation().is_none().then(|| Body::ConversationCreated(Box::new(created.clone()))))
    };
    let Some(changed) = app.change(id, by, decide).await? else { return Ok(false) };
    let news = |member: &MemberChanged| {
        let added = ConversationAdded { conversation: id, role: member.role, head: changed.frame.seq };
        (member.user, Body::ConversationAdded(added))
    };
    app.tell(by, created.members.iter().map(news).collect(), changed.frame.id).await;
    Ok(true)
}

/// Refuses what cannot be; answers the other members, each once.
fn check(wanted: &Create, by: UserId) -> Result<Vec<UserId>, Fault> {
    let others: BTreeSet<UserId> = wanted.members.iter().copied().filter(|user| *user != by).collect();
    let mut wrong = too_long("title", wanted.title.as_deref(), limits::TITLE_CHARS);
    wrong.extend(too_long("topic", wanted.topic.as_deref(), limits::TOPIC_CHARS));
    if wanted.avatar_url.as_deref().is_some_and(|url| url.len() > limits::URL_BYTES) {
        wrong.push(FieldError::new("avatar_url", "too_long", format!("at most {} bytes", limits::URL_BYTES)));
    }
    if wanted.members.len() > limits::MEMBERS_PER_CALL {
        wrong.push(FieldError::new("members", "too_many", format!("at most {}", limits::MEMBERS_PER_CALL)));
    }
    if wanted.slow_mode_s > SLOW_MODE_S_MAX {
        wrong.push(FieldError::new("slow_mode_s", "range", format!("at most {SLOW_MODE_S_MAX}")));
    }
    if wanted.retention_days > RETENTION_DAYS_MAX {
        wrong.push(FieldError::new("retention_days", "range", format!("at most {RETENTION_DAYS_MAX}")));
    }
    if wanted.kind == Kind::Direct {
        if others.len() != 1 {
            wrong.push(FieldError::new("members", "range", "a direct conversation has exactly one other member"));
        }
        if wanted.visibility == Some(Visibility::Public) {
            wrong.push(FieldError::new("visibility", "range", "a direct conversation is private"));
        }
    }
    if !wrong.is_empty() {
        return Err(Fault::invalid(wrong));
    }
    json_field("data", wanted.data.as_ref())?;
    Ok(others.into_iter().collect())
}

fn id_of(app: &App, wanted: &Create, by: UserId, others: &[UserId]) -> ConversationId {
    match (wanted.kind, others) {
        (Kind::Direct, [other, ..]) => ConversationId::direct(by, *other),
        _ => {
            let minted = || ClientId::ulid(u64::try_from(app.now().as_ms()).unwrap_or(0), rand::random());
            ConversationId::created(by, wanted.client_id.unwrap_or_else(minted))
        }
    }
}

fn created(wanted: Create, by: UserId, others: &[UserId]) -> ConversationCreated {
    let Create { kind, title, topic, avatar_url, visibility, data, history, retention_days, slow_mode_s, .. } = wanted;
    let (own, theirs) = match kind {
        Kind::Direct => (Role::Member, Role::Member),
        Kind::Group => (Role::Owner, Role::Member),
        Kind::Broadcast => (Role::Owner, Role::Reader),
    };
    let members = others.iter().map(|user| MemberChanged { user: *user, role: theirs });
    ConversationCreated {
        kind,
        visibility: visibility.unwrap_or(Visibility::Private),
        history,
        settings: Settings {
            title,
            topic,
            avatar_url,
            data,
            retention_days,
            slow_mode_s,
            overrides: Default::default(),
        },
        members: [MemberChanged { user: by, role: own }].into_iter().chain(members).collect(),
    }
}

/// `GET /v1/conversations/{conversation}`
pub async fn one(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(id): Id<ConversationId>,
) -> Result<Response, Problem> {
    let room = app.hub.room(id).await?;
    let roster = room.authorize(access.user, Action::View).await?;
    Ok(with_tag(show(&room, &roster, access.user).await?, StatusCode::OK))
}

/// `GET /v1/conversations`
pub async fn list(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    query: Query,
) -> Result<axum::Json<List<Shown>>, Problem> {
    let limit = query.limit()?;
    let after = query.text("cursor").map(read_cursor).transpose()?;
    // Newest first by the head; ties by id. A conversation that moves between two pages may be seen twice, never lost.
    let mut ranked = own(&app, access.user).await?;
    ranked.sort_by(|a, b| b.cmp(a));
    let rest = ranked.into_iter().filter(|entry| after.is_none_or(|after| *entry < after));
    let mut page: Vec<(Seq, ConversationId)> = rest.take(limit + 1).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| more).map(write_cursor);
    let items = stream::iter(page)
        .map(|(_, id)| list_entry(&app, access.user, id))
        .buffered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(axum::Json(List { items: items.into_iter().flatten().collect(), next }))
}

/// `None` for one that the user left a moment ago.
async fn list_entry(app: &Arc<App>, user: UserId, id: ConversationId) -> Result<Option<Shown>, Fault> {
    let room = app.hub.room(id).await?;
    let roster = match room.authorize(user, Action::Read).await {
        Ok(roster) => roster,
        Err(fault) if fault.code.http().is_some_and(|status| status < 500) => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let mut shown = show(&room, &roster, user).await?;
    let newest = app.history(&room, Cursor::Newest, 1).await?;
    shown.last_message = newest.messages.into_iter().next();
    Ok(Some(shown))
}

/// The user's conversations with their heads.
async fn own(app: &App, user: UserId) -> Result<Vec<(Seq, ConversationId)>, Fault> {
    let all = app.memberships(user).await?;
    let mut ranked = Vec::with_capacity(all.len());
    for batch in all.chunks(1_000) {
        let ids: Vec<ConversationId> = batch.iter().map(|(id, _)| *id).collect();
        let heads = app.log.heads(&ids, false).await?;
        ranked.extend(batch.iter().zip(heads).map(|((id, joined), head)| (head.unwrap_or(*joined), *id)));
    }
    Ok(ranked)
}

async fn show(room: &Room, roster: &Roster, user: UserId) -> Result<Shown, Fault> {
    let conversation = roster.conversation().cloned().ok_or(ErrorCode::NotFound)?;
    let role = room.member(roster, user).await?.map(|member| member.role);
    let members_count = roster.members().count();
    Ok(Shown { conversation, members_count, head: room.head().await, role, last_message: None, duplicate: false })
}

fn with_tag(shown: Shown, status: StatusCode) -> Response {
    let tag = HeaderValue::from_str(&format!("\"{}\"", shown.conversation.version));
    let mut response = (status, axum::Json(shown)).into_response();
    if let Ok(tag) = tag {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

fn write_cursor((head, id): &(Seq, ConversationId)) -> String {
    URL_SAFE_NO_PAD.encode(format!("{head}.{id}"))
}

fn read_cursor(text: &str) -> Result<(Seq, ConversationId), Fault> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (head, id) = text.split_once('.')?;
        Some((Seq::new(head.parse().ok()?)?, id.parse().ok()?))
    };
    read().ok_or_else(|| Fault::field("cursor", "format", "not a cursor of this list"))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
const fn is_false(value: &bool) -> bool {
    !*value
}
