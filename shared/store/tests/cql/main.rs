//! What only the CQL engine promises: one schema whoever migrates, deadlines whatever the server does, one window
//! whoever opens it, no content left of what was deleted.

mod support; // a keyspace of one's own, events to apply

mod migrations;

mod outage;

mod race;

mod erasure;
