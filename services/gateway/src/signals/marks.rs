//! How far a user has read: taken from a client, merged, written to the store, shown to who may see it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chat_auth::Action;
use chat_bus::Topic;
use chat_protocol::{ConversationId, ErrorCode, Seq, SocketId, UserId, frame::Marked, limits, model::Marker};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use super::{
    are_shown,
    pending::{Pending, Raised},
    wire::Signal,
};
use crate::{app::App, conn::Conn, fault::Fault, hub::Room, metrics};

/// Markers between clients and the store, and remembered ones: some 150 bytes each.
const PENDING: usize = 100_000;
/// Users whose markers are written at once.
const WRITES: usize = 16;
/// Between two looks for what is due.
const TICK: Duration = Duration::from_millis(250);
/// Between two looks for what can be forgotten.
const EXPIRE: Duration = Duration::from_secs(30);
/// For a write that somebody waits for: the pause between two writes, and the store's own time.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);
/// For what is left when the gateway stops.
const FLUSH_DEADLINE: Duration = Duration::from_secs(5);
const FLUSH_PAUSE: Duration = Duration::from_millis(100);

/// Markers on their way.
pub struct Marks {
    pending: Mutex<Pending>,
    /// Something was moved.
    moved: Notify,
    /// Some writes ended.
    written: Notify,
}

impl Default for Marks {
    fn default() -> Self {
        Self { pending: Mutex::new(Pending::new(PENDING)), moved: Notify::new(), written: Notify::new() }
    }
}

impl App {
    /// Moves a socket's user's markers; answers what was refused.
    pub async fn mark(&self, conn: &Conn, marks: BTreeMap<ConversationId, Marked>) -> Vec<(ConversationId, Fault)> {
        self.recall(conn.user, &marks.keys().copied().collect::<Vec<_>>()).await;
        let mut refused = Vec::new();
        for (conversation, marked) in marks {
            if let Err(fault) = self.mark_one(conn, conversation, marked).await {
                refused.push((conversation, fault));
            }
        }
        refused
    }

    async fn mark_one(&self, conn: &Conn, conversation: ConversationId, marked: Marked) -> Result<(), Fault> {
        let known = self.signals.marks.pending.lock().known((conn.user, conversation));
        let (read, delivered) = positions(marked);
        // What a client says again after each `ready` is mostly no news, and then nothing more is asked.
        if known.is_some_and(|known| read <= known.read && delivered <= known.delivered) {
            return Ok(());
        }
        let room = self.hub.room(conversation).await?;
        // A seat is taken away with the right to it.
        if conversation == ConversationId::feed(conn.user) || !conn.is_seated(conversation) {
            room.authorize(conn.user, Action::Mark).await?;
        }
        self.raise(conn.user, &room, marked, Some(conn.socket)).await
    }

    /// Moves one marker; answers it when the store has it.
    pub async fn put_marker(&self, user: UserId, room: &Room, marked: Marked) -> Result<Marker, Fault> {
        let key = (user, room.conversation);
        self.recall(user, &[room.conversation]).await;
        self.raise(user, room, marked, None).await?;
        let marks = &self.signals.marks;
        let stored = async {
            loop {
                let mut written = std::pin::pin!(marks.written.notified());
                written.as_mut().enable();
                if marks.pending.lock().is_stored(key) {
                    return;
                }
                written.await;
            }
        };
        let late = |_| Fault::new(ErrorCode::StoreUnavailable, "the marker is not stored yet, try again");
        timeout(WRITE_DEADLINE, stored).await.map_err(late)?;
        let nothing = Marker { user, read: Seq::ZERO, delivered: Seq::ZERO, at: self.now() };
        Ok(marks.pending.lock().known(key).unwrap_or(nothing))
    }

    /// A user's markers, with what the store does not have yet, in the order asked.
    pub async fn markers(&self, user: UserId, here: &[ConversationId]) -> Result<Vec<Option<Marker>>, Fault> {
        let mut markers = Vec::with_capacity(here.len());
        for some in here.chunks(limits::MARKS) {
            markers.extend(self.store.markers(user, some).await?);
        }
        let pending = self.signals.marks.pending.lock();
        for (conversation, marker) in here.iter().zip(&mut markers) {
            *marker = later(*marker, pending.known((user, *conversation)));
        }
        Ok(markers)
    }

    /// The markers of a conversation's members that others may see.
    pub async fn receipts(&self, room: &Room, viewer: UserId) -> Result<Vec<Marker>, Fault> {
        let roster = room.authorize(viewer, Action::Mark).await?;
        if !are_shown(&roster) {
            return Err(Fault::new(ErrorCode::Forbidden, "receipts are for direct ones and groups of up to 100"));
        }
        let stored = self.store.markers_in(room.conversation, limits::MEMBERS).await?;
        let mut receipts = Vec::new();
        for marker in stored.into_iter().filter(|marker| roster.member(marker.user).is_some()) {
            if self.shows_receipts(marker.user).await? {
                let known = self.signals.marks.pending.lock().known((marker.user, room.conversation));
                receipts.extend(later(Some(marker), known));
            }
        }
        Ok(receipts)
    }

