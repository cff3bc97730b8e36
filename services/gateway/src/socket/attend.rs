//! Frames that concern presence.

use chat_protocol::ErrorCode;

use super::Socket;
use crate::{fault::Fault, session::Attend};

impl Socket {
    pub(super) fn on_attend(&mut self, _attend: Attend) {
        self.answer_failure(None, Fault::new(ErrorCode::UnknownType, "not yet"));
    }
}
