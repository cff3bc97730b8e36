//! Frames that may be lost.

use chat_protocol::ErrorCode;

use super::Socket;
use crate::{fault::Fault, session::Signal};

impl Socket {
    pub(super) fn on_signal(&mut self, _signal: Signal) {
        self.answer_failure(None, Fault::new(ErrorCode::UnknownType, "not yet"));
    }
}