    /// Asks the store for markers that are not known here, so that only what is news is written and shown.
    async fn recall(&self, user: UserId, here: &[ConversationId]) {
        let unknown: Vec<ConversationId> = {
            let pending = self.signals.marks.pending.lock();
            here.iter().copied().filter(|conversation| pending.known((user, *conversation)).is_none()).collect()
        };
        if unknown.is_empty() {
            return;
        }
        // Without an answer everything counts as news: markers are merged by maximum wherever they meet.
        let Ok(stored) = self.store.markers(user, &unknown).await else { return };
        let now = self.now();
        let mut pending = self.signals.marks.pending.lock();
        for (conversation, marker) in unknown.into_iter().zip(stored) {
            if let Some(marker) = marker {
                pending.learn((user, conversation), marker, now);
            }
        }
    }

    async fn raise(&self, user: UserId, room: &Room, marked: Marked, from: Option<SocketId>) -> Result<(), Fault> {
        let (read, delivered) = positions(marked);
        let mut head = room.head().await;
        if read.max(delivered) > head {
            // This room may lag behind the one that showed the event.
            let fresh = self.log.heads(&[room.conversation], true).await?;
            head = head.max(fresh.first().copied().flatten().unwrap_or(Seq::ZERO));
        }
        let key = (user, room.conversation);
        let raised =
            self.signals.marks.pending.lock().raise(key, read.min(head), delivered.min(head), from, self.now());
        match raised {
            Raised::Known => Ok(()),
            Raised::Moved => {
                self.signals.marks.moved.notify_one();
                Ok(())
            }
            Raised::Full => Err(Fault::new(ErrorCode::Overloaded, "too many markers wait for the store")),
        }
    }

    /// Writes what is due; `all` = what waits for its time too.
    async fn write_marks(&self, all: bool) {
        let due = self.signals.marks.pending.lock().take_due(self.now(), all);
        let mut by_user: BTreeMap<UserId, Vec<(ConversationId, Marker, Option<SocketId>)>> = BTreeMap::new();
        for ((user, conversation), marker, from) in due {
            by_user.entry(user).or_default().push((conversation, marker, from));
        }
        let writes = stream::iter(by_user).map(|(user, moved)| self.write_marks_of(user, moved));
        writes.buffer_unordered(WRITES).collect::<()>().await;
    }

    async fn write_marks_of(&self, user: UserId, moved: Vec<(ConversationId, Marker, Option<SocketId>)>) {
        for some in moved.chunks(limits::MARKS) {
            let markers: Vec<_> = some.iter().map(|(conversation, marker, _)| (*conversation, *marker)).collect();
            let show = async {
                for (conversation, marker, from) in some {
                    self.show_marker(*conversation, marker, *from).await;
                }
            };
            let (written, ()) = tokio::join!(self.store.raise_markers(user, &markers), show);
            if let Err(err) = &written {
                tracing::warn!(error = %err, markers = markers.len(), "markers not written, tried again");
            }
            let mut pending = self.signals.marks.pending.lock();
            for (conversation, _) in &markers {
                pending.on_written((user, *conversation), written.is_ok());
            }
            drop(pending);
            self.signals.marks.written.notify_waiters();
        }
    }

    /// Tells the user's own devices, and those who look at the conversation if they may know.
    async fn show_marker(&self, conversation: ConversationId, marker: &Marker, from: Option<SocketId>) {
        let Marker { user, read, delivered, .. } = *marker;
        let signal = Signal::Marker { conversation, user, read, delivered, from }.encode();
        let own = Topic::Conversation(ConversationId::feed(user));
        if self.log.emit(&own, signal.clone()).await.is_err() {
            metrics::shed("marker");
        }
        // What cannot be decided is not shown.
        let shown = match self.hub.room(conversation).await {
            Ok(room) => room.roster().await.is_ok_and(|roster| are_shown(&roster) && roster.members().count() > 1),
            Err(_) => false,
        };
        if shown
            && self.shows_receipts(user).await.unwrap_or(false)
            && self.log.emit(&Topic::Conversation(conversation), signal).await.is_err()
        {
            metrics::shed("marker");
        }
    }
}

/// Writes markers when they are due; ends never.
pub async fn run(app: Arc<App>) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut expired = Instant::now();
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = app.signals.marks.moved.notified() => {}
        }
        app.write_marks(false).await;
        if expired.elapsed() >= EXPIRE {
            expired = Instant::now();
            app.signals.marks.pending.lock().expire(app.now());
        }
    }
}

/// Writes what is left when no client is there any more.
pub async fn flush(app: &App) {
    let everything = async {
        while app.signals.marks.pending.lock().unstored() > 0 {
            app.write_marks(true).await;
            sleep(FLUSH_PAUSE).await;
        }
    };
    if timeout(FLUSH_DEADLINE, everything).await.is_err() {
        let lost = app.signals.marks.pending.lock().unstored();
        tracing::error!(lost, "markers could not be written before the end");
    }
}

/// `read` implies `delivered`.
fn positions(marked: Marked) -> (Seq, Seq) {
    let read = marked.read.unwrap_or(Seq::ZERO);
    (read, marked.delivered.unwrap_or(Seq::ZERO).max(read))
}

fn later(one: Option<Marker>, other: Option<Marker>) -> Option<Marker> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Marker {
            user: one.user,
            read: one.read.max(other.read),
            delivered: one.delivered.max(other.delivered),
            at: one.at.max(other.at),
        }),
        (one, other) => one.or(other),
    }
}
