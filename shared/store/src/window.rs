//! Which partition holds a position, and how wide the next one is. Pure.
//!
//! A conversation's rows lie in partitions, and each partition is a [`Window`]: an immutable range of the log's
//! positions. The windows of a conversation follow each other without a gap, the first one begins at zero, and
//! each is opened by the first writer that meets a position past the last one. The next window is as wide as the
//! last one's rows suggest, so that it comes to hold some [`limits::WINDOW_ROWS`]: no clock decides, none is empty.

use chat_protocol::{Seq, limits};

/// A range of positions that is one partition: from `first` on, before `end`. Never changes once it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// The first position in it; zero for a conversation's first window.
    pub first: Seq,
    /// The first position after it. Only a window that ends at [`Seq::MAX`] holds its own end: nothing comes after.
    pub end: Seq,
}

impl Window {
    /// Whether `position` lies in it.
    pub fn contains(&self, position: Seq) -> bool {
        self.first <= position && (position < self.end || self.end == Seq::MAX)
    }

    /// How many positions it spans.
    pub const fn span(&self) -> u64 {
        self.end.get().saturating_sub(self.first.get())
    }
}

/// The window of a conversation that holds `position`; `windows` in order, as they were opened. `None`: past the last.
pub fn window_of(windows: &[Window], position: Seq) -> Option<Window> {
    let before = windows.partition_point(|window| window.first <= position);
    let candidate = windows.get(before.checked_sub(1)?)?;
    candidate.contains(position).then_some(*candidate)
}

/// How wide windows are made. The default is what a cluster runs with; tests make them small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizing {
    /// Rows a window aims at. It is also the least span: fewer positions could not hold as many rows.
    pub rows: u64,
    /// The span of a conversation's first window, of which nothing is known yet: what a partition can bear when
    /// the conversation is alone in its shard.
    pub initial_span: u64,
    /// The greatest span: years of a quiet conversation.
    pub max_span: u64,
}

impl Default for Sizing {
    fn default() -> Self {
        Self { rows: limits::WINDOW_ROWS, initial_span: 5 * limits::WINDOW_ROWS, max_span: 1 << 36 }
    }
}

/// A window is at most this many times as wide as the one before it: one quiet night must not open a window that
/// a busy year then fills.
const GROWTH: u64 = 8;

impl Sizing {
    /// The window to open for `position`, which lies past `last` and the `rows` that were counted in it.
    ///
    /// It begins where the last one ends and contains `position`. Writers that race with different positions compute
    /// the same `first`, so one conditional insert decides; the losers take the winner's `end`, and go on from there
    /// should their position lie past it.
    pub fn next_window(&self, last: Option<(Window, u64)>, position: Seq) -> Window {
        let (first, span) = match last {
            None => (Seq::ZERO, self.initial_span.clamp(self.rows, self.max_span)),
            Some((last, rows)) => (last.end, self.next_span(last, rows, position)),
        };
        let end = position.max(first).get().saturating_add(span);
        Window { first, end: Seq::new(end).unwrap_or(Seq::MAX) }
    }

