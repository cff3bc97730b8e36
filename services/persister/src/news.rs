//! Whose list of conversations an event changes hears of it on their feed, whatever becomes of the gateway that appended
//! it: a socket that is resumed would never ask.
//!
//! Gateways say it first, at once and under the same nonce, so that here it is nearly always known already. What is not
//! is said only if it is still so, and only if nothing was said meanwhile: events may be read long after a gateway
//! has said something newer, and news must not overtake each other.

use chat_bus::{BusError, Nonce};
use chat_protocol::{
    ConversationId, Seq,
    event::{Body, Event},
    model::AccountState,
};
use futures_util::{StreamExt, stream};

use crate::{Deps, batch::News, metrics};

/// Feeds told at once.
const AT_ONCE: usize = 16;
/// Tries for one feed, each after somebody else said something.
const TRIES: usize = 5;

/// Tells all of it; `false`: not all of it could be told, it has to come again.
pub(crate) async fn tell(deps: &Deps, news: &[News]) -> bool {
    let telling: Vec<_> = news.iter().map(|news| tell_one(deps, news)).collect();
    let mut told = stream::iter(telling).buffer_unordered(AT_ONCE);
    let mut all = true;
    while let Some(told) = told.next().await {
        metrics::news(told.as_ref().copied().unwrap_or("failed"));
        if let Err(err) = told {
            tracing::debug!(error = format!("{err:#}"), "feed not told yet");
            all = false;
        }
    }
    all
}

async fn tell_one(deps: &Deps, news: &News) -> anyhow::Result<&'static str> {
    let feed = ConversationId::feed(news.user);
    let nonce = Nonce::news(news.user, news.cause);
    for _ in 0..TRIES {
        // The head first: what is said after it makes the append fail.
        let heads = deps.log.heads(&[feed], true).await?;
        let head = heads.first().copied().flatten().unwrap_or(Seq::ZERO);
        if !is_so(deps, news).await? {
            return Ok("stale");
        }
        let event = Event { at: deps.clock.now(), by: news.by, body: news.body.clone() };
        match deps.log.append(feed, nonce, event.encode(), Some(head)).await {
            Ok(appended) => return Ok(if appended.duplicate { "known" } else { "told" }),
            Err(BusError::WrongHead(_)) => {}
            Err(err) => return Err(err.into()),
        }
    }
    anyhow::bail!("others say too much")
}

/// Whether the store, which has the event, says nothing newer.
async fn is_so(deps: &Deps, news: &News) -> anyhow::Result<bool> {
    let member = deps.store.member(news.conversation, news.user).await?;
    Ok(match &news.body {
        Body::ConversationAdded(_) => member.is_some_and(|member| member.joined_seq == news.cause.seq()),
        // Nobody reads the feed of a closed account, and its rows are being removed.
        _ => {
            let account = deps.store.account(news.user).await?;
            member.is_none() && account.is_some_and(|account| account.user.state == AccountState::Active)
        }
    })
}
