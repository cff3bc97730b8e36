//! When messages are due: a constant arrival rate that waits for nobody.

use crate::stamp::Nanos;

/// Arrivals at a constant rate between two moments. A late caller gets all that is due, each with the time it was
/// intended for: a slow server cannot slow the offer down and hide its stalls.
#[derive(Debug, Clone)]
pub struct OpenLoop {
    start: Nanos,
    end: Nanos,
    interval: f64,
    next: u64,
}

impl OpenLoop {
    /// `per_second` arrivals from `start` until before `end`.
    pub fn new(per_second: f64, start: Nanos, end: Nanos) -> Self {
        Self { start, end, interval: 1e9 / per_second, next: 0 }
    }

    /// The arrival that comes next, due or not; `None` after the last.
    pub fn next(&self) -> Option<Nanos> {
        let at = self.start + (self.next as f64 * self.interval) as Nanos;
        (at < self.end).then_some(at)
    }

    /// Takes the next arrival if it is due at `now`.
    pub fn take_due(&mut self, now: Nanos) -> Option<Nanos> {
        let at = self.next().filter(|&at| at <= now)?;
        self.next += 1;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_caller_gets_every_arrival_with_its_own_time() {
        let mut schedule = OpenLoop::new(1000.0, 5_000_000, 10_000_000);
        assert_eq!(schedule.take_due(4_999_999), None);
        let taken: Vec<Nanos> = std::iter::from_fn(|| schedule.take_due(60_000_000)).collect();
        assert_eq!(taken, [5_000_000, 6_000_000, 7_000_000, 8_000_000, 9_000_000]);
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn an_uneven_rate_does_not_drift() {
        let mut schedule = OpenLoop::new(3.0, 0, 1_000_000_000_000);
        let count = std::iter::from_fn(|| schedule.take_due(1_000_000_000_000)).count();
        assert_eq!(count, 3000);
    }
}
