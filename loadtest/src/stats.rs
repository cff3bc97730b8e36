//! Histograms, medians, slopes.

use hdrhistogram::Histogram;

use crate::stamp::Nanos;

/// Latencies in nanoseconds, three digits exact, up to a minute.
#[derive(Debug, Clone)]
pub struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, Self::MAX, 3).expect("the bounds are in order"))
    }
}

impl Latency {
    const MAX: u64 = 60_000_000_000;

    /// One more; what is above the maximum counts as the maximum.
    pub fn record(&mut self, latency: Nanos) {
        self.0.saturating_record(latency.clamp(1, Self::MAX));
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Milliseconds that `quantile` (0 … 1) of all stay within.
    pub fn ms(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e6
    }
}

/// The same measurement from several runs.
#[derive(Debug, Clone, Default)]
pub struct Runs(Vec<f64>);

impl Runs {
    /// One more.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The middle one; of an even number, the mean of the middle two. NaN of none.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match sorted.len() {
            0 => f64::NAN,
            len if len % 2 == 1 => sorted[len / 2],
            len => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
        }
    }

    /// The least and the most.
    pub fn spread(&self) -> (f64, f64) {
        let least = self.0.iter().copied().fold(f64::NAN, f64::min);
        let most = self.0.iter().copied().fold(f64::NAN, f64::max);
        (least, most)
    }

    /// `12.3 (11.9–12.8)`; nothing if there is nothing.
    pub fn text(&self, decimals: usize) -> String {
        if self.median().is_nan() {
            return String::new();
        }
        let (least, most) = self.spread();
        format!("{:.decimals$} ({least:.decimals$}–{most:.decimals$})", self.median())
    }
}

/// The slope of the least-squares line through (x, y) points; NaN below two different x.
pub fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (mean_x, mean_y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / n, y + point.1 / n));
    let (covariance, variance) = points.iter().fold((0.0, 0.0), |(covariance, variance), &(x, y)| {
        (covariance + (x - mean_x) * (y - mean_y), variance + (x - mean_x) * (x - mean_x))
    });
    covariance / variance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_does_not_care_for_an_outlier() {
        let mut runs = Runs::default();
        [3.0, 1.0, 100.0].into_iter().for_each(|value| runs.push(value));
        assert_eq!(runs.median(), 3.0);
        assert_eq!(runs.spread(), (1.0, 100.0));
        runs.push(5.0);
        assert_eq!(runs.median(), 4.0);
        assert_eq!(runs.text(1), "4.0 (1.0–100.0)");
        assert!(Runs::default().median().is_nan());
    }

    #[test]
    fn the_slope_ignores_a_constant() {
        assert!((slope(&[(2.0, 104.0), (9.0, 118.0), (18.0, 136.0)]) - 2.0).abs() < 1e-9);
        assert!(slope(&[(2.0, 1.0)]).is_nan());
    }

    #[test]
    fn quantiles_are_in_milliseconds_and_clamped() {
        let mut latency = Latency::default();
        (1..=100).for_each(|ms| latency.record(ms * 1_000_000));
        assert!((latency.ms(0.5) - 50.0).abs() < 0.1);
        latency.record(u64::MAX);
        assert!((latency.ms(1.0) - 60_000.0).abs() < 60.0);
        assert_eq!(latency.count(), 101);
    }
}
