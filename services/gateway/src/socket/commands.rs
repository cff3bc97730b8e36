//! Frames that change messages: carried out side by side, each answered by `ok` or `error`.

use std::sync::Arc;

use chat_protocol::{
    ConversationId, ErrorCode, Seq,
    error::FieldError,
    frame::{Delete, Done, Edit, Failure, React, Ref, ServerFrame},
    limits,
};

use super::Socket;
use crate::{app::App, conn::Conn, fault::Fault, session::Command};

/// Commands of one socket under way at once: a person makes one at a time, a program some.
const COMMANDS_AT_ONCE: usize = 16;

impl Socket {
    pub(super) fn on_command(&mut self, command: Command) {
        let Some(conn) = self.conn.clone() else { return };
        if self.commands.len() >= COMMANDS_AT_ONCE {
            let (reference, conversation) = command.addressee();
            let fault = Fault::new(ErrorCode::RateLimited, "too many commands wait");
            return answer(&conn, reference, conversation, Err(fault));
        }
        self.commands.push(Box::pin(perform(Arc::clone(&self.app), conn, command)));
    }
}

impl Command {
    /// What an answer to it names.
    const fn addressee(&self) -> (Option<Ref>, ConversationId) {
        match self {
            Self::Edit(edit) => (edit.reference, edit.conversation),
            Self::Delete(delete) => (delete.reference, delete.conversation),
            Self::React(react) => (react.reference, react.conversation),
        }
    }
}

async fn perform(app: Arc<App>, conn: Arc<Conn>, command: Command) {
    let (reference, conversation) = command.addressee();
    let done = carry_out(&app, &conn, command).await;
    answer(&conn, reference, conversation, done);
}

/// The position of the event it made, if any.
async fn carry_out(app: &App, conn: &Conn, command: Command) -> Result<Option<Seq>, Fault> {
    match command {
        Command::Edit(edit) => {
            let Edit { conversation, message, change, .. } = *edit;
            app.edit(conn.user, conversation, message, change).await.map(|(_, seq)| seq)
        }
        Command::Delete(Delete { conversation, messages, .. }) => {
            if messages.is_empty() || messages.len() > limits::DELETES_PER_CALL {
                let detail = format!("1 to {}", limits::DELETES_PER_CALL);
                return Err(Fault::invalid(vec![FieldError::new("messages", "too_many", detail)]));
            }
            let (results, seq) = app.delete(conn.user, conversation, &messages).await?;
            // A frame has one answer: the first refusal, if nothing at all was deleted.
            match results.into_iter().find_map(|(_, result)| result.err()) {
                Some(fault) if seq.is_none() => Err(fault),
                _ => Ok(seq),
            }
        }
        Command::React(React { conversation, message, emoji, op, .. }) => {
            app.react(conn.user, conversation, message, emoji, op).await
        }
    }
}

fn answer(conn: &Conn, reference: Option<Ref>, conversation: ConversationId, done: Result<Option<Seq>, Fault>) {
    match done {
        // Without a `ref` nobody asked for an answer.
        Ok(_) if reference.is_none() => {}
        Ok(seq) => conn.send(&ServerFrame::Ok(Done { reference, seq: Some(seq.unwrap_or(Seq::ZERO)) })),
        Err(fault) => {
            let failure = Failure { reference, conversation: Some(conversation), ..fault.frame() };
            conn.send(&ServerFrame::Error(Box::new(failure)));
        }
    }
}
