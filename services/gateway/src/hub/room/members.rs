//! The roster of a room: read from the store once, brought up to date from the log, then kept by the events.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chat_auth::{Action, Actor, Standing, authorize};
use chat_bus::Prev;
use chat_protocol::{
    ConversationId, ErrorCode, Seq, UserId,
    event::Event,
    event::LeftReason,
    frame::EventFrame,
    limits,
    model::{Kind, Member, Visibility},
    rights::Role,
};
use chat_store::Store;
use tokio::time::timeout;

use super::{Inner, Room, State};
use crate::{
    conn::Conn,
    delivery::{Delivery, ban_terms},
    fault::Fault,
    hub::{Hub, Roster},
};

/// Members read from the store at once.
const PAGE: usize = 1_000;
/// Events read from the log at once.
const TAIL_PAGE: usize = 1_000;
/// Rows looked through for those in a broadcast who are more than readers.
const BROADCAST_MEMBERS: usize = 100_000;
/// For a room that lags to see what another gateway did.
const CATCH_UP_DEADLINE: Duration = Duration::from_secs(2);
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
                state.tail.after(after).for_each(|event| roster.apply(&event.frame, event.ban.as_ref()));
                let roster = Arc::new(roster);
                *self.roster.write() = Some(Arc::clone(&roster));
                self.dismiss_strangers(&mut state, &roster);
                return Ok(roster);
            }
            drop(state);
            after = self.read_tail(&hub, &mut roster, after).await?;
        }
    }

    /// The same, if it is in memory.
    pub fn known_roster(&self) -> Option<Arc<Roster>> {
        self.roster.read().clone()
    }

    /// The one gate of REST and WebSocket: may this user do this here?
    pub async fn authorize(&self, user: UserId, action: Action) -> Result<Arc<Roster>, Fault> {
        match self.decide(user, action).await {
            // What made the user a member may not have reached this gateway yet, or only since that was decided.
            Err(fault) if matches!(fault.code, ErrorCode::NotFound | ErrorCode::NotAMember) => {
                let hub = Hub { inner: self.hub.upgrade().ok_or(ErrorCode::Draining)? };
                let fresh = self.fresh_head(&hub).await?;
                let _ = timeout(CATCH_UP_DEADLINE, self.reach(fresh)).await;
                self.decide(user, action).await
            }
            decided => decided,
        }
    }

    async fn decide(&self, user: UserId, action: Action) -> Result<Arc<Roster>, Fault> {
        let roster = self.roster().await?;
        let standing = self.standing(&roster, user, action).await?;
        authorize(Actor { user }, action, standing.as_ref())?;
        Ok(roster)
    }

    /// Whether the roster is known and says that a user is no member. Of a broadcast's readers it says nothing.
    pub(super) fn is_stranger(&self, user: UserId) -> bool {
        self.conversation != ConversationId::feed(user)
            && self.roster.read().as_ref().is_some_and(|roster| !roster.is_partial() && roster.member(user).is_none())
    }

    /// What `authorize` needs to know of a user who wants to do this.
    pub async fn standing(&self, roster: &Roster, user: UserId, action: Action) -> Result<Option<Standing>, Fault> {
        let member = self.member(roster, user).await?;
        let Some(standing) = roster.standing_of(member.as_ref()) else { return Ok(None) };
        Ok(Some(match standing.place {
            Some(_) => Standing { blocked: self.is_blocked(roster, user, action).await?, ..standing },
            // Who sees nothing of it anyhow need not be looked up.
            None if standing.visibility == Visibility::Private && action != Action::Join => standing,
            None => Standing { banned: self.is_banned(roster, user).await?, ..standing },
        }))
    }

    /// With `history: joined` nothing before the reader's own joining is shown.
    pub async fn readable_since(&self, roster: &Roster, user: UserId) -> Result<Seq, Fault> {
        if !roster.joined_only() {
            return Ok(Seq::ZERO);
        }
        // Who was a reader of a broadcast before may read from then on, which only the store knows.
        let member = match roster.member(user) {
            Some(member) if !roster.is_partial() => Some(*member),
            _ => self.stored_member(user).await?,
        };
        Ok(member.map_or(Seq::MAX, |member| member.joined_seq))
    }

    /// One member, readers of a broadcast included.
    pub async fn member(&self, roster: &Roster, user: UserId) -> Result<Option<Member>, Fault> {
        match roster.member(user) {
            Some(member) => Ok(Some(*member)),
            None if roster.is_partial() => self.stored_member(user).await,
            None => Ok(None),
        }
    }

    async fn stored_member(&self, user: UserId) -> Result<Option<Member>, Fault> {
        let hub = self.hub.upgrade().ok_or(ErrorCode::Draining)?;
        Ok(hub.store.member(self.conversation, user).await?)
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
        let mut known = self.roster.write();
        if let Some(roster) = &mut *known {
            let roster = Arc::make_mut(roster);
            control.for_each(|event| roster.apply(&event.frame, event.ban.as_ref()));
            if roster.is_overfull() {
                *known = None;
            }
        }
    }

    /// The store's view, then everything the store may lack. Answers up to where it is complete.
    async fn load(&self, hub: &Inner) -> Result<(Roster, Seq), Fault> {
        // Read first: whatever is settled now is in the store when it is read below.
        let settled = hub.log.shard_state(self.shard).await?.settled;
        let conversation = hub.store.conversation(self.conversation).await?;
        let broadcast = conversation.as_ref().is_some_and(|conversation| conversation.kind == Kind::Broadcast);
        let mut members = members_of(&*hub.store, self.conversation, broadcast).await?;
        if broadcast {
            // Readers come and go without an event that could keep them right here: they are looked up one by one.
            members.retain(|member| member.role > Role::Reader);
        }
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
                    let ban = ban_terms(&event);
                    let frame = EventFrame::new(self.conversation, self.shard, logged.seq, Seq::ZERO, event);
                    roster.apply(&frame, ban.as_ref());
                }
            }
            if events.len() < TAIL_PAGE {
                return Ok(after.max(head));
            }
        }
    }

    /// Seats taken on trust are checked as soon as the roster is known.
    fn dismiss_strangers(&self, state: &mut State, roster: &Roster) {
        if roster.is_partial() {
            return;
        }
        state.seats.retain(|_, conn| {
            let feed = self.conversation == ConversationId::feed(conn.user);
            let stays = feed || roster.member(conn.user).is_some();
            if !stays {
                self.send_away(conn, LeftReason::Removed);
            }
            stays
        });
    }

    /// After a seat was taken: if the roster could not say whether by right, it is asked in the background.
    pub(in crate::hub) fn verify_seat(self: &Arc<Self>, conn: &Arc<Conn>) {
        if self.conversation == ConversationId::feed(conn.user) {
            return;
        }
        match &*self.roster.read() {
            None => self.verify_seats(),
            Some(roster) if roster.is_partial() && roster.member(conn.user).is_none() => self.verify_reader(conn),
            Some(_) => {}
        }
    }

    fn verify_reader(self: &Arc<Self>, conn: &Arc<Conn>) {
        let (room, conn) = (Arc::clone(self), Arc::clone(conn));
        tokio::spawn(async move {
            loop {
                let Some(hub) = room.hub.upgrade() else { return };
                let Ok(_permit) = hub.roster_loads.acquire().await else { return };
                match hub.store.member(room.conversation, conn.user).await {
                    Ok(Some(_)) => return,
                    Ok(None) => {
                        if room.unseat(&conn).await {
                            room.send_away(&conn, LeftReason::Removed);
                        }
                        return;
                    }
                    Err(_) => tokio::time::sleep(VERIFY_PAUSE).await,
                }
            }
        });
    }

    /// Loads the roster in the background, once for all seats, which it checks.
    pub(in crate::hub) fn verify_seats(self: &Arc<Self>) {
        if self.verifying.swap(true, Ordering::AcqRel) {
            return;
        }
        let room = Arc::clone(self);
        tokio::spawn(async move {
            while !room.is_closed() {
                let Some(hub) = room.hub.upgrade() else { break };
                let Ok(_permit) = hub.roster_loads.acquire().await else { break };
                let loaded = room.roster().await;
                if let Ok(roster) = &loaded {
                    if roster.is_partial() {
                        let conns: Vec<Arc<Conn>> = room.lock().await.seats.values().cloned().collect();
                        let readers = conns.iter().filter(|conn| roster.member(conn.user).is_none());
                        readers.for_each(|conn| room.verify_reader(conn));
                    }
                    break;
                }
                tokio::time::sleep(VERIFY_PAUSE).await;
            }
            room.verifying.store(false, Ordering::Release);
        });
    }
}

async fn members_of(store: &dyn Store, of: ConversationId, broadcast: bool) -> Result<Vec<Member>, Fault> {
    let mut members: Vec<Member> = Vec::new();
    let most = if broadcast { BROADCAST_MEMBERS } else { limits::MEMBERS };
    while members.len() < most {
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
