//! The server keeps what its OpenAPI document says: schemathesis asks everything that the document allows, and much that
//! it does not, and holds each answer to it.

#[path = "bad_input/raw.rs"]
#[expect(dead_code, reason = "the people's world has sockets too")]
mod raw; // a WebSocket client
#[path = "people/world.rs"]
#[expect(dead_code, reason = "what people need beside is used elsewhere")]
mod world; // gateways, and how they are asked

use std::time::Duration;

use anyhow::ensure;
use chat_testkit::process::{Chat, run_tool};
use serde_json::json;

use world::{User, World, id};

const BINARY: &str = env!("CARGO_BIN_EXE_chat");
/// Of each of the two runs, which take some twenty seconds together on a quiet machine.
const WITHIN: Duration = Duration::from_secs(90);
/// The same requests every time.
const SEED: &str = "20261125";
/// What no answer may break. Left out is whether everything that fits the schemas is accepted: they cannot say that a
/// direct conversation has one other member, or that a time lies ahead.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,negative_data_rejection,\
                      unsupported_method,allow_header_conformance,ignored_auth";
/// They end what the others need: the account, its log-ins, the conversation.
const ENDINGS: [&str; 6] =
    ["close_account", "change_password", "end_session", "end_other_sessions", "delete_conversation", "leave"];

/// What there is to be found.
struct Stage {
    chat: Chat,
    world: World,
    ada: User,
    found: Vec<(&'static str, Vec<String>)>,
}

impl Stage {
    async fn set() -> anyhow::Result<Self> {
        let chat = Chat::start(BINARY, &[]).await?;
        let world = World::at(vec![chat.public()]);
        let (ada, ben, cleo) =
            (world.registered("ada").await?, world.registered("ben").await?, world.registered("cleo").await?);
        let group = world.makes(&ada, json!({"kind": "group", "title": "Lunch", "members": [ben.id]})).await?;
        let direct = world.makes(&ada, json!({"kind": "direct", "members": [ben.id]})).await?;
        let mut messages = Vec::new();
        for (place, text) in [(&group, "Noodles at noon?"), (&group, "Or soup."), (&direct, "Psst.")] {
            let sent = world.does(&ada, "POST", &format!("{place}/messages"), json!({"text": text})).await?;
            messages.push(sent["id"].as_str().unwrap_or_default().to_owned());
        }
        let first = format!("{group}/messages/{}", messages[0]);
        world.does(&ben, "PUT", &format!("{first}/reactions/x"), json!(null)).await?;
        world.does(&ada, "PUT", &format!("{group}/pins/{}", messages[0]), json!(null)).await?;
        world.does(&ben, "PUT", &format!("{group}/marker"), json!({"read": 1})).await?;
        let gone = world.makes(&ada, json!({"kind": "group"})).await?;
        let job = world.does(&ada, "DELETE", &gone, json!(null)).await?;
        let found = vec![
            ("conversation", vec![id(&group).to_owned(), id(&direct).to_owned()]),
            ("message", messages),
            ("user", vec![ben.id.clone(), cleo.id, ada.id.clone()]),
            ("job", vec![job["id"].as_str().unwrap_or_default().to_owned()]),
        ];
        Ok(Self { chat, world, ada, found })
    }

    /// Asks, as somebody, with these arguments beside.
    async fn is_asked(&self, by: &User, found: f64, more: &[&str]) -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("schemathesis.toml");
        let mut text = format!("[cache]\nenabled = false\n[auth.openapi.token]\nbearer = \"{}\"\n", by.token);
        for (name, values) in &self.found {
            text.push_str(&format!("[dictionaries.{name}]\nvalues = {}\n", json!(values)));
        }
        // Text beyond its length is 413, and what is no handshake 426.
        text.push_str(
            "[checks.negative_data_rejection]\n\
             expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 426, 428, 429]\n",
        );
        text.push_str("[parameters]\n");
        for (name, _) in self.found.iter().filter(|_| found > 0.0) {
            text.push_str(&format!("\"path.{name}\" = {{ dictionary = \"{name}\", probability = {found} }}\n"));
        }
        std::fs::write(&config, text)?;
        let config = config.display().to_string();
        let document = format!("http://{}/v1/openapi.json", self.chat.public());
        let fixed = [
            "--config-file",
            &config,
            "run",
            &document,
            "--checks",
            CHECKS,
            "--seed",
            SEED,
            "--generation-database",
            "none",
            "--no-color",
            "--warnings",
            "off",
            "--continue-on-failure",
        ];
        let asked = run_tool("schemathesis", &[&fixed, more].concat(), WITHIN).await?;
        ensure!(asked.status.success(), "{}", asked.output);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_schemathesis_asks_is_answered_as_documented() -> anyhow::Result<()> {
    let stage = Stage::set().await?;
    let endings = ENDINGS.iter().flat_map(|operation| ["--exclude-operation-id", operation]);
    let lasting: Vec<&str> = endings.chain(["--phases", "examples,coverage,fuzzing", "--max-examples", "4"]).collect();
    stage.is_asked(&stage.ada, 0.8, &lasting).await?;

    // Then what ends something, by somebody who is not needed any more.
    let eve = stage.world.registered("eve").await?;
    let endings: Vec<&str> = ENDINGS.iter().flat_map(|operation| ["--include-operation-id", operation]).collect();
    stage.is_asked(&eve, 0.0, &[&endings[..], &["--phases", "coverage,fuzzing", "--max-examples", "5"]].concat()).await
}
