//! A token bucket with the time handed in. Pure.

use chat_protocol::Timestamp;

/// Holds up to `burst` tokens and regains `rate` of them every `per_ms`.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    rate: u32,
    per_ms: u32,
    burst: u32,
    /// In parts of a token: `per_ms` parts are one.
    parts: u64,
    at: Timestamp,
}

impl Bucket {
    /// A full bucket.
    pub fn full(rate: u32, per_ms: u32, burst: u32, now: Timestamp) -> Self {
        Self { rate, per_ms, burst, parts: u64::from(burst) * u64::from(per_ms), at: now }
    }

    /// Takes a token, or says in how many milliseconds there is one.
    pub fn take(&mut self, now: Timestamp) -> Result<(), u64> {
        self.take_many(1, now)
    }

    /// Takes so many tokens, or none and says in how many milliseconds they are there. More than a full bucket holds is
    /// asked of a full one.
    pub fn take_many(&mut self, tokens: u32, now: Timestamp) -> Result<(), u64> {
        let passed_ms = u64::try_from(now.as_ms() - self.at.as_ms()).unwrap_or(0);
        self.at = self.at.max(now);
        let token = u64::from(self.per_ms);
        let gained = passed_ms.saturating_mul(self.rate.into());
        self.parts = self.parts.saturating_add(gained).min(u64::from(self.burst) * token);
        let asked = u64::from(tokens.min(self.burst.max(1))) * token;
        if self.parts >= asked {
            self.parts -= asked;
            Ok(())
        } else {
            Err((asked - self.parts).div_ceil(u64::from(self.rate.max(1))))
        }
    }

    /// Whole tokens that are left, as of the last look.
    pub fn left(&self) -> u32 {
        u32::try_from(self.parts / u64::from(self.per_ms.max(1))).unwrap_or(u32::MAX)
    }

    /// Milliseconds until it is full again, as of the last look.
    pub fn full_in_ms(&self) -> u64 {
        let missing = (u64::from(self.burst) * u64::from(self.per_ms)).saturating_sub(self.parts);
        missing.div_ceil(u64::from(self.rate.max(1)))
    }

    /// Whether it is full by now: then forgetting it changes nothing.
    pub fn is_full(&self, now: Timestamp) -> bool {
        let passed_ms = u64::try_from(now.as_ms() - self.at.as_ms()).unwrap_or(0);
        passed_ms >= self.full_in_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_taken_together_or_not_at_all() {
        let at = Timestamp::from_ms;
        let mut bucket = Bucket::full(10, 1_000, 5, at(0));
        assert_eq!([bucket.take_many(3, at(0)), bucket.take_many(3, at(0))], [Ok(()), Err(100)]);
        assert_eq!(bucket.take_many(2, at(0)), Ok(()), "what was refused took nothing");
        assert_eq!(bucket.take_many(99, at(499)), Err(1), "more than it ever holds: when it is full");
        assert_eq!(bucket.take_many(99, at(500)), Ok(()));
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let at = Timestamp::from_ms;
        let mut bucket = Bucket::full(10, 1_000, 3, at(0));
        assert_eq!([bucket.take(at(0)), bucket.take(at(0)), bucket.take(at(0))], [Ok(()); 3]);
        assert_eq!(bucket.take(at(0)), Err(100));
        assert_eq!(bucket.take(at(99)), Err(1));
        assert_eq!(bucket.take(at(100)), Ok(()));
        assert_eq!(bucket.take(at(50)), Err(100), "a clock that steps back gives nothing");
        assert_eq!([bucket.take(at(9_999)), bucket.take(at(9_999)), bucket.take(at(9_999))], [Ok(()); 3]);
        assert_eq!(bucket.take(at(9_999)), Err(100));
    }
}
