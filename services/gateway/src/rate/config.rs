//! Settings of the limits.

use clap::{Args, ValueEnum};

use super::{address::Cidr, quota::Quota};
use chat_protocol::limits;

/// What becomes of who goes beyond a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Refused.
    Enforce,
    /// Only counted and logged.
    DryRun,
    /// Nothing is counted.
    Off,
}

/// How much each may do on this gateway; `30/10s` = 30 in ten seconds, `50/1s:100` = 50 a second and 100 at once.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct Limits {
    /// Whether who goes beyond a limit is refused (`enforce`) or only counted (`dry-run`).
    #[arg(long = "gateway-limits", value_enum, default_value = "enforce")]
    pub limits: Mode,
    /// Proxies whose `X-Forwarded-For` is believed, as networks (`10.0.0.0/8`, `fd00::/8`).
    #[arg(long = "gateway-trusted-proxies", value_delimiter = ',')]
    pub trusted_proxies: Vec<Cidr>,
    /// Requests of a user.
    #[arg(long = "gateway-limit-requests", default_value = "50/1s:100")]
    pub limit_requests: Quota,
    /// Requests of an address without a token; an IPv6 address stands for its /64.
    #[arg(long = "gateway-limit-anonymous", default_value = "10/1s:20")]
    pub limit_anonymous: Quota,
    /// Log-ins with one name.
    #[arg(long = "gateway-limit-logins-name", default_value = "10/1m")]
    pub limit_logins_name: Quota,
    /// Log-ins from one address.
    #[arg(long = "gateway-limit-logins-address", default_value = "30/1m")]
    pub limit_logins_address: Quota,
    /// Accounts made from one address.
    #[arg(long = "gateway-limit-registrations", default_value = "10/1h")]
    pub limit_registrations: Quota,
    /// Messages of one user to one conversation.
    #[arg(long = "gateway-limit-sends", default_value = "30/10s")]
    pub limit_sends: Quota,
    /// Messages of one user to all conversations.
    #[arg(long = "gateway-limit-sends-user", default_value = "60/10s")]
    pub limit_sends_user: Quota,
    /// Messages to one conversation, direct or group.
    #[arg(long = "gateway-limit-conversation", default_value = "10/1s:100")]
    pub limit_conversation: Quota,
    /// Messages to one broadcast.
    #[arg(long = "gateway-limit-broadcast", default_value = "100/1s:200")]
    pub limit_broadcast: Quota,
    /// WebSockets opened from one address.
    #[arg(long = "gateway-limit-connects", default_value = "20/1s")]
    pub limit_connects: Quota,
    /// WebSockets that begin with `hello`.
    #[arg(long = "gateway-limit-hellos", default_value = "200/1s")]
    pub limit_hellos: Quota,
    /// WebSockets that begin with `resume`.
    #[arg(long = "gateway-limit-resumes", default_value = "2000/1s")]
    pub limit_resumes: Quota,
    /// What one user asks of others' presence, or says of their own.
    #[arg(long = "gateway-limit-presence", default_value = "5/1s:30")]
    pub limit_presence: Quota,
    /// What all users of this gateway ask and say of presence together; a question counts once more per ten users named.
    #[arg(long = "gateway-limit-presence-all", default_value = "1000/1s")]
    pub limit_presence_all: Quota,
    /// WebSockets of one address at once.
    #[arg(long = "gateway-sockets-per-address", default_value_t = limits::SOCKETS_PER_ADDRESS)]
    pub sockets_per_address: usize,
}
