//! The server's time: client ids are minted by it, so that a wrong clock of the device harms nobody.

use std::sync::atomic::{AtomicI64, Ordering};

use chat_protocol::{ClientId, Clock, Timestamp, time::SystemClock};

/// The machine's clock and how far the server's is ahead of it.
#[derive(Debug, Default)]
pub(crate) struct ServerClock {
    ahead_ms: AtomicI64,
}

impl ServerClock {
    /// The server says what time it is.
    pub(crate) fn correct(&self, server: Timestamp) {
        self.ahead_ms.store(server.as_ms() - SystemClock.now().as_ms(), Ordering::Relaxed);
    }

    /// The server's time, as far as it is known.
    pub(crate) fn now(&self) -> Timestamp {
        SystemClock.now().plus_ms(self.ahead_ms.load(Ordering::Relaxed))
    }

    /// A fresh id for what the user sends now.
    pub(crate) fn mint(&self) -> ClientId {
        ClientId::ulid(self.now().as_ms().unsigned_abs(), rand::random())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_the_servers_time_however_wrong_the_own_clock_is() {
        let clock = ServerClock::default();
        let server = SystemClock.now().plus_ms(-3_600_000);
        clock.correct(server);
        let minted = i64::try_from(clock.mint().ulid_ms()).expect("48 bits");
        assert!((minted - server.as_ms()).abs() < 10_000, "{minted} is not near {server:?}");
    }
}
