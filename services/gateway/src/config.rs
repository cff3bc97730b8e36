//! The gateway's settings. Bounds that no operator needs to move are in `chat_protocol::limits`.

use std::time::Duration;

use chat_protocol::{frame::Reconnect, limits};
use chat_service::config::units;
use clap::Args;

use crate::{hub, rate::Limits, socket};

/// Endpoints are removed within seconds of a failed probe.
const DRAIN_DELAY: Duration = Duration::from_secs(5);
/// With the delay and what is still under way after it: within the usual grace period of 90 s.
const DRAIN_WINDOW: Duration = Duration::from_secs(60);
const DRAIN_WINDOW_ON_A_DESK: Duration = Duration::from_secs(5);

/// Settings of the gateway.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "gateway")]
#[group(skip)]
pub struct Config {
    /// Origins whose pages may ask and connect, exact (`https://chat.example.com`); the console's own is always allowed.
    #[arg(long = "gateway-allowed-origins", value_delimiter = ',')]
    pub allowed_origins: Vec<String>,
    /// Connections this gateway holds at once; 0 = 0.9 × the limit of open files.
    #[arg(long = "gateway-connections-max", default_value_t = 0)]
    pub connections_max: usize,
    /// Sockets of one user on this gateway; beyond it the oldest gives way.
    #[arg(long = "gateway-sockets-per-user", default_value_t = limits::SOCKETS_PER_USER)]
    pub sockets_per_user: usize,
    /// Bytes that may wait for a slow socket before it is closed to resume.
    #[arg(long = "gateway-outbox-bytes", default_value_t = limits::OUTBOX_BYTES)]
    pub outbox_bytes: usize,
    /// Frames per second that one socket may send.
    #[arg(long = "gateway-frames-per-s", default_value_t = limits::FRAMES_PER_S)]
    pub frames_per_s: u32,
    /// Frames that one socket may send at once.
    #[arg(long = "gateway-frames-burst", default_value_t = limits::FRAMES_BURST)]
    pub frames_burst: u32,
    /// Between two pings.
    #[arg(long = "gateway-ping-interval", default_value = "25s", value_parser = units::duration)]
    pub ping_interval: Duration,
    /// How long a conversation without a viewer stays subscribed to.
    #[arg(long = "gateway-linger", default_value = "30s", value_parser = units::duration)]
    pub linger: Duration,
    /// Between two comparisons of heads with the log, for conversations active in the last minute.
    #[arg(long = "gateway-audit-active", default_value = "10s", value_parser = units::duration)]
    pub audit_active: Duration,
    /// Between two comparisons of heads with the log, for the rest.
    #[arg(long = "gateway-audit-quiet", default_value = "60s", value_parser = units::duration)]
    pub audit_quiet: Duration,
    /// How long a gateway that stops serves on as if nothing were, so that whoever routes connections hears that it is
    /// not ready [default: 5s, embedded: 0s]
    #[arg(long = "gateway-drain-delay", value_parser = units::duration)]
    pub drain_delay: Option<Duration>,
    /// How long sockets have to leave after that [default: 60s, embedded: 5s]
    #[arg(long = "gateway-drain-window", value_parser = units::duration)]
    pub drain_window: Option<Duration>,
    /// Upper bound of a client's first wait before it comes back, in milliseconds.
    #[arg(long = "gateway-reconnect-base-ms", default_value_t = 500)]
    pub reconnect_base_ms: u64,
    /// Upper bound of any wait before a client comes back, in milliseconds.
    #[arg(long = "gateway-reconnect-max-ms", default_value_t = 30_000)]
    pub reconnect_max_ms: u64,
    #[command(flatten)]
    pub limits: Limits,
    /// Tests only: off = gaps are delivered as if there were none.
    #[arg(long = "gateway-gap-repair", default_value_t = true, action = clap::ArgAction::Set, hide = true)]
    pub gap_repair: bool,
    /// Tests only: off = late retries are not looked up.
    #[arg(long = "gateway-late-lookup", default_value_t = true, action = clap::ArgAction::Set, hide = true)]
    pub late_lookup: bool,
}

impl Config {
    /// How long all is served on while a gateway is not ready any more.
    pub fn drain_delay(&self) -> Duration {
        self.drain_delay.unwrap_or(DRAIN_DELAY)
    }

    /// How long sockets have to leave after that.
    pub fn drain_window(&self) -> Duration {
        self.drain_window.unwrap_or(DRAIN_WINDOW)
    }

    /// One process on a desk: nobody routes to it, and whoever stops it waits.
    pub fn on_a_desk(&mut self) {
        self.drain_delay.get_or_insert(Duration::ZERO);
        self.drain_window.get_or_insert(DRAIN_WINDOW_ON_A_DESK);
    }

    pub(crate) fn hub(&self) -> hub::Options {
        hub::Options {
            linger: self.linger,
            audit_active: self.audit_active,
            audit_quiet: self.audit_quiet,
            sockets_per_user: self.sockets_per_user,
            gap_repair: self.gap_repair,
        }
    }

    pub(crate) fn ping_interval_ms(&self) -> i64 {
        i64::try_from(self.ping_interval.as_millis()).unwrap_or(i64::MAX)
    }

    pub(crate) fn reconnect(&self) -> Reconnect {
        socket::reconnect(self.reconnect_base_ms, self.reconnect_max_ms)
    }
}
