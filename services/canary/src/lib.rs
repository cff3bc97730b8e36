//! The canary: a user who says something every few seconds, and looks whether it arrives. It sees the cluster as users
//! do, from outside, so it notices what no part of it knows about itself.
//!
//! In reading order:

#![warn(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod song; // one log-in's life: rounds, one after the other

mod metrics; // names

use std::time::Duration;

use chat_service::{Health, Secret, Shutdown, config::units};
use clap::Args;
use tokio::time::{MissedTickBehavior, interval};

use crate::{metrics::Step, song::Song};

pub use metrics::describe as describe_metrics;

/// A song begins with a fresh log-in, so that this is tried too; sooner than an access token ends.
const SONG: Duration = Duration::from_secs(10 * 60);

/// Settings of the canary.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "canary")]
#[group(skip)]
pub struct Config {
    /// Where it comes in, as users do: `http://host:port` of a gateway, or of what stands before them.
    #[arg(long = "canary-server", default_value = "http://127.0.0.1:8080")]
    pub server: String,
    /// Its account, made at the first start.
    #[arg(long = "canary-name", default_value = "canary")]
    pub name: String,
    /// Its password; better given by the environment or a file.
    #[arg(long = "canary-password")]
    pub password: Option<Secret<String>>,
    /// Between two messages.
    #[arg(long = "canary-interval", default_value = "10s", value_parser = units::duration)]
    pub interval: Duration,
    /// What each step of one message's way may take before it counts as failed.
    #[arg(long = "canary-patience", default_value = "5s", value_parser = units::duration)]
    pub patience: Duration,
}

/// Sings until the drain begins.
///
/// # Errors
/// Without a password.
pub async fn run(config: Config, health: Health, shutdown: Shutdown) -> anyhow::Result<()> {
    let Some(password) = config.password.clone() else {
        anyhow::bail!("the canary logs in like anybody: give --canary-password, or CHAT_CANARY_PASSWORD");
    };
    let check = health.check("canary");
    let mut tick = interval(config.interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut song: Option<Song> = None;
    loop {
        tokio::select! {
            () = shutdown.draining() => break,
            _ = tick.tick() => {}
        }
        let singing = match song.take() {
            Some(song) if song.age() < SONG => Ok(song),
            old => {
                if let Some(old) = old {
                    old.end().await;
                }
                Song::begin(&config, &password).await
            }
        };
        let sung = match singing {
            Ok(mut singing) => {
                let sung = singing.round(config.patience).await;
                if sung.is_err() {
                    singing.end().await;
                } else {
                    song = Some(singing);
                }
                sung
            }
            Err(err) => Err((Step::Connect, err)),
        };
        match sung {
            Ok(()) => check.ok(),
            Err((step, err)) => {
                metrics::failed(step);
                check.fail(format!("{}: {err:#}", step.name()));
            }
        }
    }
    if let Some(song) = song {
        song.end().await;
    }
    Ok(())
}
