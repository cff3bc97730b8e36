//! What the README tells a newcomer to type works as it is written.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use chat_client::{Client, Config, Happened, NewConversation, Rest};
use chat_protocol::event::Body;
use chat_protocol::model::Kind;
use chat_testkit::browser::Browser;
use chat_testkit::process::{self, Chat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

const BINARY: &str = env!("CARGO_BIN_EXE_chat");
/// Precedes the block that runs here.
const MARK: &str = "<!-- run by services/chat/tests/readme.rs -->\n";
/// Precedes the page that is opened here.
const PAGE_MARK: &str = "<!-- opened by services/chat/tests/readme.rs -->\n```html\n";
const WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn the_walk_with_curl_ends_with_what_the_other_one_reads() -> anyhow::Result<()> {
    let readme = file("README.md")?;
    let (_, marked) = readme.split_once(MARK).context("the walk is not marked")?;
    let walk = blocks(marked).into_iter().next().context("no block after the mark")?;

    let chat = Chat::start(BINARY, &[]).await?;
    let script = walk.replace("127.0.0.1:8080", &chat.public().to_string());
    assert_ne!(script, walk, "the walk goes to the default address");
    let walked = process::run("sh", &["-euc", &script], WITHIN).await?;
    assert!(walked.status.success(), "{}", walked.output);

    let said: Vec<serde_json::Value> =
        walked.output.lines().map(serde_json::from_str).collect::<Result<_, _>>().context(walked.output.clone())?;
    let [sent, again, read] = &said[..] else { panic!("three answers are shown: {}", walked.output) };
    assert_eq!(sent["text"], "Noodles at noon?");
    assert_eq!(again["id"], sent["id"], "a retry is the first message");
    assert_eq!(again["duplicate"], true);
    let items = read["items"].as_array().context("a page has items")?;
    assert_eq!(items.iter().map(|item| &item["id"]).collect::<Vec<_>>(), [&sent["id"]], "one message, for both");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bot_in_a_page_answers_whoever_talks_to_it() -> anyhow::Result<()> {
    let readme = file("README.md")?;
    let (_, marked) = readme.split_once(PAGE_MARK).context("the page is not marked")?;
    let page = marked.split("```").next().context("the page has an end")?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let chat = Chat::start(BINARY, &["--gateway-allowed-origins", &origin]).await?;
    let here = page.replace("127.0.0.1:8080", &chat.public().to_string());
    assert_ne!(here, page, "the page goes to the default address");
    let serving = tokio::spawn(serve(listener, here));
    let browser = Browser::start(env!("CARGO_TARGET_TMPDIR")).await?;
    let tab = browser.tab("bot").await?;
    // Twice: the second time it is known already.
    for _ in 0..2 {
        tab.go(&format!("{origin}/bot.html")).await?;
        tab.until("document.body.textContent.endsWith('I am echo')").await?;
    }

    let nobody = Rest::new(&format!("http://{}", chat.public()));
    let ada = nobody.register("ada", "correct horse", "test").await?;
    let rest = nobody.by(ada.access_token.clone());
    let found = rest.find_users("echo").await?.items;
    let (client, mut events) = Client::start(Config::new([format!("http://{}", chat.public())], &ada));
    let wanted = NewConversation {
        kind: Kind::Group,
        members: found.iter().map(|user| user.id).collect(),
        title: None,
        visibility: None,
        client_id: client.mint(),
    };
    let of = rest.create(&wanted).await?.conversation.id;
    client.send(of, "hello").await?;
    let answered = async {
        while let Some(happened) = events.next().await {
            if let Happened::Event(event) = happened
                && let Body::MessageCreated(said) = event.body
                && said.content.text.as_deref() == Some("You said: hello")
            {
                return Ok(event.by);
            }
        }
        bail!("the client ended")
    };
    assert_eq!(Some(timeout(WITHIN, answered).await??), found.first().map(|user| user.id));
    // Only the name that was taken the second time: the browser reports every answer that is none of success.
    let complaints = tab.complaints().into_iter().filter(|complaint| !complaint.contains("409"));
    assert_eq!(complaints.collect::<Vec<_>>(), Vec::<String>::new());
    serving.abort();
    Ok(())
}

/// Answers whatever is asked with this page.
async fn serve(listener: TcpListener, page: String) -> anyhow::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n", page.len());
    loop {
        let (mut stream, _) = listener.accept().await?;
        let answer = format!("{head}Connection: close\r\n\r\n{page}");
        tokio::spawn(async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        });
    }
}

#[test]
fn every_setting_it_names_exists() -> anyhow::Result<()> {
    let (readme, settings) = (file("README.md")?, file("docs/configuration.md")?);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_flag = |word: &str| word.strip_prefix("--").is_some_and(|name| name.starts_with(char::is_alphabetic));
    let words: BTreeSet<&str> = readme.split(|c| !is_name(c)).collect();
    let named = words.into_iter().filter(|word| word.starts_with("CHAT_") || is_flag(word));
    // Cargo's own, and the one that `chat migrate` alone has.
    let named: Vec<&str> = named.filter(|word| !["--release", "--example", "--replicas"].contains(word)).collect();
    assert!(named.contains(&"CHAT_STORE") && named.contains(&"--log-replicas"), "{named:?}");
    let unknown: Vec<&str> = named.into_iter().filter(|word| !settings.contains(&format!("`{word}`"))).collect();
    assert!(unknown.is_empty(), "not in docs/configuration.md: {unknown:?}");
    Ok(())
}

#[test]
fn the_files_it_points_to_exist() -> anyhow::Result<()> {
    let mut seen = 0;
    let manuals =
        ["docs/architecture.md", "docs/protocol.md", "docs/deploy.md", "docs/operations.md", "docs/SECURITY.md"];
    for document in ["README.md"].into_iter().chain(manuals) {
        let text = file(document)?;
        let folder = root().join(document).parent().context("a document lies in a folder")?.to_owned();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !target.contains("://") {
                let file = target.split('#').next().unwrap_or_default();
                assert!(folder.join(file).exists(), "{document} points to {target}");
                seen += 1;
            }
        }
    }
    assert!(seen > 0, "nothing is pointed to");
    Ok(())
}

/// The contents of the fenced `sh` blocks, in their order.
fn blocks(markdown: &str) -> Vec<&str> {
    markdown.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

fn file(path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(root().join(path)).with_context(|| format!("read {path}"))
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Everything below a folder that is Rust.
fn sources(folder: &Path, code: &mut String) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, code)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            code.push_str(&std::fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

#[test]
fn every_test_that_the_table_of_features_names_exists() -> anyhow::Result<()> {
    let mut code = String::new();
    for folder in ["shared", "services"] {
        sources(&root().join(folder), &mut code)?;
    }
    let page = file("docs/features.md")?;
    let rows = page.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.rsplit_once(" | "));
    let mut named = 0;
    for (feature, tests) in rows {
        // Contract suites run over any engine, so some have a parameter.
        for name in tests.split('`').filter(|name| name.contains('_')) {
            let is_there = ["(", "<"].iter().any(|next| code.contains(&format!("fn {name}{next}")));
            assert!(is_there, "{feature}: no test is called {name}");
            named += 1;
        }
    }
    assert!(named > 100, "only {named} were looked for");
    Ok(())
}
