//! Who may do what: every route of a conversation and every frame that acts on one, by everybody there can be. What is
//! expected follows from the roles' rights as they are promised, written down here once more, and not from the code.

#[path = "bad_input/raw.rs"]
#[expect(dead_code, reason = "what breaks frames is used elsewhere")]
mod raw; // a WebSocket client
#[path = "authorization/routes.rs"]
mod routes; // what there is, and what it needs
#[path = "authorization/stage.rs"]
mod stage; // a conversation with everybody in it, or not
#[path = "people/world.rs"]
#[expect(dead_code, reason = "what people need beside is used elsewhere")]
mod world; // gateways, and how they are asked

use std::collections::BTreeSet;

use anyhow::Context;
use chat_testkit::play::{Cluster, Plan};
use serde_json::json;

use routes::{FRAMES, ROUTES, expected};
use stage::{Actor, Cast, Stage};
use world::World;

/// Every route by every actor; a conversation that somebody changed is not used again.
async fn requests_answer_as_promised(world: &World) -> anyhow::Result<()> {
    let cast = Cast::new(world).await?;
    let mut wrong = Vec::new();
    for route in ROUTES {
        let mut stage = Stage::set(world, &cast).await?;
        for actor in Actor::ALL {
            let promised = expected(route, actor);
            let answer = stage.ask(world, &cast, actor, route).await?;
            if answer != promised {
                wrong.push(format!("{} {} by {actor:?}: {answer}, not {promised}", route.method, route.path));
            }
            if promised.starts_with('2') && route.method != "GET" {
                stage = Stage::set(world, &cast).await?;
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// The same decisions over a socket.
async fn frames_answer_as_promised(world: &World) -> anyhow::Result<()> {
    let cast = Cast::new(world).await?;
    let mut wrong = Vec::new();
    for frame in FRAMES {
        let mut stage = Stage::set(world, &cast).await?;
        for actor in Actor::ALL.into_iter().filter(|actor| *actor != Actor::Anonymous) {
            let promised = expected(frame, actor);
            // A code, or what went well.
            let promised = promised.split_once(' ').map_or("ok", |(_, code)| code).to_owned();
            let answer = stage.says(world, &cast, actor, frame).await?;
            if answer != promised {
                wrong.push(format!("{} by {actor:?}: {answer}, not {promised}", frame.path));
            }
            if promised == "ok" {
                stage = Stage::set(world, &cast).await?;
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// Knowing an id gives nothing: what is hidden and what was never there answer alike, to the byte.
async fn absent_and_hidden_are_the_same(world: &World) -> anyhow::Result<()> {
    let cast = Cast::new(world).await?;
    let stage = Stage::set(world, &cast).await?;
    let absent = Stage::absent(&stage);
    for route in ROUTES {
        let (method, body) = (route.method, stage.body(&cast, route));
        let hidden_path = stage.path(&cast, route);
        let absent_path = absent.path(&cast, route);
        let stranger = cast.user(Actor::Stranger);
        let mut hidden = world.ask(0, stranger, method, &hidden_path, body.clone()).await?;
        let mut missing = world.ask(0, stranger, method, &absent_path, body).await?;
        // The request's own id.
        hidden.body["instance"] = json!(null);
        missing.body["instance"] = json!(null);
        assert_eq!((hidden.status, &hidden.body), (missing.status, &missing.body), "{method} {}", route.path);
    }
    Ok(())
}

/// A route of a conversation that is missing here is missing in every test of this file.
#[test]
fn every_route_of_a_conversation_is_asked() -> anyhow::Result<()> {
    let document: serde_json::Value = serde_json::from_str(chat_gateway::openapi())?;
    let paths = document["paths"].as_object().context("paths")?;
    let here = paths.iter().filter_map(|(path, methods)| Some((path.strip_prefix("/v1/conversations/")?, methods)));
    let described: BTreeSet<String> = here
        .flat_map(|(path, methods)| methods.as_object().into_iter().flat_map(move |m| m.keys().map(move |m| (m, path))))
        .map(|(method, path)| format!("{} {path}", method.to_uppercase()))
        .collect();
    let written = |path: &str| {
        let path = path.replace("{c}", "{conversation}").replace("{m}", "{message}").replace("{t}", "{user}");
        path.replace("/reactions/x", "/reactions/{emoji}")
    };
    let of_conversations = ROUTES.iter().filter(|route| !route.path.starts_with('/'));
    let asked: BTreeSet<String> =
        of_conversations.map(|route| format!("{} {}", route.method, written(route.path))).collect();
    assert_eq!(asked, described);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_one_process() -> anyhow::Result<()> {
    requests_answer_as_promised(&World::start().await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_in_one_process() -> anyhow::Result<()> {
    frames_answer_as_promised(&World::start().await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_given_away_in_one_process() -> anyhow::Result<()> {
    absent_and_hidden_are_the_same(&World::start().await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_on_real_servers() -> anyhow::Result<()> {
    let plan = Plan { gateways: 1, persisters: 1, ..Plan::default() };
    let cluster = Cluster::start(env!("CARGO_BIN_EXE_chat"), plan).await?;
    let world = World::at(cluster.gateways.iter().map(|gateway| gateway.public()).collect());
    requests_answer_as_promised(&world).await?;
    frames_answer_as_promised(&world).await?;
    absent_and_hidden_are_the_same(&world).await
}
