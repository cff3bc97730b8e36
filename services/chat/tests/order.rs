//! The order of everything: many users do whatever they can do, through two gateways, one of which is killed in the
//! middle; afterwards every client's view, made of nothing but what it was told, equals what can be read.
//!
//! All that is done follows from one number: a failing run prints it, and `CHAT_SEED` brings the same acts back.

#![expect(unreachable_pub, reason = "there is no crate outside")]

#[path = "order/actor.rs"]
mod actor; // performs acts
#[path = "order/acts.rs"]
mod acts; // who does what (pure)
#[path = "order/check.rs"]
mod check; // compares, and is itself checked
#[path = "order/held.rs"]
mod held; // what requests answer
#[path = "order/state.rs"]
mod state; // one conversation, however one learns of it (pure)
#[path = "order/view.rs"]
mod view; // what a client was told

use anyhow::Context;
use chat_client::Rest;
use chat_protocol::UserId;
use chat_protocol::rights::Role;
use chat_testkit::env::thorough;
use chat_testkit::play::{Cluster, Plan, Play, Room, User};
use chat_testkit::process::Chat;
use chat_testkit::seed::seeded;
use futures_util::future::{join_all, try_join_all};
use rand::Rng;

use actor::{Actor, Book, Stage};
use acts::{Act, ROOMS, USERS, acts};
use check::Company;
use view::View;

const BINARY: &str = env!("CARGO_BIN_EXE_chat");
const OPEN: [&str; 6] =
    ["--gateway-limits", "off", "--gateway-reconnect-base-ms", "100", "--gateway-reconnect-max-ms", "500"];

fn many() -> usize {
    if thorough() { 5_000 } else { 500 }
}

/// Plays it all, with something that kills in the middle; then judges.
async fn everything(
    play: &Play,
    gateways: Vec<String>,
    kill: impl AsyncFnOnce(usize) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut chance = seeded();
    let acts = acts(chance.random(), many());
    let victim = chance.random_range(0..gateways.len());
    let kill_at = chance.random_range(acts.len() * 2 / 5..acts.len() * 3 / 5);

    let mut users: Vec<User> = Vec::new();
    let mut views: Vec<&View> = Vec::new();
    let mut requests: Vec<Vec<Rest>> = Vec::new();
    for number in 0..USERS {
        let (user, events) = play.told_user_at(&format!("user-{number}"), number % gateways.len()).await?;
        let rests: Vec<Rest> = gateways.iter().map(|base| user.rest().at(base)).collect();
        views.push(View::keep(user.id(), rests.clone(), events));
        requests.push(rests);
        users.push(user);
    }
    let everybody: Vec<&User> = users.iter().collect();
    let mut rooms: Vec<Room> = Vec::new();
    for _ in 0..ROOMS {
        let room = play.room(&everybody).await?;
        requests[0][0].change_role(room.id, users[1].id(), Role::Moderator).await?;
        rooms.push(room);
    }
    for user in &users {
        user.client().focus(rooms.iter().map(|room| room.id).collect()).await;
    }

    let book = Book::default();
    let ids: Vec<UserId> = users.iter().map(User::id).collect();
    let stage = Stage { rooms: &rooms, users: &ids, book: &book };
    let playing = users.iter().zip(&requests).enumerate().map(|(number, (user, gateways))| {
        let actor = Actor { stage: &stage, number, user, gateways };
        let acts: &[Act] = &acts;
        async move { actor.plays(acts).await }
    });
    let killing = async {
        let mut over = book.over.subscribe();
        over.wait_for(|over| *over >= kill_at).await.context("the middle never came")?;
        kill(victim).await
    };
    let (played, killed) = tokio::join!(try_join_all(playing), killing);
    played.and(killed)?;
    println!("{} acts, gateway {victim} killed after {kill_at}, {} refused", acts.len(), book.refused());

    let company =
        Company { users: &users, views: &views, requests: &requests, rooms: &rooms, acts: &acts, book: &book };
    join_all(users.iter().map(User::is_live)).await.into_iter().collect::<anyhow::Result<Vec<()>>>()?;
    company.agrees().await?;
    company.notices_what_is_dropped().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_is_history_in_one_process() -> anyhow::Result<()> {
    let mut chat = Chat::start(BINARY, &OPEN).await?;
    let gateway = chat.public();
    everything(&Play::at([gateway]), vec![format!("http://{gateway}")], async |_| chat.restart().await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_is_history_on_real_servers() -> anyhow::Result<()> {
    let plan = Plan { gateways: 2, persisters: 1, gateway: &["--gateway-limits", "off"], ..Plan::default() };
    let mut cluster = Cluster::start(BINARY, plan).await?;
    let play = cluster.play();
    let bases = cluster.gateways.iter().map(|gateway| format!("http://{}", gateway.public())).collect();
    let gateways = &mut cluster.gateways;
    everything(&play, bases, async |victim| gateways[victim].restart().await).await
}
