//! Waiting between tries: exponential, with full jitter, so that many who fail together do not return together.

use std::time::Duration;

use rand::Rng;

/// Gives the delay before each next try: uniform in `0 ..= min(cap, base × 2ⁿ)`.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    tries: u32,
}

impl Backoff {
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, tries: 0 }
    }

    /// How long to wait now; the next answer may be twice as long.
    pub fn next_delay(&mut self, rng: &mut impl Rng) -> Duration {
        let ceiling = self.ceiling();
        self.tries = self.tries.saturating_add(1);
        ceiling.mul_f64(rng.random_range(0.0..=1.0))
    }

    /// After a success: the next delay is short again.
    pub const fn reset(&mut self) {
        self.tries = 0;
    }

    fn ceiling(&self) -> Duration {
        let factor = 2_u32.saturating_pow(self.tries);
        self.base.saturating_mul(factor).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;

    const BASE: Duration = Duration::from_millis(100);
    const CAP: Duration = Duration::from_secs(5);

    #[test]
    fn stays_below_the_doubling_ceiling_and_the_cap() {
        let mut rng = SmallRng::seed_from_u64(7);
        let mut backoff = Backoff::new(BASE, CAP);
        for tries in 0..200_u32 {
            let ceiling = BASE.saturating_mul(2_u32.saturating_pow(tries)).min(CAP);
            assert!(backoff.next_delay(&mut rng) <= ceiling, "try {tries}");
        }
    }

    #[test]
    fn spreads_over_the_whole_range() {
        let mut rng = SmallRng::seed_from_u64(7);
        let mut backoff = Backoff::new(CAP, CAP);
        let delays: Vec<_> = (0..200).map(|_| backoff.next_delay(&mut rng)).collect();
        assert!(delays.iter().any(|delay| *delay < CAP / 10));
        assert!(delays.iter().any(|delay| *delay > CAP * 9 / 10));
    }

    #[test]
    fn starts_over_after_a_success() {
        let mut rng = SmallRng::seed_from_u64(7);
        let mut backoff = Backoff::new(BASE, CAP);
        for _ in 0..20 {
            backoff.next_delay(&mut rng);
        }
        backoff.reset();
        assert!(backoff.next_delay(&mut rng) <= BASE);
    }
}
