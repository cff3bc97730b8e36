//! Whose list of conversations an event changes hears of it on their feed, whatever becomes of the gateway that appended
//! it: a socket that is resumed would never ask.
//!
//! Gateways say it first, at once and under the same nonce, so that here it is nearly always known already. What is not
//! is said only if it is still so, and only if nothing was said meanwhile: events may be read long after a gateway
//! has said something newer, and news must not overtake each other.

use chat_bus::{BusError, Logged, Nonce};
use chat_protocol::{
    ConversationId, Seq,
    event::{Body, Event},
    limits,
    model::AccountState,
};
use futures_util::{StreamExt, stream};

use crate::{Deps, batch::News, metrics};

/// Feeds told at once.
const AT_ONCE: usize = 16;
/// Events of a feed read at once.
const PAGE: usize = 1_000;
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
        if is_old(deps, news) && is_told(deps, news, feed).await? {
            return Ok("known");
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

/// Whether the log may have forgotten the nonce: persisting was far behind, or a restored store is filled again.
fn is_old(deps: &Deps, news: &News) -> bool {
    let age_ms = deps.clock.now().as_ms() - news.at.as_ms();
    age_ms > limits::DEDUPE_WINDOW.as_millis() as i64 / 2
}

/// Whether the feed says it. What the log no longer holds is older than any event that comes from it.
async fn is_told(deps: &Deps, news: &News, feed: ConversationId) -> anyhow::Result<bool> {
    let mut after = Seq::ZERO;
    loop {
        let page = deps.log.tail(feed, after, PAGE).await?;
        let says = |logged: &Logged| Event::decode(&logged.event).is_ok_and(|event| event.body == news.body);
        if page.iter().any(says) {
            return Ok(true);
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = last.seq,
            _ => return Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use chat_bus::{Embedded, Log, embedded::Options};
    use chat_protocol::{
        Clock, MessageId, Timestamp, UserId,
        event::{self, MemberChanged},
        rights::Role,
        time::SystemClock,
    };
    use chat_service::Health;
    use chat_store::{EventRow, Store};

    use super::*;

    /// An event that the log forgot long ago is told once, however often it is read.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_told_long_ago_is_not_told_again() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let database = chat_bus::embedded::open_database(dir.path())?;
        let store: Arc<dyn Store> = Arc::new(chat_store::Embedded::open(database.clone(), SystemClock)?);
        let forgets = Options { dedupe_window: Duration::ZERO, ..Options::default() };
        let log: Arc<dyn Log> = Arc::new(Embedded::open(database, forgets)?);
        let deps = Deps { log, store, clock: Arc::new(SystemClock), health: Health::new() };

        let (of, user, by) = (ConversationId::from_u128(1), UserId::from_u128(2), UserId::from_u128(3));
        let at = SystemClock.now().plus_ms(-3_600_000);
        let joined = Event { at, by, body: Body::MemberJoined(MemberChanged { user, role: Role::Member }) };
        let bytes = joined.encode();
        let appended = deps.log.append(of, Nonce::hash(&[b"joined"]), bytes.clone(), None).await?;
        let (shard, seq) = (deps.log.shard_of(of), appended.seq);
        deps.store.apply(&[EventRow { conversation: of, shard, seq, event: bytes }]).await?;

        let cause = MessageId::new(shard, seq);
        let news = |at: Timestamp| {
            let told = event::news(of, seq, &joined.body).into_iter();
            told.map(|(user, body)| News { user, body, conversation: of, cause, by, at }).collect::<Vec<_>>()
        };
        for _ in 0..3 {
            assert!(tell(&deps, &news(at)).await);
        }
        let feed = ConversationId::feed(user);
        assert_eq!(deps.log.tail(feed, Seq::ZERO, 10).await?.len(), 1);
        // The negative control: by the nonce alone it would be told again.
        assert!(tell(&deps, &news(SystemClock.now())).await);
        assert_eq!(deps.log.tail(feed, Seq::ZERO, 10).await?.len(), 2);
        Ok(())
    }
}
