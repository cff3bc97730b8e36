//! The protocol of Chromium's tools: numbered questions and answers, and events, over one WebSocket for all tabs.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::wire::loopback;

const ANSWER_WITHIN: Duration = Duration::from_secs(30);

type Socket = WebSocketStream<TcpStream>;

/// The connection to one browser.
#[derive(Debug)]
pub(super) struct Devtools {
    socket: tokio::sync::Mutex<SplitSink<Socket, Message>>,
    next: AtomicU64,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Debug, Default)]
struct Heard {
    asked: HashMap<u64, oneshot::Sender<Value>>,
    complaints: HashMap<String, Vec<String>>,
}

impl Devtools {
    pub(super) async fn connect(port: u16, path: &str) -> anyhow::Result<Arc<Self>> {
        let at = loopback(port);
        let stream = TcpStream::connect(at).await.context("connect to Chromium's tools")?;
        let (socket, _) = client_async(format!("ws://{at}{path}"), stream).await.context("open Chromium's tools")?;
        let (writing, reading) = socket.split();
        let heard = Arc::new(Mutex::new(Heard::default()));
        tokio::spawn(listen(reading, Arc::clone(&heard)));
        Ok(Arc::new(Self { socket: tokio::sync::Mutex::new(writing), next: AtomicU64::new(1), heard }))
    }

    /// Asks the browser itself.
    pub(super) async fn ask(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        self.put(method, params, None).await
    }

    async fn put(&self, method: &str, params: Value, session: Option<&str>) -> anyhow::Result<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut question = json!({ "id": id, "method": method, "params": params });
        if let (Some(session), Some(question)) = (session, question.as_object_mut()) {
            question.insert("sessionId".to_owned(), session.into());
        }
        let (tell, told) = oneshot::channel();
        self.heard.lock().asked.insert(id, tell);
        self.socket.lock().await.send(Message::text(question.to_string())).await.context("ask Chromium")?;
        let answer = timeout(ANSWER_WITHIN, told)
            .await
            .with_context(|| format!("Chromium does not answer {method}"))?
            .with_context(|| format!("Chromium is gone before it answered {method}"))?;
        if let Some(error) = answer.get("error") {
            bail!("{method}: {error}");
        }
        answer.get("result").cloned().with_context(|| format!("{method}: {answer}"))
    }
}

/// One tab's part of the connection.
#[derive(Debug)]
pub(super) struct Session {
    devtools: Arc<Devtools>,
    id: String,
}

impl Session {
    pub(super) fn new(devtools: Arc<Devtools>, id: &str) -> Self {
        Self { devtools, id: id.to_owned() }
    }

    pub(super) async fn ask(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        self.devtools.put(method, params, Some(&self.id)).await
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn complaints(&self) -> Vec<String> {
        self.devtools.heard.lock().complaints.get(&self.id).cloned().unwrap_or_default()
    }
}

/// Until the browser is gone; whoever still waits for an answer then learns it.
async fn listen(mut reading: SplitStream<Socket>, heard: Arc<Mutex<Heard>>) {
    while let Some(Ok(message)) = reading.next().await {
        let Message::Text(text) = message else { continue };
        let Ok(said) = serde_json::from_str::<Value>(&text) else { continue };
        if let Some(id) = said.get("id").and_then(Value::as_u64) {
            if let Some(tell) = heard.lock().asked.remove(&id) {
                // Nobody waits any more: the answer came too late.
                let _ = tell.send(said);
            }
        } else if let Some((session, complaint)) = complaint(&said) {
            heard.lock().complaints.entry(session).or_default().push(complaint);
        }
    }
    heard.lock().asked.clear();
}

/// Whose page complains of what. A server that does not answer is no fault of a page; an exception is, and so is a
/// breach of its policy.
fn complaint(event: &Value) -> Option<(String, String)> {
    let session = event.get("sessionId")?.as_str()?.to_owned();
    match event.get("method")?.as_str()? {
        "Runtime.exceptionThrown" => Some((session, event.pointer("/params/exceptionDetails")?.to_string())),
        "Log.entryAdded" if event.pointer("/params/entry/source")? == "security" => {
            Some((session, event.pointer("/params/entry/text")?.to_string()))
        }
        _ => None,
    }
}
