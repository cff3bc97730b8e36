//! Frames that change messages.

use chat_protocol::ErrorCode;

use super::Socket;
use crate::{fault::Fault, session::Command};

impl Socket {
    pub(super) fn on_command(&mut self, _command: Command) {
        self.answer_failure(None, Fault::new(ErrorCode::UnknownType, "not yet"));
    }
}
