//! Who is there, and what they may do: tokens, passwords, keys and the one authorisation function.
//!
//! Time and chance are handed in; the only I/O is the key file, the only tasks are argon2's. In reading order:

#![warn(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

pub mod keys; // the secrets of a cluster: made, kept, rotated

pub mod access; // access tokens: short-lived JWTs, verified without any store

mod cache; // verified tokens until they end

pub mod refresh; // refresh tokens: opaque, stored hashed, rotated at each use

pub mod resume; // resume tokens: where a socket was, signed by the cluster

pub mod revocation; // what is no longer trusted although its token has not ended

pub mod password; // argon2id in a bounded pool

pub mod authorize; // may this actor do this here?

pub use access::{Access, AccessToken, Issuer, TokenError, Verifier};
pub use authorize::{Action, Actor, Place, Standing, authorize};
pub use keys::{KeyError, Keys};
pub use password::{PasswordError, Passwords, Verdict};
pub use refresh::RefreshToken;
pub use resume::{ResumeError, ResumeSealer, ResumeState};
pub use revocation::{Revocation, Revocations};
