//! What a socket missed: conversation by conversation, a few at a time, then one frame that says what is complete.

use std::{collections::BTreeSet, sync::Arc};

use chat_auth::Action;
use chat_protocol::{
    ConversationId, ErrorCode, Seq,
    event::LeftReason,
    frame::{Cursors, Failure, Follow, Recovered, Ref, ServerFrame},
    limits,
};
use futures_util::{StreamExt, future::BoxFuture, stream};

use super::Work;
use crate::{
    app::App,
    conn::Conn,
    fault::Fault,
    hub::{Budget, Followed, Proof},
    metrics,
};

/// Conversations brought up to date at once, per socket.
const AT_ONCE: usize = 16;

/// After `hello`: the feed, and with `auto` the most recent conversations.
pub(super) fn hello(app: Arc<App>, conn: Arc<Conn>, auto: bool, cursors: Cursors) -> BoxFuture<'static, Work> {
    Box::pin(async move {
        let proof = Proof { store: true, ..Proof::default() };
        let feed_of = ConversationId::feed(conn.user);
        // The feed first: what is added from then on is heard, what was added before is in the list.
        let feed = match follow_feed(&app, &conn, &cursors, &proof).await {
            Ok(feed) => feed,
            Err(fault) => return Work::Replayed(Vec::new(), Err(fault)),
        };
        let all = if auto { app.memberships(conn.user).await } else { Ok(Vec::new()) };
        match all {
            Ok(all) => {
                // A cursor of what is not among them: the client shows what its user is out of, which it has to hear.
                let member: BTreeSet<ConversationId> = all.iter().map(|(conversation, _)| *conversation).collect();
                let out = cursors.keys().copied().filter(|of| auto && *of != feed_of && !member.contains(of));
                let out: Vec<_> = out.map(|conversation| (conversation, None)).collect();
                let follows = match most_recent(&app, all).await {
                    Ok(follows) => follows,
                    Err(fault) => return Work::Replayed(Vec::new(), Err(fault)),
                };
                let follows = follows.into_iter().map(|(conversation, joined)| (conversation, Some(joined)));
                replay(&app, &conn, feed, follows.chain(out).collect(), &cursors, &proof).await
            }
            Err(fault) => Work::Replayed(Vec::new(), Err(fault)),
        }
    })
}

/// After `resume`: what the token says was followed, and what cursors say was followed since.
pub(super) fn resume(
    app: Arc<App>,
    conn: Arc<Conn>,
    follows: Vec<ConversationId>,
    cursors: Cursors,
    proof: Proof,
) -> BoxFuture<'static, Work> {
    Box::pin(async move {
        // A cursor the token does not know is of a conversation that was followed after the token was made. The token
        // vouches only for its own list, so these are asked for like any `follow`.
        let feed = ConversationId::feed(conn.user);
        let known: BTreeSet<ConversationId> = follows.into_iter().collect();
        let later = cursors.keys().copied().filter(|of| *of != feed && !known.contains(of));
        let later: Vec<_> = later.map(|conversation| (conversation, None)).collect();
        let known = known.into_iter().filter(|conversation| *conversation != feed);
        let known = known.map(|conversation| (conversation, Some(Seq::ZERO)));
        let follows = known.chain(later).take(limits::FOLLOWS).collect();
        match follow_feed(&app, &conn, &cursors, &proof).await {
            Ok(feed) => replay(&app, &conn, feed, follows, &cursors, &proof).await,
            Err(fault) => Work::Replayed(Vec::new(), Err(fault)),
        }
    })
}

/// After `follow`.
pub(super) fn follow(app: Arc<App>, conn: Arc<Conn>, follow: Follow) -> BoxFuture<'static, Work> {
    Box::pin(async move {
        let Follow { reference, conversation, after } = follow;
        match try_follow(&app, &conn, conversation, after, reference).await {
            Ok(followed) => answer(&conn, conversation, reference, followed),
            Err(fault) => {
                let failure = Failure { reference, conversation: Some(conversation), ..fault.frame() };
                conn.send(&ServerFrame::Error(Box::new(failure)));
                Work::Followed(conversation, false)
            }
        }
    })
}

/// When the feed says that a conversation was added.
pub(super) fn added(
    app: Arc<App>,
    conn: Arc<Conn>,
    conversation: ConversationId,
    before: Option<Seq>,
) -> BoxFuture<'static, Work> {
    Box::pin(async move {
        match try_follow(&app, &conn, conversation, before, None).await {
            Ok(followed) => answer(&conn, conversation, None, followed),
            Err(fault) => {
                // Nobody asked, so nobody waits for an answer: what ended meanwhile is left out, and for what cannot
                // be followed now the client comes back.
                if !is_refusal(fault.code) {
                    conn.close(ErrorCode::Internal, "could not follow what was added");
                }
                Work::Followed(conversation, false)
            }
        }
    })
}

