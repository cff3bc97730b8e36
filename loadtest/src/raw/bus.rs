//! B4: from a publish in one connection to its republished copy in another; beside it core NATS, which stores nothing.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_nats::jetstream;
use bytes::Bytes;
use clap::Args;
use futures_util::StreamExt as _;
use tokio::time::{sleep_until, timeout};

use super::append::stream;
use crate::{
    process::{self, Cores},
    report::{Cell, Table},
    schedule::OpenLoop,
    stamp::{self, Clock, Nanos},
    stats::Latency,
};

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// The server.
    #[arg(long, default_value = "nats://127.0.0.1:4222")]
    nats: String,
    /// Messages per second.
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
    /// Bytes of a message.
    #[arg(long, default_value_t = 200)]
    bytes: usize,
    /// Copies of the stream.
    #[arg(long, default_value_t = 1)]
    replicas: usize,
    /// Seconds that count.
    #[arg(long, default_value_t = 5)]
    window: u64,
}

/// Prints one way through the log, and one way through the server alone.
pub fn run(options: &Options, cores: Cores) -> anyhow::Result<()> {
    process::pin(cores.generator)?;
    let mut table = Table::new(
        format!("raw bus: one way, {}/s of {} B, R{}", options.rate, options.bytes, options.replicas),
        &["way", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms", "sent", "lost"],
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for (way, stored) in [("append, republished", true), ("core", false)] {
        let (latency, sent) = runtime.block_on(one_way(options, stored))?;
        table.row(vec![
            way.into(),
            latency.ms(0.5).into(),
            latency.ms(0.9).into(),
            latency.ms(0.99).into(),
            latency.ms(0.999).into(),
            latency.ms(1.0).into(),
            Cell::Count(sent),
            Cell::Count(sent.saturating_sub(latency.count())),
        ]);
    }
    table.print();
    Ok(())
}

async fn one_way(options: &Options, stored: bool) -> anyhow::Result<(Latency, u64)> {
    let connect = || async { async_nats::connect(&options.nats).await.context("connect") };
    let (here, there) = (connect().await?, connect().await?);
    let context = jetstream::new(here.clone());
    let name = format!("RAW_BUS_{}", rand::random::<u32>());
    let heard_on = if stored { format!("{name}.live.>") } else { format!("{name}.log.>") };
    if stored {
        context.create_stream(stream(&name, options.replicas)).await.context("create the stream")?;
    }
    let mut copies = there.subscribe(heard_on).await.context("listen")?;
    there.flush().await.context("listen")?;

    let clock = Clock::start();
    let start = Instant::now();
    let window = Duration::from_secs(options.window).as_nanos() as Nanos;
    let mut schedule = OpenLoop::new(options.rate, clock.now(), clock.now() + window);
    let hear = tokio::spawn(async move {
        let mut latency = Latency::default();
        // Silence is the end: the sender is never quiet for this long.
        while let Ok(Some(copy)) = timeout(Duration::from_secs(3), copies.next()).await {
            let stamp = stamp::find_mark(&copy.payload, 0).and_then(|at| stamp::read_stamp(&copy.payload, at));
            latency.record(clock.now().saturating_sub(stamp.unwrap_or_default()));
        }
        latency
    });
    let mut sent = 0;
    while let Some(due) = schedule.next() {
        sleep_until((start + Duration::from_nanos(due)).into()).await;
        while let Some(stamp) = schedule.take_due(clock.now()) {
            let payload = Bytes::from(stamp::text(stamp, options.bytes));
            here.publish(format!("{name}.log.{}", sent % 64), payload).await.context("publish")?;
            sent += 1;
        }
    }
    here.flush().await.context("publish")?;
    let latency = hear.await.context("the listener ended early")?;
    if stored {
        context.delete_stream(&name).await.context("delete the stream")?;
    }
    Ok((latency, sent))
}
