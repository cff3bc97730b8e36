//! `watch` and `status`: one after the other, since a later one undoes an earlier one; nothing else waits for them.

use std::sync::Arc;

use chat_protocol::{
    ErrorCode,
    frame::{Done, Failure, PresenceShown, Ref, ServerFrame, SetStatus, Watch},
};

use super::Socket;
use crate::{app::App, conn::Conn, fault::Fault, metrics, session::Presence};

/// Of one socket; a person scrolls no faster.
const WAITING: usize = 16;

impl Socket {
    pub(super) fn on_presence(&mut self, presence: Presence) {
        let Some(conn) = self.conn.clone() else { return };
        if self.presence.len() >= WAITING {
            metrics::presence_shed("waiting");
            let reference = match presence {
                Presence::Watch(Watch { reference, .. }) | Presence::Status(SetStatus { reference, .. }) => reference,
            };
            return refuse(&conn, reference, Fault::new(ErrorCode::RateLimited, "too many watches wait"));
        }
        self.presence.push_back(Box::pin(perform(Arc::clone(&self.app), conn, presence)));
    }
}

async fn perform(app: Arc<App>, conn: Arc<Conn>, presence: Presence) {
    match presence {
        Presence::Watch(Watch { reference, add, remove }) => match app.watch(&conn, &add, &remove).await {
            Ok(states) => conn.send(&ServerFrame::Presence(PresenceShown { reference, states })),
            Err(fault) => refuse(&conn, reference, fault),
        },
        Presence::Status(SetStatus { reference, status }) => match app.set_status(conn.user, status).await {
            // Without a `ref` nobody asked for an answer.
            Ok(_) if reference.is_none() => {}
            Ok(_) => conn.send(&ServerFrame::Ok(Done { reference, seq: None })),
            Err(fault) => refuse(&conn, reference, fault),
        },
    }
}

fn refuse(conn: &Conn, reference: Option<Ref>, fault: Fault) {
    conn.send(&ServerFrame::Error(Box::new(Failure { reference, ..fault.frame() })));
}
