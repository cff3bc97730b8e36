//! What only the embedded engine promises: it opens after any kill with all it acknowledged, and a disk that is full
//! costs nothing that was acknowledged.

mod support; // a writer in a process of its own, events to apply

mod full;
mod kill;
