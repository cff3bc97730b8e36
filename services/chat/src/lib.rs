//! The one binary: it composes the roles and knows nothing else of chat. Tests embed it through [`serve::serve`].
//!
//! In reading order:

#![warn(clippy::unwrap_used, clippy::panic)]

pub mod cli; // the verbs

pub mod settings; // every setting there is

pub mod serve; // one node: bind, connect, run the roles, drain

mod engines; // log and store, embedded or by URL

mod watch; // how log and store are, for the operator

mod listen; // addresses, bound before anything starts

pub mod announce; // where it listens, for people and for programs

pub mod limits; // of the operating system

pub mod migrate; // chat migrate

pub mod token; // chat token

pub mod docs; // chat config --docs

pub mod doctor; // chat doctor

pub mod health; // chat health

pub use settings::Settings;
