//! What workers say: changes, answers, signs of life. What may have been missed is asked for.

use std::{sync::Arc, time::Duration};

use chat_bus::{BusError, SignalStream, Topic};
use chat_protocol::{
    limits,
    model::{Presence, PresenceState},
    presence::{self, Answer, News},
};
use futures_util::StreamExt;
use tokio::time::Instant;

use crate::app::App;

/// After a failure to listen, or to ask.
const RETRY: Duration = Duration::from_secs(1);
/// Between two questions of one refresh.
const PACE: Duration = Duration::from_millis(20);

/// Listens; ends never.
pub async fn run(app: Arc<App>) {
    loop {
        if let Ok((mut news, mut answers)) = ears(&app).await {
            loop {
                tokio::select! {
                    said = news.next() => match said.map(|said| presence::decode(&said)) {
                        Some(Some(said)) => app.on_news(said),
                        Some(None) => {}
                        None => break,
                    },
                    answer = answers.next() => match answer.map(|answer| presence::decode::<Answer>(&answer)) {
                        Some(Some(answer)) => app.presence.asks.on_answer(answer),
                        Some(None) => {}
                        None => break,
                    },
                }
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn ears(app: &App) -> Result<(SignalStream, SignalStream), BusError> {
    let answers = app.log.listen(&Topic::Answers(app.presence.inbox)).await?;
    Ok((app.log.listen(&Topic::PresenceNews).await?, answers))
}

/// Asks anew about those who are watched here, wherever something may have been missed; ends never.
pub async fn refresh(app: Arc<App>) {
    loop {
        app.presence.doubt.notified().await;
        let parts = app.presence.workers.lock().take_doubtful();
        let users = app.presence.watches.watched_in(parts);
        for some in users.chunks(limits::WATCHES) {
            let heard = app.ask(some, false).await;
            let mut states: Vec<Presence> = Vec::with_capacity(some.len());
            for user in some {
                match heard.states.get(user) {
                    Some(state) => states.push(state.clone()),
                    None if heard.covered.has(*user) && app.presence.watches.is_there(*user) => {
                        states.push(Presence {
                            user: *user,
                            state: PresenceState::Offline,
                            text: None,
                            last_seen: None,
                        });
                    }
                    None => {}
                }
            }
            app.complete_offline(&mut states).await;
            app.learn(states);
            let unanswered = parts.without(heard.covered);
            if some.iter().any(|user| unanswered.has(*user)) {
                tokio::time::sleep(RETRY).await;
                app.presence.workers.lock().doubt(unanswered);
                app.presence.doubt.notify_one();
            }
            tokio::time::sleep(PACE).await;
        }
    }
}

impl App {
    fn on_news(&self, news: News) {
        if self.presence.workers.lock().on_news(&news, Instant::now()) {
            self.presence.doubt.notify_one();
        }
        self.learn(news.changes);
    }

    /// Those who are watched here are so now.
    pub(super) fn learn(&self, states: Vec<Presence>) {
        if self.presence.watches.learn(states, self.now()) {
            self.presence.changed.notify_one();
        }
    }
}
