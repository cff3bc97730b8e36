//! Messages: sent, read.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use chat_auth::Action;
use chat_protocol::{
    ClientId, ConversationId, ErrorCode, MessageId, Seq, Timestamp, limits,
    model::{Content, ContentChange, Forward, Message, MessageKind, Span},
};
use chat_store::Cursor;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    Problem,
    extract::{Caller, Id, Ids, Json, Query},
    users::List,
};
use crate::{
    app::App,
    fault::Fault,
    history::{Shown, ShownPage},
};

/// What to send.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SendMessage)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// A ULID of the moment when the user pressed send; whoever repeats the request with it sends nothing twice.
    client_id: Option<ClientId>,
    /// Plain; at most 8,000 characters.
    text: Option<String>,
    /// Styles of the text.
    #[serde(default)]
    spans: Vec<Span>,
    /// Opaque to the server, at most 16 KiB.
    payload: Option<Value>,
    /// Ids of uploads.
    #[serde(default)]
    attachments: Vec<String>,
    /// The message that this one answers.
    reply_to: Option<MessageId>,
    /// The message that this one repeats; the sender can read it.
    forward_of: Option<Forward>,
    /// When it is to vanish, within 365 days. For clients: the server itself removes nothing by it yet.
    expires_at: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SentMessage)]
struct Answer {
    #[serde(flatten)]
    message: Message,
    /// It was sent before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    duplicate: bool,
}

/// Send a message
///
/// Stored before it is answered. A retry with the same `client_id`, through any gateway and for 24 hours, answers the
/// first message.
#[utoipa::path(
    post, path = "/v1/conversations/{conversation}/messages", tag = "Messages", operation_id = "send_message",
    request_body = Send,
    responses(
        (status = 200, description = "It was sent before: `duplicate` is true", body = Answer, headers(("Location" = String, description = "The message"))),
        (status = 201, description = "Sent", body = Answer, headers(("Location" = String, description = "The message")))
    )
)]
pub async fn send(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(to): Id<ConversationId>,
    Json(send): Json<Send>,
) -> Result<Response, Problem> {
    let Send { client_id, text, spans, payload, attachments, reply_to, forward_of, expires_at } = send;
    let content = Content { text, spans, payload, attachments, reply_to, forward_of, expires_at };
    // Without one of the client's own, every try is a message of its own.
    let minted = || ClientId::ulid(u64::try_from(app.now().as_ms()).unwrap_or(0), rand::random());
    let client_id = client_id.unwrap_or_else(minted);
    let sent = app.send(access.user, to, client_id, content.clone()).await?;
    let message = if sent.duplicate {
        // The first one counts, whatever this try said.
        let room = app.hub.room(to).await?;
        app.message(&room, sent.id.seq()).await?.ok_or(ErrorCode::NotFound)?
    } else {
        Message {
            id: sent.id,
            conversation: to,
            seq: sent.id.seq(),
            at: sent.at,
            by: access.user,
            client_id,
            kind: MessageKind::Text,
            content,
            mentions: sent.mentions,
            reactions: Vec::new(),
            pinned: false,
            edited_at: None,
            version: sent.id.seq(),
            deleted: false,
        }
    };
    let status = if sent.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = (status, axum::Json(Answer { message, duplicate: sent.duplicate })).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/conversations/{to}/messages/{}", sent.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Messages as they are now
///
/// With `after` oldest first, else newest first; `around` has half of its page on either side. At most one of `before`,
/// `after`, `around` and `cursor`.
#[utoipa::path(
    get, path = "/v1/conversations/{conversation}/messages", tag = "Messages", operation_id = "list_messages",
    params(("before" = Option<String>, Query), ("after" = Option<String>, Query), ("around" = Option<String>, Query), ("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page", body = List<Message>))
)]
pub async fn page(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(of): Id<ConversationId>,
    query: Query,
) -> Result<List<Shown>, Problem> {
    let size = query.limit()?;
    let cursor = cursor(&query)?;
    let room = app.hub.room(of).await?;
    let roster = room.authorize(access.user, Action::Read).await?;
    let since = room.readable_since(&roster, access.user).await?;
    let cursor = match cursor {
        Cursor::After(after) => Cursor::After(after.max(since)),
        cursor => cursor,
    };
    let ShownPage { mut messages, mut more } = app.page(&room, access.user, cursor, size).await?;
    if messages.iter().any(|message| message.seq() <= since) {
        messages.retain(|message| message.seq() > since);
        more = false;
    }
    let ascending = matches!(cursor, Cursor::After(_));
    let next =
        messages.last().filter(|_| more).map(|last| format!("{}{}", if ascending { "a" } else { "b" }, last.seq()));
    Ok(List { items: messages, next })
}

