//! How long to wait before coming back: full jitter, as `ready.reconnect` says. Pure.

use std::time::Duration;

use chat_protocol::frame::Reconnect;

/// Before any gateway said otherwise.
const USUAL: Reconnect = Reconnect { base_ms: 500, max_ms: 30_000, stable_ms: 60_000 };

/// Waits random(0, min(max, base × 2ⁿ)); n starts anew after a connection that was stable.
#[derive(Debug)]
pub(crate) struct Backoff {
    told: Reconnect,
    tries: u32,
}

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self { told: USUAL, tries: 0 }
    }

    /// A gateway says how to come back.
    pub(crate) const fn told(&mut self, reconnect: Reconnect) {
        self.told = reconnect;
    }

    /// A connection ended that had been live for this long.
    pub(crate) fn was_live_for(&mut self, live: Duration) {
        if live >= Duration::from_millis(self.told.stable_ms) {
            self.tries = 0;
        }
    }

    /// The next wait; `chance` is uniform between 0 and 1.
    pub(crate) fn next(&mut self, chance: f64) -> Duration {
        let factor = 1_u64.checked_shl(self.tries).unwrap_or(u64::MAX);
        let cap_ms = self.told.base_ms.saturating_mul(factor).min(self.told.max_ms);
        self.tries = (self.tries + 1).min(63);
        Duration::from_millis(cap_ms).mul_f64(chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_cap_and_starts_anew_once_stable() {
        let mut backoff = Backoff::new();
        backoff.told(Reconnect { base_ms: 100, max_ms: 1_000, stable_ms: 5_000 });
        let waits: Vec<u128> = (0..6).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000]);

        backoff.was_live_for(Duration::from_millis(4_999));
        assert_eq!(backoff.next(1.0).as_millis(), 1_000);
        backoff.was_live_for(Duration::from_millis(5_000));
        assert_eq!(backoff.next(1.0).as_millis(), 100);
    }

    #[test]
    fn chance_spreads_over_the_whole_range_and_many_tries_do_not_overflow() {
        let mut backoff = Backoff::new();
        assert_eq!(backoff.next(0.0), Duration::ZERO);
        let last = (0..200).map(|_| backoff.next(0.5)).last();
        assert_eq!(last, Some(Duration::from_secs(15)));
    }
}
