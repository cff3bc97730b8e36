//! Changes on their way to the sockets: one frame per socket and two seconds, with the newest of each user; within a
//! budget of this gateway, so that a flood of them leaves room for messages.

use std::{sync::Arc, time::Duration};

use chat_protocol::{
    ErrorCode, UserId,
    frame::{PresenceShown, ServerFrame, Want},
    model::Presence,
};

use super::watches::{Due, Full, hidden};
use crate::{app::App, conn::Conn, delivery, fault::Fault, metrics};

/// Frames in one turn, and turns in a second while there are more: 4,000 frames a second at most.
const PER_TURN: usize = 200;
const TURN: Duration = Duration::from_millis(50);
/// Between two counts of what is watched.
const IDLE: Duration = Duration::from_secs(10);

/// Shows what changed; ends never.
pub async fn run(app: Arc<App>) {
    loop {
        metrics::watched(app.presence.watches.len());
        let wait = match app.presence.watches.next_due() {
            Some(at) => Duration::from_millis(u64::try_from(at.as_ms() - app.now().as_ms()).unwrap_or(0)),
            None => IDLE,
        };
        if !wait.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = app.presence.changed.notified() => {}
            }
        }
        let due = app.presence.watches.take_due(app.now(), PER_TURN);
        let full = due.len() == PER_TURN;
        for due in due {
            app.show_changes(due).await;
        }
        if full {
            tokio::time::sleep(TURN).await;
        }
    }
}

impl App {
    async fn show_changes(self: &Arc<Self>, due: Due) {
        let Due { conn, users, undecided } = due;
        if !undecided.is_empty() {
            match self.visible(conn.user, Some(&conn), &undecided).await {
                Ok(visible) => {
                    self.presence.watches.decide(conn.socket, &undecided, &visible, self.now());
                    // Whoever was hidden until now may not be known here.
                    self.know(visible.into_iter().collect()).await;
                }
                // Nobody is shown whom they may no longer see.
                Err(_) => return self.presence.watches.again(conn.socket, &users, self.now()),
            }
        }
        let states = self.presence.watches.view(conn.socket, &users, true);
        if states.is_empty() || !conn.wants(Want::Presence) {
            return;
        }
        let message = delivery::message(conn.codec, &ServerFrame::Presence(PresenceShown { reference: None, states }));
        if !conn.show(&message, "presence") {
            self.presence.watches.again(conn.socket, &users, self.now());
        }
    }

    /// Learns how those are who are watched here and of whom nothing is known.
    async fn know(self: &Arc<Self>, users: Vec<UserId>) {
        let known = self.presence.watches.known(&users);
        let unknown: Vec<UserId> = users.into_iter().filter(|user| !known.contains_key(user)).collect();
        if !unknown.is_empty() {
            let states = self.states(&unknown).await;
            self.presence.watches.learn_if_unknown(states, self.now());
        }
    }

    /// A socket watches some users, and others no longer; answers how those added are.
    pub async fn watch(
        self: &Arc<Self>,
        conn: &Arc<Conn>,
        add: &[UserId],
        remove: &[UserId],
    ) -> Result<Vec<Presence>, Fault> {
        self.rates.presence(conn.user, add.len(), self.now())?;
        let watches = &self.presence.watches;
        watches.remove(conn.socket, remove);
        if add.is_empty() {
            return Ok(Vec::new());
        }
        let too_many = |Full| Fault::new(ErrorCode::LimitReached, "at most 500 users are watched");
        // Watched first, so that nothing falls between the answer and the changes.
        let new = watches.add(conn, add, self.now()).map_err(too_many)?;
        let visible = match self.visible(conn.user, Some(conn), add).await {
            Ok(visible) => visible,
            Err(fault) => {
                watches.remove(conn.socket, &new);
                return Err(fault);
            }
        };
        self.know(visible.iter().copied().collect()).await;
        watches.decide(conn.socket, add, &visible, self.now());
        Ok(watches.view(conn.socket, add, false))
    }

    /// How users are, as far as one may see them.
    pub async fn presence_of(self: &Arc<Self>, users: &[UserId], viewer: UserId) -> Result<Vec<Presence>, Fault> {
        self.rates.presence(viewer, users.len(), self.now())?;
        let visible = self.visible(viewer, None, users).await?;
        let asked: Vec<UserId> = users.iter().copied().filter(|user| visible.contains(user)).collect();
        let mut states: std::collections::HashMap<UserId, Presence> =
            self.states(&asked).await.into_iter().map(|state| (state.user, state)).collect();
        Ok(users.iter().map(|user| states.remove(user).unwrap_or_else(|| hidden(*user))).collect())
    }
}
