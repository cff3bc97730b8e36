//! Who may see whom: those who share a conversation, unless the one who is watched blocks the other.

use std::{collections::HashSet, sync::Arc};

use chat_protocol::{ConversationId, ErrorCode, UserId, limits};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{app::App, conn::Conn, fault::Fault};

/// Users whose conversations are read at once, for one who asks.
const READS: usize = 4;
/// Conversations of one user read at once.
const PAGE: usize = 500;

impl App {
    /// Those of `users` (at most 500) whose presence `watcher` may see.
    pub(super) async fn visible(
        &self,
        watcher: UserId,
        conn: Option<&Conn>,
        users: &[UserId],
    ) -> Result<HashSet<UserId>, Fault> {
        let others: Vec<UserId> = users.iter().copied().filter(|user| *user != watcher).collect();
        let mut visible: HashSet<UserId> = users.iter().copied().filter(|user| *user == watcher).collect();
        if others.is_empty() {
            return Ok(visible);
        }
        let blockers: HashSet<UserId> = self.store.blocked_by(watcher, &others).await?.into_iter().collect();
        let mut rest: HashSet<UserId> = others.into_iter().filter(|user| !blockers.contains(user)).collect();
        // Mostly they meet in a conversation that is open here, and nothing more is asked.
        for conversation in conn.map(Conn::seats).unwrap_or_default() {
            if rest.is_empty() {
                return Ok(visible);
            }
            if let Some(roster) = self.hub.open_room(conversation).and_then(|room| room.known_roster())
                && roster.conversation().is_some()
                && roster.member(watcher).is_some()
            {
                visible.extend(rest.extract_if(|user| roster.member(*user).is_some()));
            }
        }
        // One after the other waits here, so that many who ask at once leave the store to others.
        let _turn = self.presence.looks.acquire().await.map_err(|_| ErrorCode::Draining)?;
        let places: HashSet<ConversationId> =
            self.places(watcher).await?.into_iter().map(|place| place.conversation).collect();
        visible.extend(rest.extract_if(|user| places.contains(&ConversationId::direct(watcher, *user))));
        let looks = stream::iter(rest).map(|user| {
            let places = &places;
            async move { Ok::<_, Fault>(self.is_in_any(user, places).await?.then_some(user)) }
        });
        let met: Vec<Option<UserId>> = looks.buffer_unordered(READS).try_collect().await?;
        visible.extend(met.into_iter().flatten());
        Ok(visible)
    }

    async fn is_in_any(&self, user: UserId, places: &HashSet<ConversationId>) -> Result<bool, Fault> {
        let (mut after, mut read) = (None, 0);
        while read < limits::CONVERSATIONS_PER_USER && !places.is_empty() {
            let page = self.store.memberships(user, after, PAGE).await?;
            if page.iter().any(|place| places.contains(&place.conversation)) {
                return Ok(true);
            }
            if page.len() < PAGE {
                return Ok(false);
            }
            read += page.len();
            after = page.last().map(|place| place.conversation);
        }
        Ok(false)
    }

    /// What a socket's user may see may have changed: looked at anew, and shown if it did.
    pub fn doubt_sight(self: &Arc<Self>, conn: &Conn) {
        if self.presence.watches.doubt(conn.socket, self.now()) {
            self.presence.changed.notify_one();
        }
    }

    /// Two users blocked each other, or no longer do.
    pub fn doubt_sight_between(&self, direct: ConversationId) {
        if self.presence.watches.doubt_between(direct, self.now()) {
            self.presence.changed.notify_one();
        }
    }
}
