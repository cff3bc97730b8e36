//! Conversations: made, listed, looked at, changed, deleted.

pub(super) mod change; // settings, with an ETag against lost updates
pub(super) mod delete; // for all, then a job that removes what is left
pub(super) mod list; // one's own, newest first
mod settings; // what settings may be

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    extract::State,
    http::{
        HeaderValue, StatusCode,
        header::{ETAG, LOCATION},
    },
    response::{IntoResponse, Response},
};
use chat_auth::Action;
use chat_protocol::{
    ClientId, ConversationId, ErrorCode, Seq, UserId,
    error::FieldError,
    event::{Body, ConversationCreated, MemberChanged},
    limits,
    model::{Conversation, HistoryAccess, Kind, Marker, MemberSettings, Message, Settings, Visibility},
    rights::Role,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    Problem,
    extract::{Caller, Id, Json},
};
use crate::{
    app::App,
    fault::Fault,
    hub::{Room, Roster},
    unread::Unread,
};

/// What a new conversation is.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CreateConversation)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// Direct, group or broadcast.
    kind: Kind,
    /// Who else is in from the start.
    #[serde(default)]
    members: Vec<UserId>,
    /// At most 128 characters.
    title: Option<String>,
    /// At most 1,024 characters.
    topic: Option<String>,
    /// A picture's address, at most 512 bytes.
    avatar_url: Option<String>,
    /// `private` if absent.
    visibility: Option<Visibility>,
    /// Opaque to the server, at most 4 KiB.
    data: Option<Value>,
    /// From where on later members may read.
    #[serde(default)]
    history: HistoryAccess,
    /// Days until messages are to be removed; 0 = never. For clients: the server itself removes nothing by it yet.
    #[serde(default)]
    retention_days: u32,
    /// Seconds between two messages of one member; 0 = off.
    #[serde(default)]
    slow_mode_s: u32,
    /// Whoever repeats the request with it finds what was made.
    client_id: Option<ClientId>,
}

/// A conversation as one of its viewers sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Conversation)]
pub struct Shown {
    #[serde(flatten)]
    conversation: Conversation,
    /// Without the readers of a broadcast.
    members_count: usize,
    /// The position of the last event.
    head: Seq,
    /// The viewer's, if they are a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    /// In lists; at most 200 characters of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_message: Option<Message>,
    /// In lists: the viewer's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<MemberSettings>,
    /// In lists: how far the viewer has read.
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<Marker>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    unread: Option<Unread>,
    /// It was there before.
    #[serde(skip_serializing_if = "is_false")]
    duplicate: bool,
}

/// Make a conversation
///
/// Repeated with the same `client_id` it finds the one that was made; of two users there is only one direct
/// conversation.
#[utoipa::path(
    post, path = "/v1/conversations", tag = "Conversations", operation_id = "create_conversation",
    request_body = Create,
    responses(
        (status = 200, description = "It was there already: `duplicate` is true", body = Shown, headers(("Location" = String, description = "The conversation"), ("ETag" = String, description = "The version, for `If-Match`"))),
        (status = 201, description = "Made", body = Shown, headers(("Location" = String, description = "The conversation"), ("ETag" = String, description = "The version, for `If-Match`")))
    )
)]
pub async fn create(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Json(wanted): Json<Create>,
) -> Result<Response, Problem> {
    let by = access.user;
    let others = check(&wanted, by)?;
    if app.store.users(&others).await?.len() < others.len() {
        return Err(Fault::new(ErrorCode::NotFound, "one of the members does not exist").into());
    }
    let id = id_of(&app, &wanted, by, &others);
    let room = app.hub.room(id).await?;
    let exists = room.roster().await?.conversation().is_some();
    let changed = !exists && {
        if !app.store.blocked_by(by, &others).await?.is_empty() {
            return Err(Fault::new(ErrorCode::Blocked, "one of the members blocks you").into());
        }
        app.have_room(&[&[by], &*others].concat()).await?;
        let (work, created) = (Arc::clone(&app), created(&wanted, by, &others));
        app.complete(async move { make(&work, id, by, created).await }).await?
    };
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
    app.tell_news(&changed).await;
    Ok(true)
}

