//! Whether everybody sees what is so; and whether this check would notice if they did not.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use chat_client::{Listed, Rest};
use chat_protocol::event::Body;
use chat_protocol::{ConversationId, Seq, UserId};
use chat_testkit::play::{Room, User};
use tokio::time::{Instant, sleep};

use super::actor::Book;
use super::acts::{Act, stays};
use super::held;
use super::state::State;
use super::view::{Record, Shown, Told, View, fold};

/// Whatever should come soon, on a machine where others compile.
const SOON: Duration = Duration::from_secs(60);
/// What is shown without being stored, if it is shown at all.
const SHOWN: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(200);

/// Everybody after the acts.
pub struct Company<'a> {
    pub users: &'a [User],
    pub views: &'a [&'a View],
    pub requests: &'a [Vec<Rest>],
    pub rooms: &'a [Room],
    pub acts: &'a [Act],
    pub book: &'a Book,
}

impl Company<'_> {
    /// Every view comes to equal what every gateway answers; then markers too.
    pub async fn agrees(&self) -> anyhow::Result<()> {
        for number in 0..self.users.len() {
            for gateway in &self.requests[number] {
                soon(async || self.differences(number, gateway).await)
                    .await
                    .with_context(|| format!("the view of user {number}"))?;
            }
        }
        soon(async || self.forgotten().await).await.context("markers")?;
        self.markers_agree().await.context("markers at the end")
    }

    /// In what one user's view differs from what a gateway answers.
    async fn differences(&self, number: usize, gateway: &Rest) -> anyhow::Result<Vec<String>> {
        let user = self.users[number].id();
        let record = self.views[number].record();
        if let Some(failed) = record.failed {
            return Ok(vec![failed]);
        }
        let (listed, shown) = (held::list(gateway).await?, record.conversations(user));
        let mut all = Vec::new();
        let (there, seen): (BTreeSet<_>, BTreeSet<_>) = (listed.keys().collect(), shown.keys().collect());
        if there != seen {
            let odd = seen.symmetric_difference(&there).map(|of| (of, record.of.get(of).map(|told| last_of(told))));
            let feed = record.of.get(&ConversationId::feed(user)).map(|told| last_of(told));
            all.push(format!(
                "conversations: seen {seen:?}, held {there:?}; told: {:?}; feed: {feed:?}",
                odd.collect::<Vec<_>>()
            ));
        }
        let settings = record.settings(user);
        for (of, Shown { state, joined, last }) in &shown {
            let (Some(listed), Some((held, wrong))) =
                (listed.get(of), held::room(std::slice::from_ref(gateway), *of, user).await?)
            else {
                continue;
            };
            all.extend(wrong);
            all.extend(state.differs_from(&held));
            let Listed { shown, last_message, unread, mentions, settings: own, marker } = listed;
            if shown.head != *last {
                all.push(format!("head of {of}: seen {last}, held {}", shown.head));
            }
            let newest = state.messages.last_key_value().map(|(seq, _)| *seq);
            if last_message.as_ref().map(|message| message.seq) != newest {
                all.push(format!("last message of {of}: seen {newest:?}, held {last_message:?}"));
            }
            if *own != settings.get(of).copied().unwrap_or_default() {
                all.push(format!("settings for {of}: seen {:?}, held {own:?}", settings.get(of)));
            }
            let read = marker.map_or(Seq::ZERO, |marker| marker.read).max(*joined);
            if state.unread(user, read) != (*unread, *mentions) {
                all.push(format!("unread of {of}: seen {:?}, held {unread} and {mentions}", state.unread(user, read)));
            }
            let mut backwards = held::backwards(gateway, *of).await?;
            backwards.reverse();
            if backwards
                .iter()
                .map(|message| (message.seq, message.version))
                .ne(held.messages.values().map(|message| (message.seq, message.version)))
            {
                all.push(format!("{of} is another from its end to its beginning"));
            }
            if number == 0 {
                // Whoever reads all that ever happened sees the same.
                let mut replayed = State::default();
                held::events(gateway, *of).await?.iter().for_each(|event| replayed.apply(event));
                all.extend(replayed.differs_from(&held).into_iter().map(|what| format!("replayed: {what}")));
            }
        }
        Ok(all)
    }

    /// Who was in a room all the time has read as far as they ever said, and no further.
    async fn forgotten(&self) -> anyhow::Result<Vec<String>> {
        let mut all = Vec::new();
        for (place, room) in self.rooms.iter().enumerate() {
            let held = self.requests[0][0].markers(room.id).await?.items;
            for (number, user) in self.users.iter().enumerate().filter(|(number, _)| stays(self.acts, place, *number)) {
                let said = self.book.read.lock().get(&(place, number)).copied().unwrap_or(Seq::ZERO);
                let held = held.iter().find(|marker| marker.user == user.id()).map_or(Seq::ZERO, |marker| marker.read);
                if said != held {
                    all.push(format!("user {number} has read room {place}: said {said}, held {held}"));
                }
            }
        }
        Ok(all)
    }

    /// Everybody reads to the end: everybody else in the room sees that, and so does who asks.
    async fn markers_agree(&self) -> anyhow::Result<()> {
        let rooms: Vec<ConversationId> = self.rooms.iter().map(|room| room.id).collect();
        for user in self.users {
            // Who was put out of a room looked away.
            user.client().focus(rooms.clone()).await;
        }
        for room in self.rooms {
            let of = room.id;
            let members: Vec<usize> =
                (0..self.users.len()).filter(|number| self.shows(*number, of).is_some()).collect();
            let mut head = self.shows(0, of).context("the owner is in")?.last;
            let deadline = Instant::now() + SOON;
            // Nobody learns when a gateway knows of a focus, and a signal may be lost: then the next one counts.
            while let Err(err) = self.everybody_reads(&members, of, head).await {
                ensure!(Instant::now() < deadline, err);
                head = self.users[0].says(room, "and again").await?.id.seq();
            }
            let everybody: BTreeSet<_> = members.iter().map(|member| (self.users[*member].id(), head)).collect();
            soon(async || {
                let held = self.requests[0][0].markers(of).await?.items;
                let held: BTreeSet<_> = held.into_iter().map(|marker| (marker.user, marker.read)).collect();
                Ok(if everybody.is_subset(&held) {
                    Vec::new()
                } else {
                    vec![format!("held {held:?}, not {everybody:?}")]
                })
            })
            .await?;
        }
        Ok(())
    }

    /// Everybody says that they have read so far, and sees of everybody else that they have.
    async fn everybody_reads(&self, members: &[usize], of: ConversationId, head: Seq) -> anyhow::Result<()> {
        for reader in members {
            self.users[*reader].client().read_to(of, head).await;
        }
        for viewer in members {
            let others = members.iter().filter(|member| *member != viewer).map(|member| self.users[*member].id());
            let others: Vec<_> = others.collect();
            let seen = |record: &Record| others.iter().all(|other| record.markers.get(&(of, *other)) == Some(&head));
            let markers = || self.views[*viewer].record().markers;
            ensure!(self.views[*viewer].until(SHOWN, seen).await, "user {viewer} sees {:?} of {of}", markers());
        }
        Ok(())
    }

    fn shows(&self, number: usize, of: ConversationId) -> Option<Shown> {
        self.views[number].record().shows(of, self.users[number].id())
    }

    /// Negative control: a client that drops one event, of whatever kind, is found out.
    pub async fn notices_what_is_dropped(&self) -> anyhow::Result<()> {
        let owner = self.users[0].id();
        let record = self.views[0].record();
        let mut kinds = BTreeSet::new();
        for room in self.rooms {
            let held = held::room(&self.requests[0], room.id, owner).await?.context("the owner is in")?.0;
            let told = record.of.get(&room.id).context("the owner was told")?;
            for kind in KINDS {
                let seen = |place: &usize| is_kind(&told[*place], kind, &held) && counts(told, *place, owner);
                let Some(place) = (0..told.len()).rev().find(seen) else { continue };
                let mut less = told.clone();
                less.remove(place);
                let shown = fold(&less, owner).context("the owner is in")?;
                ensure!(!shown.state.differs_from(&held).is_empty(), "nobody notices a lost {:?}", told[place]);
                kinds.insert(kind);
            }
        }
        ensure!(kinds.len() == KINDS.len(), "too little happened: only {kinds:?}");
        Ok(())
    }
}

