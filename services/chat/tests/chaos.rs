//! What happens to messages while everything else is killed: nothing. Short forms of the fault matrix, judged by the
//! history checker; where we break the system on purpose, the checker must fail.

#![expect(unreachable_pub, reason = "there is no crate outside")]

mod chaos {
    pub mod harm; // faults while a crowd talks

    mod dishonest; // negative controls: logs that break their promises
    mod embedded; // F21: one process, killed at random moments
    mod gateways; // F1: gateways die
    mod log; // F5: the log's server dies
    mod overflow; // F25: more than a subscription can take
    mod persisters; // F3: persisters die
    mod repeats; // F26, F27: the same message again, and again late
    mod scale; // out and in: gateways and persisters come and go
    mod store; // F9: the database is away
    mod upgrade; // F43: an earlier version beside this one
}
