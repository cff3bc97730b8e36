//! What only the log on NATS promises: how it starts, and what it says while servers die, hang, fill up and come back
//! with less than they had.

#![expect(unreachable_pub, reason = "there is no crate outside")]

mod nats {
    pub mod words; // servers, logs, and what is said

    mod cluster; // three copies, and the death of a leader
    mod fault; // a server that is killed or hangs
    mod full; // a stream at its size
    mod overflow; // more than a watcher can take
    mod rollback; // a volume that is older than what was given out
    mod starting; // several at once, drift, strangers
    mod traces; // what headers carry beside the event
}