/// The end of a story, for whoever has to find out why it is wrong.
fn last_of(told: &[Told]) -> &[Told] {
    &told[told.len().saturating_sub(4)..]
}

const KINDS: [&str; 7] = ["said", "edited", "deleted", "reacted", "pinned", "membership", "settings"];

/// Whether it is an event of this kind whose loss can be seen: nothing is shown of what is deleted.
fn is_kind(told: &Told, kind: &str, held: &State) -> bool {
    let Told::Event(event) = told else { return false };
    match &event.body {
        Body::MessageCreated(_) => kind == "said",
        Body::MessageUpdated(updated) => kind == "edited" && held.lives(updated.message.seq()),
        Body::MessageDeleted(_) => kind == "deleted",
        Body::ReactionChanged(changed) => kind == "reacted" && held.lives(changed.message.seq()),
        Body::PinAdded(pin) => kind == "pinned" && held.pins.contains(&pin.message.seq()),
        Body::PinRemoved(pin) => {
            kind == "pinned" && held.lives(pin.message.seq()) && !held.pins.contains(&pin.message.seq())
        }
        // Who was banned without having been in was in nobody's list.
        Body::MemberLeft(left) => kind == "membership" && left.role.is_some(),
        Body::MemberJoined(_) | Body::MemberUpdated(_) => kind == "membership",
        Body::ConversationUpdated(_) => kind == "settings",
        _ => false,
    }
}

