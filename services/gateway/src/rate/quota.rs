//! How much of something there may be: `30/10s`, `50/1s:100`.

use std::{fmt, str::FromStr, time::Duration};

use chat_protocol::Timestamp;
use chat_service::config::units;

use crate::bucket::Bucket;

/// So many in so long, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    rate: u32,
    per_ms: u32,
    burst: u32,
}

impl Quota {
    /// A full bucket of it.
    pub fn bucket(&self, now: Timestamp) -> Bucket {
        Bucket::full(self.rate, self.per_ms, self.burst, now)
    }

    /// What a client that waits long enough may do at once: the `q` of `RateLimit-Policy`.
    pub const fn burst(&self) -> u32 {
        self.burst
    }

    /// How long an empty bucket takes to fill: the `w` of `RateLimit-Policy`.
    pub fn window(&self) -> Duration {
        let millis = u64::from(self.burst) * u64::from(self.per_ms);
        Duration::from_millis(millis.div_ceil(u64::from(self.rate.max(1))))
    }
}

impl FromStr for Quota {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || "a quota is a number, a time and perhaps a burst: 30/10s, 50/1s:100".to_owned();
        let (rate, rest) = text.split_once('/').ok_or_else(wanted)?;
        let (window, burst) = rest.split_once(':').unwrap_or((rest, rate));
        let number = |text: &str| text.parse().ok().filter(|number| (1..=1_000_000_000).contains(number));
        let per_ms = u32::try_from(units::duration(window)?.as_millis()).ok().filter(|millis| *millis > 0);
        match (number(rate), per_ms, number(burst)) {
            (Some(rate), Some(per_ms), Some(burst)) => Ok(Self { rate, per_ms, burst }),
            _ => Err(wanted()),
        }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.rate)?;
        match self.per_ms {
            ms if ms.is_multiple_of(3_600_000) => write!(f, "{}h", ms / 3_600_000)?,
            ms if ms.is_multiple_of(60_000) => write!(f, "{}m", ms / 60_000)?,
            ms if ms.is_multiple_of(1_000) => write!(f, "{}s", ms / 1_000)?,
            ms => write!(f, "{ms}ms")?,
        }
        if self.burst == self.rate { Ok(()) } else { write!(f, ":{}", self.burst) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_read_as_they_are_written() {
        for text in ["30/10s", "50/1s:100", "10/1m", "10/1h", "1/250ms:3"] {
            assert_eq!(text.parse::<Quota>().unwrap().to_string(), text);
        }
        for text in ["", "30", "30/", "30/10", "0/1s", "30/0s", "-1/1s", "30/10s:", "30/10s:0", "x/1s", "1/100d"] {
            assert!(text.parse::<Quota>().is_err(), "{text}");
        }
        let window = |text: &str| text.parse::<Quota>().unwrap().window().as_secs();
        assert_eq!([window("30/10s"), window("50/1s:100"), window("10/1h")], [10, 2, 3_600]);
    }
}
