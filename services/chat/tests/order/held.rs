//! What requests answer about everything one user can see.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use anyhow::bail;
use chat_client::{Listed, Page, Rest, RestError};
use chat_protocol::frame::EventFrame;
use chat_protocol::model::Message;
use chat_protocol::{ConversationId, ErrorCode, Seq, UserId};
use tokio::time::{Instant, sleep};

use super::state::State;

/// Not a divisor of what is read: pages begin and end anywhere.
const PAGE: usize = 37;
/// A gateway is away for a few seconds at most.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// What is refused to whoever was put out a moment ago, or came too late. Nothing else may be.
const REFUSALS: [ErrorCode; 5] =
    [ErrorCode::Forbidden, ErrorCode::NotFound, ErrorCode::NotAMember, ErrorCode::Conflict, ErrorCode::LimitReached];

/// Whether to ask again, or that it is refused; an error for what should never be answered.
pub fn is_refused(code: ErrorCode) -> anyhow::Result<bool> {
    match code {
        code if REFUSALS.contains(&code) => Ok(true),
        ErrorCode::LogUnavailable | ErrorCode::StoreUnavailable | ErrorCode::Overloaded => Ok(false),
        ErrorCode::Draining | ErrorCode::OutcomeUnknown => Ok(false),
        code => bail!("answered {code}"),
    }
}

/// Asks these, one after the other, until one answers; `None` if it is refused.
pub async fn insist<T, F>(gateways: &[Rest], first: usize, ask: impl Fn(Rest) -> F) -> anyhow::Result<Option<T>>
where
    F: Future<Output = Result<T, RestError>>,
{
    let deadline = Instant::now() + PATIENCE;
    for gateway in gateways.iter().cycle().skip(first) {
        match ask(gateway.clone()).await {
            Ok(answer) => return Ok(Some(answer)),
            Err(RestError::Refused(problem)) if is_refused(problem.code)? => return Ok(None),
            Err(err) if Instant::now() > deadline => return Err(err.into()),
            Err(_) => sleep(PAUSE).await,
        }
    }
    bail!("there are no gateways")
}

/// All pages of a list.
async fn whole<T, F>(gateways: &[Rest], ask: impl Fn(Rest, Option<String>) -> F) -> anyhow::Result<Option<Vec<T>>>
where
    F: Future<Output = Result<Page<T>, RestError>>,
{
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let Some(page) = insist(gateways, 0, |rest| ask(rest, cursor.clone())).await? else { return Ok(None) };
        all.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(Some(all));
        }
    }
}

/// One conversation, by these gateways, and whatever of the answers contradicts itself; `None` for no member.
pub async fn room(
    gateways: &[Rest],
    of: ConversationId,
    viewer: UserId,
) -> anyhow::Result<Option<(State, Vec<String>)>> {
    let Some(shown) = insist(gateways, 0, |rest| async move { rest.conversation(of).await }).await? else {
        return Ok(None);
    };
    let members = whole(gateways, |rest, cursor| async move { rest.members(of, cursor.as_deref()).await }).await?;
    let pins = insist(gateways, 0, |rest| async move { rest.pins(of).await }).await?;
    let (Some(members), Some(pins), Some(messages)) = (members, pins, messages(gateways, of).await?) else {
        return Ok(None);
    };
    let members = members.into_iter().map(|member| (member.user, member.role)).collect();
    let pins: BTreeSet<Seq> = pins.items.iter().map(|message| message.seq).collect();
    Ok(Some(State::of(shown, members, messages, pins, viewer)))
}

async fn messages(gateways: &[Rest], of: ConversationId) -> anyhow::Result<Option<Vec<Message>>> {
    let (mut all, mut after) = (Vec::new(), Seq::ZERO);
    loop {
        let page = insist(gateways, 0, |rest| async move { rest.messages(of, after, PAGE).await }).await?;
        let Some(Page { items, next }) = page else { return Ok(None) };
        after = items.last().map_or(after, |last| last.seq);
        all.extend(items);
        if next.is_none() {
            return Ok(Some(all));
        }
    }
}

/// The same messages from the newest to the oldest.
pub async fn backwards(gateway: &Rest, of: ConversationId) -> anyhow::Result<Vec<Message>> {
    let (mut all, mut before) = (Vec::new(), Seq::MAX);
    loop {
        let Page { items, next } = gateway.messages_before(of, before, PAGE).await?;
        before = items.last().map_or(before, |last| last.seq);
        all.extend(items);
        if next.is_none() {
            return Ok(all);
        }
    }
}

/// All that ever happened in a conversation.
pub async fn events(gateway: &Rest, of: ConversationId) -> anyhow::Result<Vec<EventFrame>> {
    let (mut all, mut after) = (Vec::new(), Seq::ZERO);
    loop {
        let Page { items, next } = gateway.events(of, after, PAGE).await?;
        after = items.last().map_or(after, |last| last.seq);
        all.extend(items);
        if next.is_none() {
            return Ok(all);
        }
    }
}

/// The user's own list.
pub async fn list(gateway: &Rest) -> anyhow::Result<BTreeMap<ConversationId, Listed>> {
    let gateways = [gateway.clone()];
    let all = whole(&gateways, |rest, cursor| async move { rest.conversations(cursor.as_deref()).await }).await?;
    Ok(all.unwrap_or_default().into_iter().map(|listed| (listed.shown.conversation.id, listed)).collect())
}
