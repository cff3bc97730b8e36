//! B5: acknowledged publishes per second of a JetStream stream set up as the log is.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use async_nats::jetstream::{
    self,
    message::PublishMessage,
    stream::{Config, DiscardPolicy, Republish, StorageType},
};
use bytes::Bytes;
use clap::Args;
use futures_util::{StreamExt as _, stream::FuturesUnordered};

use crate::{
    process::{self, Cores, Watched, cpu_of},
    report::{Cell, Table},
    stamp::{Clock, Nanos},
    stats::Latency,
};

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// The server.
    #[arg(long, default_value = "nats://127.0.0.1:4222")]
    nats: String,
    /// Messages in flight.
    #[arg(long, value_delimiter = ',', default_values = ["1", "16", "256", "1000"])]
    windows: Vec<usize>,
    /// Bytes of a message.
    #[arg(long, default_value_t = 200)]
    bytes: usize,
    /// Copies of the stream.
    #[arg(long, default_value_t = 1)]
    replicas: usize,
    /// Seconds that count, for each window.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// A process whose CPU time is counted: `log=123`.
    #[arg(long)]
    server_pid: Vec<Watched>,
}

/// Prints a row per window.
pub fn run(options: &Options, cores: Cores) -> anyhow::Result<()> {
    process::pin(cores.generator)?;
    let mut table = Table::new(
        format!("raw append: {} B, R{}, republished, with message ids", options.bytes, options.replicas),
        &["in flight", "acks/s", "p50 ms", "p99 ms", "p99.9 ms", "server cpu_us/ack"],
    );
    for &window in &options.windows {
        let measured = measure(&options.nats, window, options)?;
        table.row(vec![
            (window as u64).into(),
            Cell::Figure(measured.per_second, 0),
            measured.ack.ms(0.5).into(),
            measured.ack.ms(0.99).into(),
            measured.ack.ms(0.999).into(),
            measured.cpu_us.into(),
        ]);
    }
    table.print();
    Ok(())
}

/// One window's result.
#[derive(Debug)]
pub struct Appends {
    /// Acknowledged publishes per second.
    pub per_second: f64,
    /// Publish → acknowledgement.
    pub ack: Latency,
    /// CPU-µs of the watched processes per acknowledgement; NaN if none is watched.
    pub cpu_us: f64,
}

/// The baseline at another's parameters: 200 bytes, one copy.
pub fn baseline(nats: &str, window: usize, seconds: u64, watched: &[Watched]) -> anyhow::Result<Appends> {
    let options = Options {
        nats: nats.to_owned(),
        windows: vec![window],
        bytes: 200,
        replicas: 1,
        seconds,
        server_pid: watched.to_vec(),
    };
    measure(nats, window, &options)
}

fn measure(nats: &str, window: usize, options: &Options) -> anyhow::Result<Appends> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let client = async_nats::connect(nats).await.with_context(|| format!("connect to {nats}"))?;
        let context = jetstream::new(client.clone());
        let name = format!("RAW_APPEND_{}", rand::random::<u32>());
        context.create_stream(stream(&name, options.replicas)).await.context("create the stream")?;
        // Somebody listens, as a gateway would: republishing to nobody is cheaper.
        let listener = client.subscribe(format!("{name}.live.>")).await.context("listen")?;
        let heard = tokio::spawn(listener.count());
        let measured = publish(&context, &name, window, options).await;
        context.delete_stream(&name).await.context("delete the stream")?;
        client.drain().await.context("leave")?;
        heard.await.context("the listener ended early")?;
        measured
    })
}

/// A stream as the log has them: on disk, deduplicated, republished.
pub(super) fn stream(name: &str, replicas: usize) -> Config {
    Config {
        name: name.to_owned(),
        subjects: vec![format!("{name}.log.>")],
        storage: StorageType::File,
        num_replicas: replicas,
        discard: DiscardPolicy::New,
        duplicate_window: Duration::from_secs(120),
        allow_direct: true,
        republish: Some(Republish {
            source: format!("{name}.log.>"),
            destination: format!("{name}.live.>"),
            headers_only: false,
        }),
        metadata: HashMap::new(),
        ..Config::default()
    }
}

async fn publish(
    context: &jetstream::Context,
    name: &str,
    window: usize,
    options: &Options,
) -> anyhow::Result<Appends> {
    let clock = Clock::start();
    let payload = Bytes::from(vec![b'x'; options.bytes]);
    let subjects: Arc<[String]> = (0..64).map(|room| format!("{name}.log.{room}")).collect();
    let one = |number: usize| {
        let (payload, subjects) = (payload.clone(), subjects.clone());
        async move {
            let sent: Nanos = clock.now();
            let message = PublishMessage::build().payload(payload).message_id(format!("{number:016x}"));
            let subject = subjects[number % subjects.len()].clone();
            context.send_publish(subject, message).await?.await?;
            anyhow::Ok(clock.now() - sent)
        }
    };
    let mut in_flight = FuturesUnordered::new();
    (0..window).for_each(|number| in_flight.push(one(number)));
    let mut number = window;

    let warm = Instant::now() + Duration::from_secs(1);
    while Instant::now() < warm {
        in_flight.next().await.context("nothing in flight")??;
        in_flight.push(one(number));
        number += 1;
    }
    let before = cpu_of(&options.server_pid)?;
    let start = Instant::now();
    let end = start + Duration::from_secs(options.seconds);
    let mut ack = Latency::default();
    while Instant::now() < end {
        ack.record(in_flight.next().await.context("nothing in flight")??);
        in_flight.push(one(number));
        number += 1;
    }
    let elapsed = start.elapsed().as_secs_f64();
    let cpu = cpu_of(&options.server_pid)?.iter().sum::<Duration>().saturating_sub(before.iter().sum());
    while let Some(last) = in_flight.next().await {
        last?;
    }
    let acked = ack.count() as f64;
    let cpu_us = if options.server_pid.is_empty() { f64::NAN } else { cpu.as_secs_f64() * 1e6 / acked };
    Ok(Appends { per_second: acked / elapsed, ack, cpu_us })
}