/// Refuses what cannot be; answers the other members, each once.
fn check(wanted: &Create, by: UserId) -> Result<Vec<UserId>, Fault> {
    let others: BTreeSet<UserId> = wanted.members.iter().copied().filter(|user| *user != by).collect();
    let settings = wanted.settings();
    let mut wrong = settings::wrong(&settings);
    if wanted.members.len() > limits::MEMBERS_PER_CALL {
        wrong.push(FieldError::new("members", "too_many", format!("at most {}", limits::MEMBERS_PER_CALL)));
    }
    if wanted.kind == Kind::Direct {
        if others.len() != 1 {
            wrong.push(FieldError::new("members", "range", "a direct conversation has exactly one other member"));
        }
        if wanted.visibility == Some(Visibility::Public) {
            wrong.push(FieldError::new("visibility", "range", "a direct conversation is private"));
        }
        // Nobody could lift it again: neither of the two manages the other.
        if wanted.slow_mode_s > 0 {
            wrong.push(FieldError::new("slow_mode_s", "range", "a direct conversation has no slow mode"));
        }
    }
    if !wrong.is_empty() {
        return Err(Fault::invalid(wrong));
    }
    settings::not_too_large(&settings)?;
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

impl Create {
    fn settings(&self) -> Settings {
        let Self { title, topic, avatar_url, data, retention_days, slow_mode_s, .. } = self;
        Settings {
            title: title.clone(),
            topic: topic.clone(),
            avatar_url: avatar_url.clone(),
            data: data.clone(),
            retention_days: *retention_days,
            slow_mode_s: *slow_mode_s,
            overrides: BTreeMap::new(),
        }
    }
}

fn created(wanted: &Create, by: UserId, others: &[UserId]) -> ConversationCreated {
    let (own, theirs) = match wanted.kind {
        Kind::Direct => (Role::Member, Role::Member),
        Kind::Group => (Role::Owner, Role::Member),
        Kind::Broadcast => (Role::Owner, Role::Reader),
    };
    let members = others.iter().map(|user| MemberChanged { user: *user, role: theirs });
    ConversationCreated {
        kind: wanted.kind,
        visibility: wanted.visibility.unwrap_or(Visibility::Private),
        history: wanted.history,
        settings: wanted.settings(),
        members: [MemberChanged { user: by, role: own }].into_iter().chain(members).collect(),
    }
}

/// One conversation
///
/// Members see theirs; a public one everybody sees.
#[utoipa::path(
    get, path = "/v1/conversations/{conversation}", tag = "Conversations", operation_id = "get_conversation",
    responses((status = 200, description = "The conversation", body = Shown, headers(("ETag" = String, description = "The version, for `If-Match`"))))
)]
pub async fn one(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(id): Id<ConversationId>,
) -> Result<Response, Problem> {
    let room = app.hub.room(id).await?;
    let roster = room.authorize(access.user, Action::View).await?;
    Ok(with_tag(show(&room, &roster, access.user).await?, StatusCode::OK))
}

async fn show(room: &Room, roster: &Roster, user: UserId) -> Result<Shown, Fault> {
    let conversation = roster.conversation().cloned().ok_or(ErrorCode::NotFound)?;
    let role = room.member(roster, user).await?.map(|member| member.role);
    let members_count = roster.members().count();
    let head = room.head().await;
    Ok(Shown {
        conversation,
        members_count,
        head,
        role,
        last_message: None,
        settings: None,
        marker: None,
        unread: None,
        duplicate: false,
    })
}

fn with_tag(shown: Shown, status: StatusCode) -> Response {
    let tag = HeaderValue::from_str(&change::tag_of(shown.conversation.version));
    let mut response = (status, axum::Json(shown)).into_response();
    if let Ok(tag) = tag {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
const fn is_false(value: &bool) -> bool {
    !*value
}
