//! Questions to the presence workers: one message to all, and each answers for its own parts.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chat_bus::Topic;
use chat_protocol::{
    UserId,
    model::{Presence, PresenceState},
    presence::{self, Answer, Ask, Partitions, pack_users, partition},
};
use parking_lot::Mutex;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use crate::{app::App, metrics};

/// What does not come by then does not come.
const DEADLINE: Duration = Duration::from_secs(1);
/// Answers to one question: one for each part at most.
const ANSWERS: usize = presence::PARTITIONS as usize;
/// Questions under way; beyond it what is known here must do.
const QUESTIONS: usize = 256;

/// Questions under way.
#[derive(Default)]
pub struct Asks {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, mpsc::Sender<Answer>>>,
}

/// What was answered.
#[derive(Debug, Default)]
pub struct Heard {
    /// Those who are there, or were a moment ago.
    pub states: HashMap<UserId, Presence>,
    /// Of these parts everybody else is not there.
    pub covered: Partitions,
    /// How many are there.
    pub online: u64,
}

impl Asks {
    pub(super) fn on_answer(&self, answer: Answer) {
        if let Some(asker) = self.waiting.lock().get(&answer.id) {
            // Nobody answers twice for a part: there is room, or it is nobody's answer.
            let _ = asker.try_send(answer);
        }
    }

    fn begin(&self) -> Option<(u64, mpsc::Receiver<Answer>)> {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= QUESTIONS {
            return None;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = mpsc::channel(ANSWERS);
        waiting.insert(id, sender);
        Some((id, receiver))
    }
}

/// Ends a question, however its asker ends.
struct Question<'a>(&'a Asks, u64);

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.0.waiting.lock().remove(&self.1);
    }
}

impl App {
    /// Asks all workers about these users, or only how many of them are there.
    pub(super) async fn ask(&self, users: &[UserId], count: bool) -> Heard {
        let mut heard = Heard::default();
        let parts = Partitions::of(users.iter().map(|user| partition(*user)));
        let expected = self.presence.workers.lock().answering(parts, Instant::now());
        if expected == 0 {
            return heard;
        }
        let asks = &self.presence.asks;
        let Some((id, mut answers)) = asks.begin() else {
            metrics::presence_shed("ask");
            return heard;
        };
        let _question = Question(asks, id);
        let ask = Ask { id, gateway: self.presence.inbox, users: pack_users(users), count };
        self.emit_presence(&Topic::Asks, "ask", presence::encode(&ask)).await;
        let deadline = Instant::now() + DEADLINE;
        // One who is lost is not waited for if another one answers for the same parts.
        for _ in 0..expected {
            if !parts.is_empty() && parts.without(heard.covered).is_empty() {
                break;
            }
            let Ok(Some(answer)) = timeout_at(deadline, answers.recv()).await else { break };
            heard.covered = heard.covered.and(answer.covered);
            heard.online += answer.online;
            heard.states.extend(answer.states.into_iter().map(|state| (state.user, state)));
        }
        heard
    }

    /// How users are: as known here of those who are watched, as the workers say of others. Who is not known to be
    /// there is offline.
    pub(super) async fn states(self: &Arc<Self>, users: &[UserId]) -> Vec<Presence> {
        let mut known = self.presence.watches.known(users);
        let unknown: Vec<UserId> = users.iter().copied().filter(|user| !known.contains_key(user)).collect();
        if !unknown.is_empty() {
            known.extend(self.ask(&unknown, false).await.states);
        }
        let offline = |user| Presence { user, state: PresenceState::Offline, text: None, last_seen: None };
        let mut states: Vec<Presence> =
            users.iter().map(|user| known.remove(user).unwrap_or_else(|| offline(*user))).collect();
        self.complete_offline(&mut states).await;
        states
    }
}