    /// As many positions as hold [`Sizing::rows`], if rows go on coming as densely as they did up to `position`.
    fn next_span(&self, last: Window, rows: u64, position: Seq) -> u64 {
        // The first window begins at zero; what it really watched began with the position that opened it.
        let watched = if last.first == Seq::ZERO { self.initial_span } else { last.span() };
        let quiet_since = position.get().saturating_sub(last.end.get());
        let dense = u128::from(watched.saturating_add(quiet_since)) * u128::from(self.rows) / u128::from(rows.max(1));
        let most = watched.saturating_mul(GROWTH).min(self.max_span);
        u64::try_from(dense).unwrap_or(u64::MAX).min(most).max(self.rows)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where a shard's positions are today: microseconds since the epoch.
    const TODAY: u64 = 1_795_132_800_000_000;

    fn seq(seq: u64) -> Seq {
        Seq::new(seq).unwrap()
    }

    /// Opens windows for positions in the order given, counting rows as a store would.
    fn open(sizing: Sizing, positions: &[u64]) -> Vec<Window> {
        let mut windows: Vec<Window> = Vec::new();
        let mut seen: Vec<u64> = Vec::new();
        for &position in positions {
            if window_of(&windows, seq(position)).is_none() {
                let last = windows.last().map(|last| {
                    let rows = seen.iter().filter(|row| last.contains(seq(**row))).count();
                    (*last, rows as u64)
                });
                windows.push(sizing.next_window(last, seq(position)));
            }
            seen.push(position);
        }
        windows
    }

    /// The rows of the `nth` window of a conversation that gets a row every `every` positions.
    fn steady(sizing: Sizing, every: u64, nth: usize) -> u64 {
        let (mut last, mut next_row) = (None, TODAY);
        for _ in 0..=nth {
            let window = sizing.next_window(last, seq(next_row));
            let rows = (window.end.get() - next_row).div_ceil(every);
            next_row += rows * every;
            last = Some((window, rows));
        }
        last.unwrap().1
    }

    proptest! {
        #[test]
        fn windows_follow_each_other_and_hold_every_position(
            steps in prop::collection::vec(prop_oneof![1..10_u64, 1..100_000_u64, 1..(1_u64 << 40)], 1..60),
            rows in 1..50_u64,
        ) {
            let sizing = Sizing { rows, initial_span: rows * 5, max_span: 1 << 30 };
            let positions: Vec<u64> = steps.iter().scan(TODAY, |at, step| { *at += step; Some(*at) }).collect();
            let windows = open(sizing, &positions);
            let begins: Vec<Seq> = std::iter::once(Seq::ZERO).chain(windows.iter().map(|window| window.end)).collect();
            prop_assert!(windows.iter().zip(&begins).all(|(window, begin)| window.first == *begin), "{windows:?}");
            for position in &positions {
                let holders = windows.iter().filter(|window| window.contains(seq(*position))).count();
                prop_assert_eq!(holders, 1);
                prop_assert!(window_of(&windows, seq(*position)).unwrap().contains(seq(*position)));
            }
            // None is empty.
            prop_assert!(windows.iter().all(|window| positions.iter().any(|row| window.contains(seq(*row)))));
        }

        #[test]
        fn a_span_is_bounded_on_both_sides(
            first in 0..TODAY, span in 1..=1_u64 << 36, rows in 0..10_000_000_u64, ahead in 0..1_u64 << 48,
        ) {
            let sizing = Sizing::default();
            let last = Window { first: seq(first), end: seq(first + span) };
            let position = seq(first + span + ahead);
            let next = sizing.next_window(Some((last, rows)), position);
            let chosen = next.end.get() - position.get();
            prop_assert!((sizing.rows..=sizing.max_span).contains(&chosen), "{chosen}");
            prop_assert!(chosen <= (span * GROWTH).max(sizing.initial_span * GROWTH));
        }

        #[test]
        fn racing_writers_agree_where_the_next_window_begins(
            rows in 0..100_000_u64, a in 0..1_u64 << 40, b in 0..1_u64 << 40,
        ) {
            let sizing = Sizing::default();
            let first = sizing.next_window(None, seq(TODAY));
            for last in [None, Some((first, rows))] {
                let from = last.map_or(TODAY, |(last, _)| last.end.get());
                let one = sizing.next_window(last, seq(from + a));
                let other = sizing.next_window(last, seq(from + b));
                prop_assert_eq!(one.first, other.first);
                // The loser finds its position in the winner's window, or past it: never before it.
                prop_assert!(one.contains(seq(from + b)) || seq(from + b) >= one.end);
            }
        }

        #[test]
        fn steady_conversations_come_to_fill_their_windows(
            per_s_log10 in -3.0..3.0_f64, shard_share_log10 in 0.0..6.3_f64,
        ) {
            // A shard that advances at least as fast as the conversation, and no faster than 2,000/s for a quiet one.
            let per_s = 10_f64.powf(per_s_log10);
            let every = (10_f64.powf(shard_share_log10)).clamp(1.0, (2_000.0 / per_s).max(1.0));
            let rows = steady(Sizing::default(), every as u64, 9);
            prop_assert!((19_000..=21_000).contains(&rows), "{rows} rows at one of {every} positions");
        }
    }

    #[test]
    fn every_rate_from_a_message_in_a_quarter_of_an_hour_to_a_thousand_a_second_settles() {
        for per_s in [0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1_000.0] {
            let every = (1_000.0 / per_s) as u64;
            let rows = steady(Sizing::default(), every, 9);
            assert!((19_000..=21_000).contains(&rows), "{rows} rows at {per_s}/s in a shard of 1,000/s");
        }
    }

    #[test]
    fn a_conversation_that_becomes_busy_gets_narrow_windows_at_once() {
        let sizing = Sizing::default();
        let last = Window { first: seq(TODAY), end: seq(TODAY + 1_000_000) };
        let next = sizing.next_window(Some((last, 500_000)), last.end);
        assert_eq!(next.span(), 40_000);
    }

    #[test]
    fn positions_outside_any_window_have_none() {
        assert_eq!(window_of(&[], seq(7)), None);
        let first = Window { first: Seq::ZERO, end: seq(10) };
        assert_eq!(window_of(&[first], seq(9)), Some(first));
        assert_eq!(window_of(&[first], seq(10)), None);
    }

    #[test]
    fn the_very_last_position_has_a_window() {
        let last = Sizing::default().next_window(None, Seq::MAX);
        assert!(last.contains(Seq::MAX));
    }
}