/// Says how a follow went.
fn answer(conn: &Conn, conversation: ConversationId, reference: Option<Ref>, followed: Followed) -> Work {
    match followed {
        Followed::Left(reason) => {
            conn.left(conversation, reason);
            return Work::Followed(conversation, false);
        }
        Followed::Recovered(head) => conn.send(&recovered(reference, [(conversation, head)].into())),
        Followed::Resync => {}
    }
    Work::Followed(conversation, conversation != ConversationId::feed(conn.user))
}

/// Whether somebody may not, as opposed to cannot now.
const fn is_refusal(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::NotFound | ErrorCode::NotAMember | ErrorCode::Forbidden)
}

async fn try_follow(
    app: &App,
    conn: &Arc<Conn>,
    conversation: ConversationId,
    after: Option<Seq>,
    reference: Option<Ref>,
) -> Result<Followed, Fault> {
    let mut after = after;
    if conversation != ConversationId::feed(conn.user) {
        let room = app.hub.room(conversation).await?;
        let roster = room.authorize(conn.user, Action::Follow).await?;
        let since = room.readable_since(&roster, conn.user).await?;
        let before_joining = Seq::new(since.get().saturating_sub(1)).unwrap_or(Seq::ZERO);
        after = after.map(|after| after.max(before_joining));
        // A client that follows anew keeps one seat.
        room.unseat(conn).await;
    }
    let proof = Proof { store: true, reference, ..Proof::default() };
    app.hub.follow(conn, conversation, after, &proof, &Budget::default()).await
}

async fn follow_feed(app: &App, conn: &Arc<Conn>, cursors: &Cursors, proof: &Proof) -> Result<Followed, Fault> {
    let feed = ConversationId::feed(conn.user);
    app.hub.follow(conn, feed, cursors.get(&feed).copied(), proof, &Budget::default()).await
}

/// Brings every conversation up to date, each with where the user joined it if it is proved that they may follow it;
/// the frames that say how it went are out when it returns.
async fn replay(
    app: &App,
    conn: &Arc<Conn>,
    feed_followed: Followed,
    follows: Vec<(ConversationId, Option<Seq>)>,
    cursors: &Cursors,
    proof: &Proof,
) -> Work {
    let feed = ConversationId::feed(conn.user);
    let budget = Budget::default();
    let mut outcomes: Vec<_> = stream::iter(follows)
        .map(|(conversation, joined)| {
            let budget = &budget;
            async move {
                let cursor = cursors.get(&conversation).copied();
                // Events from before a later joining are seen only by who may: that is `follow`'s check.
                let unproved = joined.is_none_or(|joined| cursor.is_some_and(|cursor| cursor.next() < joined));
                let followed = if unproved {
                    try_follow(app, conn, conversation, cursor, None).await
                } else {
                    app.hub.follow(conn, conversation, cursor, proof, budget).await
                };
                (conversation, followed)
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;

    outcomes.push((feed, Ok(feed_followed)));
    let mut heads = Cursors::new();
    let mut seated = BTreeSet::new();
    for (conversation, followed) in outcomes {
        match followed {
            Ok(Followed::Left(reason)) => {
                conn.left(conversation, reason);
                continue;
            }
            // Removed or unfollowed while others were replayed: `left` was its last frame.
            Ok(_) if !conn.is_seated(conversation) => continue,
            Ok(Followed::Recovered(head)) => {
                metrics::resumed("recovered");
                heads.insert(conversation, head);
            }
            Ok(Followed::Resync) => metrics::resumed("resync"),
            // What one may not follow any more is no reason to refuse the socket; whoever shows it hears so.
            Err(fault) if is_refusal(fault.code) => {
                if cursors.contains_key(&conversation) {
                    conn.left(conversation, LeftReason::Removed);
                }
                continue;
            }
            Err(fault) => return Work::Replayed(Vec::new(), Err(fault)),
        }
        if conversation != feed {
            seated.insert(conversation);
        }
    }
    conn.send(&recovered(None, heads));
    Work::Replayed(seated.into_iter().collect(), Ok(()))
}

fn recovered(reference: Option<Ref>, heads: Cursors) -> ServerFrame {
    ServerFrame::Recovered(Recovered { reference, heads })
}

/// Of more than [`limits::FOLLOWS`] conversations those with the newest heads.
async fn most_recent(app: &App, all: Vec<(ConversationId, Seq)>) -> Result<Vec<(ConversationId, Seq)>, Fault> {
    if all.len() <= limits::FOLLOWS {
        return Ok(all);
    }
    let ids: Vec<ConversationId> = all.iter().map(|(conversation, _)| *conversation).collect();
    let mut heads = Vec::with_capacity(ids.len());
    for batch in ids.chunks(1_000) {
        heads.extend(app.log.heads(batch, false).await?);
    }
    // Positions of different shards begin at the same clock and so compare roughly; that is enough for a choice.
    let mut ranked: Vec<_> = all.into_iter().zip(heads).collect();
    ranked.sort_by_key(|((_, joined), head)| std::cmp::Reverse((*head, *joined)));
    Ok(ranked.into_iter().take(limits::FOLLOWS).map(|(membership, _)| membership).collect())
}