/// One message
#[utoipa::path(
    get, path = "/v1/conversations/{conversation}/messages/{message}", tag = "Messages", operation_id = "get_message",
    responses((status = 200, description = "With its reactions, and whether it is pinned", body = Message))
)]
pub async fn one(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Ids(of, id): Ids<ConversationId, MessageId>,
) -> Result<axum::Json<Message>, Problem> {
    let room = app.hub.room(of).await?;
    let roster = room.authorize(access.user, Action::Read).await?;
    let mut message = app.readable(&room, &roster, access.user, id).await?;
    app.add_additions(&room, access.user, std::slice::from_mut(&mut message)).await?;
    Ok(axum::Json(message))
}

/// What to change; fields that are absent stay.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = EditMessage)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The new text, without the old spans.
    text: Option<String>,
    /// Styles of the text.
    spans: Option<Vec<Span>>,
    /// Opaque to the server, at most 16 KiB.
    payload: Option<Value>,
}

/// Edit a message
///
/// One's own, for 24 hours; what is absent stays. A new text without new spans has none.
#[utoipa::path(
    patch, path = "/v1/conversations/{conversation}/messages/{message}", tag = "Messages", operation_id = "edit_message",
    request_body = Change,
    responses((status = 200, description = "The message as it is now", body = Message))
)]
pub async fn edit(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Ids(of, id): Ids<ConversationId, MessageId>,
    Json(Change { text, spans, payload }): Json<Change>,
) -> Result<axum::Json<Message>, Problem> {
    let (mut message, _) = app.edit(access.user, of, id, ContentChange { text, spans, payload }).await?;
    let room = app.hub.room(of).await?;
    app.add_additions(&room, access.user, std::slice::from_mut(&mut message)).await?;
    Ok(axum::Json(message))
}

/// Delete a message for all
///
/// One's own, or with the right `delete_any`. A tombstone stays.
#[utoipa::path(
    delete, path = "/v1/conversations/{conversation}/messages/{message}", tag = "Messages", operation_id = "delete_message",
    responses((status = 204, description = "Deleted, now or before"))
)]
pub async fn delete(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Ids(of, id): Ids<ConversationId, MessageId>,
) -> Result<StatusCode, Problem> {
    let (results, _) = app.delete(access.user, of, &[id]).await?;
    results.into_iter().try_for_each(|(_, result)| result)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which to delete.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = DeleteMessages)]
#[serde(deny_unknown_fields)]
pub struct DeleteMany {
    /// 1 to 100.
    messages: Vec<MessageId>,
}

/// How it went for one of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeleteResult)]
pub struct Deleted {
    /// Which.
    message: MessageId,
    /// `ok`
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// Why not: `not_found`, `forbidden` or another code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ErrorCode>,
}

/// Delete messages for all
///
/// One answer per message, also if none could be deleted.
#[utoipa::path(
    post, path = "/v1/conversations/{conversation}/messages/delete", tag = "Messages", operation_id = "delete_messages",
    request_body = DeleteMany,
    responses((status = 200, description = "How it went for each", body = List<Deleted>))
)]
pub async fn delete_many(
    State(app): State<Arc<App>>,
    Caller(access): Caller,
    Id(of): Id<ConversationId>,
    Json(DeleteMany { messages }): Json<DeleteMany>,
) -> Result<List<Deleted>, Problem> {
    if messages.is_empty() || messages.len() > limits::DELETES_PER_CALL {
        let detail = format!("1 to {}", limits::DELETES_PER_CALL);
        return Err(Fault::field("messages", "too_many", detail).into());
    }
    let room = app.hub.room(of).await?;
    room.authorize(access.user, Action::Read).await?;
    let (results, _) = app.delete(access.user, of, &messages).await?;
    let items = results.into_iter().map(|(message, result)| match result {
        Ok(()) => Deleted { message, status: Some("ok"), code: None },
        Err(fault) => Deleted { message, status: None, code: Some(fault.code) },
    });
    Ok(List { items: items.collect(), next: None })
}

/// `before`, `after` or `around`, or the cursor of an earlier page; not two of them.
fn cursor(query: &Query) -> Result<Cursor, Fault> {
    let mut given = Vec::new();
    given.extend(query.position("before")?.map(Cursor::Before));
    given.extend(query.position("after")?.map(Cursor::After));
    given.extend(query.position("around")?.map(Cursor::Around));
    if let Some(text) = query.text("cursor") {
        let number = |text: &str| text.parse().ok().and_then(Seq::new);
        let cursor = match text.split_at_checked(1) {
            Some(("a", seq)) => number(seq).map(Cursor::After),
            Some(("b", seq)) => number(seq).map(Cursor::Before),
            _ => None,
        };
        given.push(cursor.ok_or_else(|| Fault::field("cursor", "format", "not a cursor of this list"))?);
    }
    match given[..] {
        [] => Ok(Cursor::Newest),
        [one] => Ok(one),
        _ => Err(Fault::field("cursor", "range", "only one of before, after, around and cursor")),
    }
}
