//! Frames that may be lost. They wait for nothing but each other: neither sends nor follows stand behind them.

use std::{collections::BTreeMap, sync::Arc};

use chat_protocol::{
    ConversationId, ErrorCode,
    frame::{Failure, Mark, ServerFrame},
};

use super::Socket;
use crate::{app::App, conn::Conn, fault::Fault, metrics, session::Signal};

/// Signals of one socket that wait: what its frames' burst can hold at a store that is slow for a moment.
const SIGNALS_WAITING: usize = 32;

impl Socket {
    pub(super) fn on_signal(&mut self, signal: Signal) {
        let Some(conn) = self.conn.clone() else { return };
        if self.signals.len() >= SIGNALS_WAITING {
            return match signal {
                // Nobody misses it, or it is said again.
                Signal::Typing(_) | Signal::Focus(_) => metrics::shed("signal"),
                Signal::Mark(_) => self.answer_failure(None, Fault::new(ErrorCode::Overloaded, "too many marks wait")),
            };
        }
        self.signals.push_back(Box::pin(perform(Arc::clone(&self.app), conn, signal)));
    }
}

async fn perform(app: Arc<App>, conn: Arc<Conn>, signal: Signal) {
    match signal {
        Signal::Mark(Mark { conversation, marked, mut markers }) => {
            markers.extend(conversation.map(|conversation| (conversation, marked)));
            mark(&app, &conn, markers).await;
        }
        Signal::Typing(typing) => {
            if let Err(fault) = app.typing(conn.user, typing).await {
                refuse(&conn, typing.conversation, fault);
            }
        }
        Signal::Focus(focus) => app.focus(&conn, focus.conversations).await,
    }
}

async fn mark(app: &App, conn: &Conn, marks: BTreeMap<ConversationId, chat_protocol::frame::Marked>) {
    for (conversation, fault) in app.mark(conn, marks).await {
        refuse(conn, conversation, fault);
    }
}

fn refuse(conn: &Conn, conversation: ConversationId, fault: Fault) {
    conn.send(&ServerFrame::Error(Box::new(Failure { conversation: Some(conversation), ..fault.frame() })));
}
