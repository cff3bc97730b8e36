//! Several starters at once, drift, strangers.

use std::{sync::Arc, time::Duration};

use chat_bus::{Log, Nats, NatsOptions, nats::StartError};
use chat_protocol::time::SystemClock;
use futures_util::future::join_all;

use super::words::{connect, conversation, options, say, server};

async fn refused(options: NatsOptions) -> StartError {
    match Nats::connect(options, Arc::new(SystemClock)).await {
        Ok(_) => panic!("it started"),
        Err(err) => err,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_share_the_streams_of_the_fastest() {
    let server = server().await;
    let options = NatsOptions { shards: 8, ..options(&server.url()) };
    let nodes = join_all((0..6).map(|_| connect(options.clone()))).await;
    let room = conversation(1);
    let mut last = None;
    for (number, node) in nodes.iter().enumerate() {
        let seq = say(&**node, room, &number.to_string()).await.unwrap().seq;
        assert!(last < Some(seq), "one stream numbers them all");
        last = Some(seq);
    }
    for node in &nodes {
        assert_eq!(node.heads(&[room], true).await.unwrap(), [last]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drift_is_refused_by_name_and_nothing_is_changed() {
    let server = server().await;
    let good = options(&server.url());
    let log = connect(good.clone()).await;

    let drifted = NatsOptions { retention: Duration::from_secs(3600), ..good.clone() };
    let text = refused(drifted).await.to_string();
    assert!(text.contains("CHAT_") && text.contains("max_age is 259200s") && text.contains("wants 3600s"), "{text}");
    let other_shards = refused(NatsOptions { shards: 1, ..good.clone() }).await.to_string();
    assert_eq!(other_shards, "stream CHAT_0: the number of shards is 2, and this node wants 1");

    let update = r#"{"name":"CHAT_1","subjects":["chat.log.1.*"],"discard":"old","storage":"file","num_replicas":1,
        "retention":"limits","max_age":259200000000000,"max_bytes":268435456,"duplicate_window":120000000000,
        "allow_direct":true,"deny_delete":true,
        "republish":{"src":"chat.log.1.*","dest":"chat.live.1.{{wildcard(1)}}"},"metadata":{"chat.shards":"2"}}"#;
    let first = server.api("$JS.API.STREAM.INFO.CHAT_1", "").await.unwrap()["config"]["first_seq"].to_string();
    let update = update.replacen('{', &format!("{{\"first_seq\":{first},"), 1);
    server.api("$JS.API.STREAM.UPDATE.CHAT_1", &update).await.unwrap();
    let discards = refused(good).await.to_string();
    assert_eq!(discards, "stream CHAT_1: discard is Old, and this node wants New");

    say(&*log, conversation(1), "who was there before goes on").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_stream_is_made_only_by_who_may() {
    let server = server().await;
    let reader = NatsOptions { create_streams: false, ..options(&server.url()) };
    assert!(matches!(refused(reader.clone()).await, StartError::Missing { stream } if stream.starts_with("CHAT_")));
    let _maker = connect(options(&server.url())).await;
    let reader = connect(reader).await;
    say(&*reader, conversation(1), "hi").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_larger_than_the_servers_have_room_for_is_refused_in_words() {
    let server = server().await;
    let larger = NatsOptions { max_bytes: 1 << 50, ..options(&server.url()) };
    let text = refused(larger).await.to_string();
    assert!(text.contains("no room for stream CHAT_") && text.contains("reserve 1073741824 MiB each"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_it_says_so_in_time() {
    let url = {
        let mut server = server().await;
        server.kill9();
        server.url()
    };
    let options = NatsOptions { start_timeout: Duration::from_secs(1), ..options(&url) };
    assert!(matches!(refused(options).await, StartError::Connect(_)));
}
