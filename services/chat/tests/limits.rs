//! How much each may do, and what they are told who do more.

use anyhow::{Context, ensure};
use chat_client::{RestError, SendError};
use chat_protocol::ErrorCode;
use chat_testkit::play::Play;
use chat_testkit::process::Chat;
use reqwest::{Client, Response, header::HeaderMap};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_chat");
const PASSWORD: &str = "correct horse battery staple";

async fn post(chat: &Chat, path: &str, body: Value, from: Option<&str>) -> anyhow::Result<Response> {
    let mut request = Client::new().post(format!("http://{}{path}", chat.public())).json(&body);
    if let Some(from) = from {
        request = request.header("x-forwarded-for", from);
    }
    Ok(request.send().await?)
}

async fn register(chat: &Chat, name: &str, from: Option<&str>) -> anyhow::Result<Response> {
    post(chat, "/v1/users", json!({"name": name, "password": PASSWORD, "device": "d"}), from).await
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> anyhow::Result<&'a str> {
    Ok(headers.get(name).with_context(|| format!("no {name} in {headers:?}"))?.to_str()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_what_is_left_and_a_refusal_when_to_come_back() -> anyhow::Result<()> {
    let chat = Chat::start(BINARY, &["--gateway-limit-registrations", "2/1h", "--gateway-limit-anonymous", "10/1s:20"]);
    let chat = chat.await?;
    for (name, left) in [("one", 1), ("two", 0)] {
        let answer = register(&chat, name, None).await?;
        assert_eq!(answer.status(), 201);
        assert_eq!(header(answer.headers(), "ratelimit-policy")?, r#""anonymous";q=20;w=2, "register";q=2;w=3600"#);
        let limit = header(answer.headers(), "ratelimit")?;
        ensure!(limit.contains(&format!(r#""register";r={left};t="#)), "{limit}");
    }
    let refused = register(&chat, "three", None).await?;
    assert_eq!(refused.status(), 429);
    let after: u64 = header(refused.headers(), "retry-after")?.parse()?;
    let problem: Value = refused.json().await?;
    assert_eq!(problem["code"], "rate_limited");
    ensure!(problem["detail"].as_str().is_some_and(|detail| detail.starts_with("register: ")), "{problem}");
    let after_ms = problem["retry_after_ms"].as_u64().context("no retry_after_ms")?;
    ensure!((1_790_000..=2_260_000).contains(&after_ms) && after == after_ms.div_ceil(1_000), "{after} {after_ms}");

    let (_, metrics) = chat.get("/metrics").await?;
    let line = metrics.lines().find(|line| line.starts_with("chat_gateway_rate_limited_total"));
    ensure!(
        line.is_some_and(|line| line.contains(r#"bucket="register""#) && line.contains(r#"mode="enforced""#)),
        "{line:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_of_one_password_are_stopped_before_they_cost_anything() -> anyhow::Result<()> {
    let chat = Chat::start(BINARY, &["--gateway-limit-logins-name", "3/1h"]).await?;
    let guess = |name: &'static str| post(&chat, "/v1/sessions", json!({"name": name, "password": PASSWORD}), None);
    for _ in 0..3 {
        assert_eq!(guess("nobody").await?.status(), 401);
    }
    let started = std::time::Instant::now();
    for _ in 0..50 {
        assert_eq!(guess("nobody").await?.status(), 429);
    }
    ensure!(started.elapsed().as_millis() < 5_000, "refusals took {:?}", started.elapsed());
    assert_eq!(guess("somebody-else").await?.status(), 401, "others are not held back");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_address_counts_only_if_a_trusted_proxy_says_it() -> anyhow::Result<()> {
    let limits = ["--gateway-limit-registrations", "1/1h"];
    let stranger = Chat::start(BINARY, &limits).await?;
    assert_eq!(register(&stranger, "one", Some("198.51.100.1")).await?.status(), 201);
    assert_eq!(register(&stranger, "two", Some("198.51.100.2")).await?.status(), 429);

    let trusted = [&limits[..], &["--gateway-trusted-proxies", "127.0.0.0/8"]].concat();
    let trusting = Chat::start(BINARY, &trusted).await?;
    assert_eq!(register(&trusting, "one", Some("198.51.100.1")).await?.status(), 201);
    assert_eq!(register(&trusting, "two", Some("198.51.100.2")).await?.status(), 201);
    assert_eq!(register(&trusting, "three", Some("203.0.113.7, 198.51.100.2")).await?.status(), 429);
    assert_eq!(register(&trusting, "four", Some("2001:db8::1")).await?.status(), 201);
    assert_eq!(register(&trusting, "five", Some("2001:db8::ffff:2")).await?.status(), 429, "one /64 is one address");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_and_refuses_nobody() -> anyhow::Result<()> {
    let chat = Chat::start(BINARY, &["--gateway-limits", "dry-run", "--gateway-limit-registrations", "1/1h"]).await?;
    for name in ["one", "two", "three"] {
        assert_eq!(register(&chat, name, None).await?.status(), 201);
    }
    let (_, metrics) = chat.get("/metrics").await?;
    let line = metrics.lines().find(|line| line.starts_with("chat_gateway_rate_limited_total"));
    ensure!(line.is_some_and(|line| line.contains(r#"mode="dry_run""#) && line.ends_with(" 2")), "counted: {line:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_limited_per_user_and_conversation_whichever_way_they_come() -> anyhow::Result<()> {
    let chat = Chat::start(BINARY, &["--gateway-limit-sends", "3/1h"]).await?;
    let play = Play::at([chat.public()]);
    let (alice, bob) = (play.user("alice").await?, play.user("bob").await?);
    let (room, other) = (play.room(&[&alice, &bob]).await?, play.room(&[&alice]).await?);
    for number in 0..2 {
        alice.says(&room, &format!("number {number}")).await?;
    }
    alice.rest().send(room.id, alice.client().mint(), "number 3").await?;
    let refused: Result<_, RestError> = alice.rest().send(room.id, alice.client().mint(), "number 4").await;
    assert_eq!(refused.err().and_then(|err| err.code()), Some(ErrorCode::RateLimited));
    bob.says(&room, "others may").await?;
    let elsewhere: Result<_, SendError> = alice.says(&other, "and elsewhere too").await;
    elsewhere?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_beyond_what_one_address_may_open_are_shed_with_a_time_to_come_back() -> anyhow::Result<()> {
    let chat = Chat::start(BINARY, &["--gateway-limit-connects", "2/1h"]).await?;
    let upgrade = || {
        let request = Client::new().get(format!("http://{}/v1/ws", chat.public()));
        let request = request.header("connection", "upgrade").header("upgrade", "websocket");
        request.header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==").send()
    };
    for _ in 0..2 {
        assert_eq!(upgrade().await?.status(), 101);
    }
    let shed = upgrade().await?;
    assert_eq!(shed.status(), 503);
    let after: u64 = header(shed.headers(), "retry-after")?.parse()?;
    ensure!(after >= 1_700, "{after}");
    assert_eq!(shed.json::<Value>().await?["code"], "overloaded");
    Ok(())
}