/// Whether it changed what was shown, and nothing later is about the same: only then its loss can be seen.
fn counts(told: &[Told], place: usize, user: UserId) -> bool {
    let same = about(&told[place]);
    let is_last = || !told[place + 1..].iter().any(|later| about(later).iter().any(|what| same.contains(what)));
    let changed = || match (fold(&told[..place], user), fold(&told[..=place], user)) {
        (Some(before), Some(after)) => !before.state.differs_from(&after.state).is_empty(),
        (before, after) => before.is_some() != after.is_some(),
    };
    is_last() && changed()
}

/// What an event is about, in words that other events about the same have too.
fn about(told: &Told) -> Vec<String> {
    let Told::Event(event) = told else { return Vec::new() };
    match &event.body {
        Body::MessageCreated(_) => vec![format!("said {}", event.seq)],
        Body::MessageUpdated(updated) => vec![format!("edited {}", updated.message)],
        Body::MessageDeleted(deleted) => deleted.messages.iter().map(|id| format!("deleted {id}")).collect(),
        Body::ReactionChanged(changed) => {
            let of = changed.message;
            changed.changes.iter().map(|change| format!("reacted {of} {} {}", change.user, change.emoji)).collect()
        }
        Body::PinAdded(pin) | Body::PinRemoved(pin) => vec![format!("pinned {}", pin.message)],
        Body::MemberLeft(left) => vec![format!("member {}", left.user)],
        Body::MemberJoined(member) | Body::MemberUpdated(member) => vec![format!("member {}", member.user)],
        Body::ConversationUpdated(_) => vec!["settings".to_owned()],
        _ => Vec::new(),
    }
}

/// Looks again until nothing is wrong.
async fn soon(mut wrong: impl AsyncFnMut() -> anyhow::Result<Vec<String>>) -> anyhow::Result<()> {
    let deadline = Instant::now() + SOON;
    loop {
        let wrong = wrong().await?;
        if wrong.is_empty() {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "still wrong:\n{}", wrong.join("\n"));
        sleep(PAUSE).await;
    }
}
