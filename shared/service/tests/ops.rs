//! The operations listener as a probe, a scraper and an operator see it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use chat_service::ops::Ops;
use chat_service::{Health, Shutdown, metrics};

struct Node {
    health: Health,
    shutdown: Shutdown,
    ops: Ops,
}

impl Node {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (health, shutdown) = (Health::new(), Shutdown::new());
        let recorder = metrics::install().unwrap();
        let ops = Ops::start(listener, health.clone(), shutdown.clone(), recorder).unwrap();
        Self { health, shutdown, ops }
    }

    /// Status and body. The listener answers from its own thread, so a blocking client in the test's thread is fine.
    fn asks(&self, method: &str, path: &str) -> (u16, String) {
        ask(self.ops.address(), method, path)
    }
}

fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn tells_when_it_is_ready_and_why_not() {
    let node = Node::start();
    let log = node.health.check("log");
    node.health.fact("durability", "durable");
    assert_eq!(node.asks("GET", "/livez").0, 200);
    assert_eq!(node.asks("GET", "/startupz").0, 503);
    assert_eq!(node.asks("GET", "/readyz").0, 503);

    node.health.started();
    log.ok();
    assert_eq!(node.asks("GET", "/startupz").0, 200);
    let (status, body) = node.asks("GET", "/readyz");
    assert_eq!(status, 200);
    assert!(body.contains(r#""facts":{"durability":"durable"}"#), "{body}");

    log.fail("away for 30 s");
    let (status, body) = node.asks("GET", "/readyz");
    assert_eq!(status, 503);
    assert!(body.contains(r#""reasons":["log: away for 30 s"]"#), "{body}");
}

#[tokio::test]
async fn a_drain_can_be_asked_for() {
    let node = Node::start();
    node.health.started();
    assert_eq!(node.asks("GET", "/drain").0, 405);
    assert!(!node.shutdown.is_draining());

    assert_eq!(node.asks("POST", "/drain").0, 202);
    assert!(node.shutdown.is_draining());
    let (status, body) = node.asks("GET", "/readyz");
    assert_eq!(status, 503);
    assert!(body.contains("draining"), "{body}");
    assert_eq!(node.asks("GET", "/livez").0, 200, "draining is not dying");
}

#[tokio::test]
async fn metrics_are_rendered_with_buckets() {
    let node = Node::start();
    metrics::describe();
    metrics::build_info("1.2.3", "abc");
    ::metrics::histogram!("chat_test_seconds").record(0.02);

    let (status, body) = node.asks("GET", "/metrics");
    assert_eq!(status, 200);
    assert!(body.contains(r#"chat_build_info{version="1.2.3",commit="abc"} 1"#), "{body}");
    assert!(body.contains(r#"chat_test_seconds_bucket{le="0.025"} 1"#), "{body}");
    assert!(body.contains("# HELP chat_build_info"), "{body}");
}

#[tokio::test]
async fn it_is_gone_when_dropped() {
    let node = Node::start();
    let address = node.ops.address();
    drop(node);
    assert!(TcpStream::connect(address).is_err());
}
