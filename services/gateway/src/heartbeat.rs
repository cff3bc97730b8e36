//! When to ping a socket and when to give it up. Pure.

use chat_protocol::Timestamp;

/// The beat of one socket.
#[derive(Debug, Clone, Copy)]
pub struct Heartbeat {
    interval_ms: i64,
    pong_ms: i64,
    next: Next,
}

#[derive(Debug, Clone, Copy)]
enum Next {
    Ping { at: Timestamp },
    Pong { by: Timestamp, came: bool },
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// Wait.
    Nothing,
    /// Send a ping.
    Ping,
    /// The pong did not come.
    Lost,
}

impl Heartbeat {
    /// Pings every `interval_ms`, the first time after a part of it that `chance` chooses, so that sockets which were
    /// opened together do not beat together.
    pub const fn new(now: Timestamp, interval_ms: i64, pong_ms: i64, chance: u32) -> Self {
        // ± 20 %, fixed for the socket's life.
        let interval_ms = interval_ms * (80 + (chance % 41) as i64) / 100;
        let first = interval_ms * ((chance >> 16) % 1_000) as i64 / 1_000;
        Self { interval_ms, pong_ms, next: Next::Ping { at: now.plus_ms(first) } }
    }

    /// The other side answered.
    pub const fn on_pong(&mut self) {
        if let Next::Pong { came, .. } = &mut self.next {
            *came = true;
        }
    }

    /// Time has passed.
    pub fn on_tick(&mut self, now: Timestamp) -> Beat {
        match self.next {
            Next::Ping { at } if now >= at => {
                self.next = Next::Pong { by: now.plus_ms(self.pong_ms), came: false };
                Beat::Ping
            }
            Next::Pong { by, came: true } if now >= by => {
                let rest = (self.interval_ms - self.pong_ms).max(0);
                self.next = Next::Ping { at: by.plus_ms(rest) };
                Beat::Nothing
            }
            Next::Pong { by, came: false } if now >= by => Beat::Lost,
            Next::Ping { .. } | Next::Pong { .. } => Beat::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    #[test]
    fn a_socket_that_answers_is_pinged_every_interval() {
        let mut beat = Heartbeat::new(at(0), 25_000, 10_000, 20);
        let mut pings = Vec::new();
        for ms in (0..100_000).step_by(1_000) {
            if beat.on_tick(at(ms)) == Beat::Ping {
                pings.push(ms);
                beat.on_pong();
            }
        }
        assert_eq!(pings, [0, 25_000, 50_000, 75_000]);
    }

    #[test]
    fn a_socket_that_does_not_is_lost_after_the_pong_time() {
        let mut beat = Heartbeat::new(at(0), 25_000, 10_000, 20);
        assert_eq!(beat.on_tick(at(0)), Beat::Ping);
        assert_eq!(beat.on_tick(at(9_999)), Beat::Nothing);
        assert_eq!(beat.on_tick(at(10_000)), Beat::Lost);
    }
}
