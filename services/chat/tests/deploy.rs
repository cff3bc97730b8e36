//! What lies in deploy/ and k8s/ does what it says: run, where it can be run, by the programs that will read it.

#![expect(unreachable_pub, reason = "there is no crate outside")]

mod deploy {
    pub mod files; // the files, and what may be named in them

    pub mod world; // log, store and keys for a few processes

    mod alerts; // what Prometheus reads
    mod compose; // a cluster on one machine
    mod image; // what runs in a container
    mod kubernetes; // chart and overlays
    mod manuals; // what people read
    mod nats; // the rights of each role
    mod nginx; // what stands before gateways
    mod provoked; // alerts, by what real processes show
    mod restore; // a lost store
    mod systemd; // units
    mod watched; // Prometheus and dashboards
}
