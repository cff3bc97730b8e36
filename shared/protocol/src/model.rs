//! Plain data that REST, events and the store share.

mod conversation;
mod job;
mod message;
mod user;

pub use self::{conversation::*, job::*, message::*, user::*};

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
pub(crate) fn is_false(value: &bool) -> bool {
    !value
}
