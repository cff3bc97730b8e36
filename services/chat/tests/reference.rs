//! The reference page in a real browser: it shows the whole document, every link leads somewhere, and its lines for a
//! shell do what they say.

use std::time::Duration;

use anyhow::{Context, ensure};
use chat_testkit::browser::Browser;
use chat_testkit::process::{self, Chat};
use serde_json::Value;

/// What a link within the page points to and is not there.
const LOST: &str = "[...document.querySelectorAll('a[href^=\"#\"]')].map((it) => decodeURIComponent(it.hash.slice(1))) \
                    .filter((id) => id !== '' && !document.getElementById(id))";
/// By operation, the line for a shell.
const LINES: &str = "Object.fromEntries([...document.querySelectorAll('.operation')] \
                     .map((it) => [it.id, it.querySelector('pre').textContent]))";
const WITHIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_shows_every_route_and_its_lines_work() -> anyhow::Result<()> {
    let chat = Chat::start(env!("CARGO_BIN_EXE_chat"), &[]).await?;
    let document: Value = serde_json::from_str(chat_gateway::openapi())?;
    let paths = document["paths"].as_object().context("paths")?;
    let ids: Vec<&str> = paths
        .values()
        .flat_map(|methods| methods.as_object().into_iter().flat_map(|methods| methods.values()))
        .filter_map(|operation| operation["operationId"].as_str())
        .collect();

    let browser = Browser::start(env!("CARGO_TARGET_TMPDIR")).await?;
    let tab = browser.tab("reader").await?;
    tab.go(&format!("http://{}/reference", chat.public())).await?;
    tab.until(&format!("document.querySelectorAll('.operation').length === {}", ids.len())).await?;
    let lost: Vec<String> = tab.see(LOST).await?;
    ensure!(lost.is_empty(), "links to nothing: {lost:?}");
    let without: Vec<String> =
        tab.see("[...document.querySelectorAll('.operation')].filter((it) => !it.querySelector('.answer')).map((it) => it.id)").await?;
    ensure!(without.is_empty(), "no answer is shown of {without:?}");
    // What stands in the document as text stays text.
    let pages: usize =
        tab.see("document.querySelectorAll('#protocol h2, #protocol table, #protocol pre').length").await?;
    ensure!(pages > 5, "the page on the WebSocket is not shown");
    // An address may name a route.
    tab.see::<Value>("(location.hash = '#send_message')").await?;
    tab.until("Math.abs(document.getElementById('send_message').getBoundingClientRect().top) < 100").await?;
    let lines: Value = tab.see(LINES).await?;
    ensure!(tab.complaints().is_empty(), "{:?}", tab.complaints());

    let run = async |id: &str, token: &str| -> anyhow::Result<Value> {
        let line = lines[id].as_str().with_context(|| format!("no line for {id}"))?;
        let script = format!("token={token}; {line}");
        let ran = process::run("sh", &["-euc", &script], WITHIN).await?;
        ensure!(ran.status.success(), "{script}: {}", ran.output);
        if ran.output.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&ran.output).with_context(|| format!("{script}: {}", ran.output))
    };
    let session = run("register", "").await?;
    let token = session["access_token"].as_str().context("a token")?;
    ensure!(run("get_me", token).await?["name"] == "ada", "it is not ada");
    ensure!(run("list_conversations", token).await?["items"] == serde_json::json!([]), "she is new");
    // Every example of a request is one that the server understands, whatever else there is to say against it.
    for id in ids.iter().filter(|id| lines[**id].as_str().is_some_and(|line| line.contains(" -d "))) {
        let answer = run(id, token).await?;
        ensure!(answer["code"] != "malformed" && answer["code"] != "invalid", "{id}: {answer}");
    }
    Ok(())
}
