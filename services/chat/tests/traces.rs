//! One send is one trace over gateways and persister, as a collector of OpenTelemetry gets it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use chat_testkit::play::{Cluster, Plan, Play};
use chat_testkit::process::Chat;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

const BINARY: &str = env!("CARGO_BIN_EXE_chat");
/// Spans wait some seconds for others.
const SOON: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
struct Seen {
    service: String,
    name: String,
    trace: Vec<u8>,
    span: Vec<u8>,
    parent: Vec<u8>,
    took_ns: u64,
    message: Option<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn one_send_is_one_trace_from_gateway_to_persister() -> anyhow::Result<()> {
    let collector = Collector::start().await?;
    let plan = Plan { gateways: 2, persisters: 1, log: collector.flags().leak(), ..Plan::default() };
    let cluster = Cluster::start(BINARY, plan).await?;
    let roles = Roles { gateway: "chat-gateway", persister: "chat-persister", gateways: 2 };
    are_traced(&collector, &cluster.play(), roles).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_send_is_one_trace_in_one_process() -> anyhow::Result<()> {
    let collector = Collector::start().await?;
    let chat = Chat::start(BINARY, &collector.flags()).await?;
    let roles = Roles { gateway: "chat", persister: "chat", gateways: 1 };
    are_traced(&collector, &Play::at([chat.public()]), roles).await
}

/// As what they appear, and how many gateways deliver.
#[derive(Clone, Copy)]
struct Roles {
    gateway: &'static str,
    persister: &'static str,
    gateways: usize,
}

async fn are_traced(collector: &Collector, play: &Play, roles: Roles) -> anyhow::Result<()> {
    let Roles { gateway, persister, gateways } = roles;
    let (alice, bob) = (play.user_at("alice", 0).await?, play.user_at("bob", gateways - 1).await?);
    let room = play.room(&[&alice, &bob]).await?;
    let (first, second) = (alice.says(&room, "one").await?, alice.says(&room, "two").await?);
    bob.hears("two").await?;

    let mut traces = Vec::new();
    for ack in [first, second] {
        let id = ack.id.to_string();
        let root = collector.span(|seen| seen.message.as_ref() == Some(&id)).await.context("the send")?;
        ensure!(root.name == "send" && root.parent.is_empty() && root.service == gateway, "{root:?}");
        let part = |name: &'static str, service: &'static str| {
            let trace = root.trace.clone();
            let (same, collector) =
                (move |seen: &Seen| seen.trace == trace && seen.name == name && seen.service == service, collector);
            async move { collector.span(same).await.context(name) }
        };
        let append = part("append", gateway).await?;
        assert_eq!(append.parent, root.span);
        assert!(append.took_ns > 0 && append.took_ns <= root.took_ns, "{append:?} {root:?}");
        assert_eq!(part("deliver", gateway).await?.parent, append.span);
        assert_eq!(part("persist", persister).await?.parent, append.span);
        traces.push(root.trace);
    }
    assert_ne!(traces[0], traces[1]);

    // Each gateway has a socket of the room, and nothing else belongs to a send.
    let complete = |spans: &[Seen]| spans.iter().filter(|seen| seen.trace == traces[1]).count() >= 3 + gateways;
    collector.until(complete).await?;
    let mut names: Vec<String> =
        collector.spans.borrow().iter().filter(|seen| seen.trace == traces[1]).map(|seen| seen.name.clone()).collect();
    names.sort_unstable();
    assert_eq!(names, [&["append"][..], &vec!["deliver"; gateways], &["persist", "send"]].concat());
    Ok(())
}

/// Somebody who collects.
struct Collector {
    address: SocketAddr,
    spans: watch::Receiver<Vec<Seen>>,
}

impl Collector {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (keeps, spans) = watch::channel(Vec::new());
        let keeps = Arc::new(keeps);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let keeps = Arc::clone(&keeps);
                tokio::spawn(async move {
                    if let Err(err) = collect(socket, &keeps).await {
                        println!("the collector: {err:#}");
                    }
                });
            }
        });
        Ok(Self { address, spans })
    }

    /// For processes that send all their traces here.
    fn flags(&self) -> Vec<&'static str> {
        let url = format!("http://{}/v1/traces", self.address);
        vec!["--traces-share", "1", "--traces-url", url.leak()]
    }

    async fn until(&self, so: impl Fn(&[Seen]) -> bool) -> anyhow::Result<()> {
        let mut spans = self.spans.clone();
        let seen = timeout(SOON, spans.wait_for(|spans| so(spans))).await;
        ensure!(matches!(seen, Ok(Ok(_))), "it did not come; what came: {:#?}", *self.spans.borrow());
        Ok(())
    }

    async fn span(&self, like: impl Fn(&Seen) -> bool) -> anyhow::Result<Seen> {
        self.until(|spans| spans.iter().any(&like)).await?;
        self.spans.borrow().iter().find(|seen| like(seen)).cloned().context("it was there")
    }
}

/// Takes what one process exports, as long as it does.
async fn collect(mut socket: TcpStream, keeps: &watch::Sender<Vec<Seen>>) -> anyhow::Result<()> {
    let mut received = Vec::new();
    loop {
        let head_end = loop {
            if let Some(at) = received.windows(4).position(|end| end == b"\r\n\r\n") {
                break at + 4;
            }
            if socket.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&received[..head_end]).to_ascii_lowercase();
        ensure!(head.starts_with("post /v1/traces ") && head.contains("application/x-protobuf"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).context("no length")?;
        let end = head_end + length.trim().parse::<usize>()?;
        while received.len() < end {
            ensure!(socket.read_buf(&mut received).await? > 0, "cut");
        }
        let spans = read(&received[head_end..end])?;
        keeps.send_modify(|seen| seen.extend(spans));
        received.drain(..end);
        socket
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
            .await?;
    }
}

fn read(body: &[u8]) -> anyhow::Result<Vec<Seen>> {
    let mut seen = Vec::new();
    for resource in ExportTraceServiceRequest::decode(body)?.resource_spans {
        let about = resource.resource.context("no resource")?.attributes;
        let service = word(&about, "service.name").context("a service has a name")?;
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            seen.push(Seen {
                service: service.clone(),
                took_ns: span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano),
                message: word(&span.attributes, "chat.message"),
                name: span.name,
                trace: span.trace_id,
                span: span.span_id,
                parent: span.parent_span_id,
            });
        }
    }
    Ok(seen)
}

fn word(among: &[KeyValue], key: &str) -> Option<String> {
    let value = among.iter().find(|pair| pair.key == key)?.value.as_ref()?.value.as_ref()?;
    match value {
        Value::StringValue(word) => Some(word.clone()),
        _ => None,
    }
}
