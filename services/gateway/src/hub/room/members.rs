//! The roster of a room: read from the store once, brought up to date from the log, then kept by the events.

use std::{sync::Arc, time::Duration};

use chat_auth::{Action, Actor, Standing, authorize};
use chat_bus::Prev;
use chat_protocol::{
    ConversationId, ErrorCode, Seq, UserId, event::Event, event::LeftReason, frame::EventFrame, limits, model::Member,
};
use chat_store::Store;

use super::{Inner, Room, State};
use crate::{conn::Notice, delivery::Delivery, fault::Fault, hub::Roster};

/// Members read from the store at once.
const PAGE: usize = 1_000;
/// Events read from the log at once.
const TAIL_PAGE: usize = 1_000;
/// Between two tries to check the seats that were taken on a resume token's word.
const VERIFY_PAUSE: Duration = Duration::from_secs(1);

impl Room {
    /// Who is in the conversation now.
    pub async fn roster(&self) -> Result<Arc<Roster>, Fault> {
        if let Some(roster) = &*self.roster.read() {
            return Ok(Arc::clone(roster));
        }
        let _one_load = self.loading.lock().await;
        if let Some(roster) = &*self.roster.read() {
            return Ok(Arc::clone(roster));
        }
        let hub = self.hub.upgrade().ok_or(ErrorCode::Draining)?;
        let (mut roster, mut after) = self.load(&hub).await?;
        loop {
            let mut state = self.lock().await;
            if state.tail.covers(after) || after >= state.tail.head() {
                state.tail.after(after).for_each(|event| roster.apply(&event.frame));
                let roster = Arc::new(roster);
                *self.roster.write() = Some(Arc::clone(&roster));
                self.dismiss_strangers(&mut state, &roster);
                return Ok(roster);
            }
            drop(state);
            after = self.read_tail(&hub, &mut roster, after).await?;
        }
    }

    /// The one gate of REST and WebSocket: may this user do this here?
    pub async fn authorize(&self, user: UserId, action: Action) -> Result<Arc<Roster>, Fault> {
        let roster = self.roster().await?;
        let standing = self.standing(&roster, user).await?;
        authorize(Actor { user }, action, standing.as_ref())?;
        Ok(roster)
    }

    /// What `authorize` needs to know of a user.
    pub async fn standing(&self, roster: &Roster, user: UserId) -> Result<Option<Standing>, Fault> {
        let member = self.member(roster, user).await?;
        Ok(roster.standing_of(member.as_ref()))
    }

    /// One member, readers of a broadcast included.
    pub async fn member(&self, roster: &Roster, user: UserId) -> Result<Option<Member>, Fault> {
        match roster.member(user) {
            Some(member) => Ok(Some(*member)),
            None if roster.is_partial() => {
                let hub = self.hub.upgrade().ok_or(ErrorCode::Draining)?;
                Ok(hub.store.member(self.conversation, user).await?)
            }
            None => Ok(None),
        }
    }

    /// The next who asks reads it anew.
    pub(super) fn forget_roster(&self) {
        *self.roster.write() = None;
    }

    pub(super) fn apply_control(&self, events: &[Arc<Delivery>]) {
        let mut control = events.iter().filter(|event| event.frame.body.is_control()).peekable();
        if control.peek().is_none() {
            return;
        }
        if let Some(roster) = &mut *self.roster.write() {
            let roster = Arc::make_mut(roster);
            control.for_each(|event| roster.apply(&event.frame));
        }
    }

    /// The store's view, then everything the store may lack. Answers up to where it is complete.
    async fn load(&self, hub: &Inner) -> Result<(Roster, Seq), Fault> {
        // Read first: whatever is settled now is in the store when it is read below.
        let settled = hub.log.shard_state(self.shard).await?.settled;
        let conversation = hub.store.conversation(self.conversation).await?;
        let members = members_of(&*hub.store, self.conversation).await?;
        let mut roster = Roster::new(conversation, members);
        let after = self.read_tail(hub, &mut roster, settled).await?;
        Ok((roster, after))
    }

    async fn read_tail(&self, hub: &Inner, roster: &mut Roster, mut after: Seq) -> Result<Seq, Fault> {
        let head = self.head().await;
        loop {
            let events = hub.log.tail(self.conversation, after, TAIL_PAGE).await?;
            for logged in &events {
                after = after.max(logged.seq);
                if let Ok(event) = Event::decode(&logged.event) {
                    debug_assert!(matches!(logged.prev, Prev::Known(_) | Prev::AskTheLog));
                    roster.apply(&EventFrame::new(self.conversation, self.shard, logged.seq, Seq::ZERO, event));
                }
            }
            if events.len() < TAIL_PAGE {
                return Ok(after.max(head));
            }
        }
    }

    /// Seats taken on a resume token's word are checked as soon as the roster is known.
    fn dismiss_strangers(&self, state: &mut State, roster: &Roster) {
        if self.is_feed(state) || roster.is_partial() {
            return;
        }
        state.seats.retain(|_, conn| {
            let stays = roster.member(conn.user).is_some();
            if !stays {
                conn.left(self.conversation, LeftReason::Removed);
                conn.notice(Notice::Removed(self.conversation, LeftReason::Removed));
            }
            stays
        });
    }

    fn is_feed(&self, state: &State) -> bool {
        state.seats.values().all(|conn| ConversationId::feed(conn.user) == self.conversation)
    }

    /// Loads the roster in the background, so that seats taken on trust are checked within seconds.
    pub(in crate::hub) fn verify_seats(self: &Arc<Self>) {
        if self.roster.read().is_some() {
            return;
        }
        let room = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                let Some(room) = room.upgrade().filter(|room| !room.is_closed()) else { return };
                let Some(hub) = room.hub.upgrade() else { return };
                let Ok(_permit) = hub.roster_loads.acquire().await else { return };
                if room.roster().await.is_ok() {
                    return;
                }
                drop(room);
                tokio::time::sleep(VERIFY_PAUSE).await;
            }
        });
    }
}

async fn members_of(store: &dyn Store, of: ConversationId) -> Result<Vec<Member>, Fault> {
    let mut members: Vec<Member> = Vec::new();
    // The bound keeps a broadcast's readers out of memory; they are looked up one by one.
    while members.len() < limits::MEMBERS {
        let after = members.last().map(|member| member.user);
        let page = store.members(of, after, PAGE).await?;
        let last = page.len() < PAGE;
        members.extend(page);
        if last {
            break;
        }
    }
    Ok(members)
}
