//! What may be lost: markers, receipts, typing. Over one process, and over two gateways on real servers.

use std::time::Duration;

use anyhow::ensure;
use chat_client::{Happened, NewConversation, ProfileChange, RestError};
use chat_protocol::frame::{MarkerShown, TypingState};
use chat_protocol::{ConversationId, ErrorCode, Seq, model::Kind};
use chat_testkit::play::{Cluster, Plan, Play, Room, User};
use chat_testkit::process::Chat;
use tokio::time::sleep;

const BINARY: &str = env!("CARGO_BIN_EXE_chat");
/// For what must not come: longer than a marker waits before it is written and shown.
const A_WHILE: Duration = Duration::from_secs(3);

fn marker(of: ConversationId, by: &User, read: Seq) -> impl Fn(&Happened) -> bool {
    let user = by.id();
    move |what| {
        matches!(what, Happened::Marker(MarkerShown { conversation, user: who, read: to, delivered })
            if (*conversation, *who, *to) == (of, user, read) && *delivered >= read)
    }
}

fn types(of: ConversationId, by: &User, state: TypingState) -> impl Fn(&Happened) -> bool {
    let user = by.id();
    move |what| {
        matches!(what, Happened::Typing(shown)
            if (shown.conversation, shown.user, shown.state, shown.expires_ms) == (of, user, state, 6_000))
    }
}

/// Types until it is seen: what may be lost is lost while somebody only begins to listen.
async fn is_seen_typing(by: &User, room: &Room, seen_by: &User) -> anyhow::Result<()> {
    for _ in 0..15 {
        by.client().typing(room.id, TypingState::Start).await;
        sleep(Duration::from_secs(4)).await;
        if seen_by.sensed(types(room.id, by, TypingState::Start)) {
            return Ok(());
        }
    }
    anyhow::bail!("nobody is seen typing")
}

/// The same with markers: reads one message after the other until one is seen.
async fn is_seen_reading(by: &User, room: &Room, seen_by: &User) -> anyhow::Result<Seq> {
    for number in 0..15 {
        let seq = seen_by.says(room, &format!("do you see this? {number}")).await?.seq;
        by.has(room, seq).await?;
        by.client().read_to(room.id, seq).await;
        sleep(A_WHILE).await;
        if seen_by.sensed(marker(room.id, by, seq)) {
            return Ok(seq);
        }
    }
    anyhow::bail!("nobody is seen reading")
}

async fn markers_and_typing_reach_those_who_may_see_them(play: &Play, gateways: usize) -> anyhow::Result<()> {
    let (alice, bob) = (play.user_at("alice", 0).await?, play.user_at("bob", 1 % gateways).await?);
    let phone = play.device_of(&alice, 1 % gateways).await?;
    let carol = play.user_at("carol", 0).await?;
    let room = play.room(&[&alice, &bob, &carol]).await?;
    phone.has(&room, Seq::new(1).expect("one is a position")).await?;
    bob.client().focus(vec![room.id]).await;

    is_seen_typing(&alice, &room, &bob).await?;
    alice.client().typing(room.id, TypingState::Stop).await;
    bob.senses("that alice stopped", types(room.id, &alice, TypingState::Stop)).await?;
    let read = is_seen_reading(&alice, &room, &bob).await?;
    phone.senses("what its user read elsewhere", marker(room.id, &alice, read)).await?;
    let any_typing = |what: &Happened| matches!(what, Happened::Typing(_));
    let any_marker = |what: &Happened| matches!(what, Happened::Marker(_));
    ensure!(!carol.sensed(any_typing) && !carol.sensed(any_marker), "carol looks elsewhere");
    ensure!(!alice.sensed(any_typing) && !phone.sensed(any_typing), "nobody is told of their own typing");

    // What was marked is what is stored, and it never goes back.
    let listed = alice.rest().markers(room.id).await?;
    let of_alice = listed.items.iter().find(|marker| marker.user == alice.id()).map(|marker| marker.read);
    ensure!(of_alice == Some(read), "stored is {of_alice:?}, shown was {read}");
    let back = alice.rest().mark(room.id, Seq::new(1).expect("one is a position")).await?;
    ensure!(back.read == read, "a marker goes back to {}", back.read);
    let ahead = alice.rest().mark(room.id, Seq::MAX).await?;
    ensure!(ahead.read == read && ahead.delivered == read, "a marker above the head is cut to it: {ahead:?}");

    // Who turned receipts off is seen by nobody, but by their own devices.
    let off = ProfileChange { receipts: Some(false), ..ProfileChange::default() };
    bob.rest().change_me(&off).await?;
    sleep(Duration::from_secs(6)).await;
    alice.client().focus(vec![room.id]).await;
    let laptop = play.device_of(&bob, 0).await?;
    let hidden = is_seen_reading(&bob, &room, &laptop).await?;
    ensure!(!alice.sensed(marker(room.id, &bob, hidden)), "receipts are off");
    let listed = alice.rest().markers(room.id).await?;
    ensure!(listed.items.iter().all(|marker| marker.user != bob.id()), "receipts are off: {listed:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn markers_and_typing_reach_those_who_may_see_them_in_one_process() -> anyhow::Result<()> {
    let chat = Chat::start(BINARY, &[]).await?;
    markers_and_typing_reach_those_who_may_see_them(&Play::at([chat.public()]), 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn markers_and_typing_cross_gateways() -> anyhow::Result<()> {
    let plan = Plan { gateways: 2, persisters: 1, ..Plan::default() };
    let cluster = Cluster::start(BINARY, plan).await?;
    markers_and_typing_reach_those_who_may_see_them(&cluster.play(), 2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_marker_survives_a_stop_right_behind_it() -> anyhow::Result<()> {
    let mut chat = Chat::start(BINARY, &[]).await?;
    let play = Play::at([chat.public()]);
    let alice = play.user("alice").await?;
    let room = play.room(&[&alice]).await?;
    let mut last = Seq::ZERO;
    for number in 0..5 {
        last = alice.says(&room, &format!("number {number}")).await?.seq;
        alice.client().read_to(room.id, last).await;
    }
    // The frames are on their way through the client's own queue.
    sleep(Duration::from_millis(300)).await;
    ensure!(chat.terminate(Duration::from_secs(30)).await?.success());
    chat.restart().await?;
    let stored = alice.rest().markers(room.id).await?;
    ensure!(stored.items.first().is_some_and(|marker| marker.read == last), "{last} was read, stored is {stored:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_are_refused_to_strangers_and_in_a_broadcast() -> anyhow::Result<()> {
    let chat = Chat::start(BINARY, &[]).await?;
    let play = Play::at([chat.public()]);
    let (alice, bob) = (play.user("alice").await?, play.user("bob").await?);
    let room = play.room(&[&alice]).await?;
    let code = |refused: Result<_, RestError>| refused.err().and_then(|err| err.code());
    assert_eq!(code(bob.rest().markers(room.id).await.map(drop)), Some(ErrorCode::NotFound));
    assert_eq!(code(bob.rest().mark(room.id, Seq::MAX).await.map(drop)), Some(ErrorCode::NotFound));
    let wanted = NewConversation {
        kind: Kind::Broadcast,
        members: Vec::new(),
        title: None,
        visibility: None,
        client_id: alice.client().mint(),
    };
    let news = alice.rest().create(&wanted).await?.conversation.id;
    assert_eq!(code(alice.rest().markers(news).await.map(drop)), Some(ErrorCode::Forbidden));
    alice.rest().mark(news, Seq::MAX).await?;
    Ok(())
}
