//! What may be lost: who types, how far somebody has read. Nothing durable depends on any of it, and all of it has
//! subjects, queues and bounds of its own, so that it can neither delay a message nor close a socket.
//!
//! In reading order:

mod wire; // what gateways tell each other

mod audience; // which sockets here want to hear it

mod pending; // markers between a client and the store (pure)

mod marks; // how far a user has read: merged, written, shown

mod receipts; // who lets others see that

mod typing; // who is about to say something

use std::sync::Arc;

use chat_protocol::{ConversationId, limits, model::Kind};

use crate::{app::App, conn::Conn, hub::Roster};

pub use self::{
    audience::Audience,
    marks::{Marks, flush as flush_marks, run as write_marks},
    receipts::Receipts,
    typing::Typists,
};

/// The parts of one gateway's signals.
#[derive(Default)]
pub struct Signals {
    /// Sockets that listen.
    pub audience: Audience,
    /// Markers on their way to the store.
    pub marks: Marks,
    /// Users who show theirs.
    pub receipts: Receipts,
    /// Who said a moment ago that they type.
    pub typists: Typists,
}

/// Whether typing and receipts are shown in a conversation: not in big ones, and to no audience of a broadcast.
pub fn are_shown(roster: &Roster) -> bool {
    let kind = roster.conversation().map(|conversation| conversation.kind);
    matches!(kind, Some(Kind::Direct | Kind::Group)) && roster.members().count() <= limits::SIGNAL_MEMBERS
}

impl App {
    /// A socket was accepted: it hears what the user's other devices do.
    pub fn attend(self: &Arc<Self>, conn: &Arc<Conn>) {
        self.signals.audience.join(self, ConversationId::feed(conn.user), conn);
    }

    /// What a socket has on screen now, instead of what it had; what its user may not see is left out.
    pub async fn focus(self: &Arc<Self>, conn: &Arc<Conn>, conversations: Vec<ConversationId>) {
        let mut visible: Vec<ConversationId> = Vec::new();
        for conversation in conversations {
            if !visible.contains(&conversation) && self.may_hear(conn, conversation).await {
                visible.push(conversation);
            }
        }
        let before = conn.set_focus(visible.clone());
        for gone in before.iter().filter(|conversation| !visible.contains(conversation)) {
            self.signals.audience.leave(*gone, conn);
        }
        for new in visible.into_iter().filter(|conversation| !before.contains(conversation)) {
            self.signals.audience.join(self, new, conn);
        }
    }

    /// A socket is gone.
    pub fn unattend(&self, conn: &Conn) {
        for conversation in conn.set_focus(Vec::new()) {
            self.signals.audience.leave(conversation, conn);
        }
        self.signals.audience.leave(ConversationId::feed(conn.user), conn);
        self.presence.watches_end(conn);
    }
}
