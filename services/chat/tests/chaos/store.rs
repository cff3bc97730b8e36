use std::time::Duration;

use anyhow::Context;
use chat_protocol::{ErrorCode, Seq};
use chat_testkit::play::{Cluster, Plan};

use super::harm::{BINARY, EACH, ROOMS, USERS, assert_lossless, lag_drains};

const DRAINED: Duration = Duration::from_secs(90);

/// F9: sends, live events and recent history go on; older history says when to come again; then everything is written.
#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_away() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(BINARY, Plan { gateways: 2, own_cql: true, ..Plan::default() }).await?;
    let play = cluster.play();
    let crowd = play.crowd(USERS, ROOMS).await?;
    crowd.talks(EACH / 2).await?;
    lag_drains(&cluster.persisters, DRAINED).await?;

    cluster.cql.as_mut().context("a server of its own")?.kill9();
    crowd.talks(EACH - EACH / 2).await?;

    let (room, user) = (&crowd.rooms[0], &crowd.users[0]);
    let head = user.says(room, "while it is away").await?.seq;
    user.hears("while it is away").await?;
    let recent = user.rest().messages_before(room.id, head.next(), 50).await.context("read recent history")?;
    assert_eq!(recent.items.first().map(|newest| newest.seq), Some(head));
    let older = user.rest().messages(room.id, Seq::ZERO, 50).await;
    let older = older.err().and_then(|err| err.code());
    assert_eq!(older, Some(ErrorCode::StoreUnavailable));
    let url = format!("http://{}/v1/conversations/{}/messages?after=0", cluster.gateways[0].public(), room.id);
    let answer = reqwest::Client::new().get(url).bearer_auth(user.token().expose()).send().await?;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"), "{answer:?}");

    cluster.cql.as_mut().context("a server of its own")?.restart().await?;
    lag_drains(&cluster.persisters, DRAINED).await?;
    assert_eq!(Cluster::metric(&cluster.persisters, "chat_persister_quarantined_total").await?, 0.0);
    assert_lossless(&crowd.verdict(&play).await?, USERS * EACH + 1);
    Ok(())
}
