//! How many members of a big conversation are there, for those who have it on screen.
//!
//! Up to 5,000 members all are counted. Of a broadcast with more the first 5,000 are, and the rest is estimated by
//! their part; that bounds what one number may cost.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chat_bus::BusError;
use chat_protocol::{
    ConversationId, UserId,
    frame::{Counts, ServerFrame, Want},
    limits,
};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{app::App, conn::Conn, delivery, fault::Fault};

/// Between two counts.
const EVERY: Duration = Duration::from_secs(5);
/// The same for the biggest.
const SLOWLY: Duration = Duration::from_secs(30);
/// Conversations counted in one turn; the others wait for the next.
const PER_TURN: usize = 50;
/// Members of a broadcast read at once, and how long what was read counts.
const PAGE: usize = 1_000;
const READ_COUNTS: Duration = Duration::from_secs(300);

/// What is remembered of a conversation on screen.
struct Counted {
    at: Instant,
    big: bool,
    /// Of a broadcast: who was counted, how many there are, and when they were read.
    sample: Option<(Vec<UserId>, u64, Instant)>,
}

/// Counts; ends never.
pub async fn run(app: Arc<App>) {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut counted: HashMap<ConversationId, Counted> = HashMap::new();
    loop {
        tick.tick().await;
        let now = Instant::now();
        let focused = app.signals.audience.focused();
        counted.retain(|conversation, _| focused.iter().any(|(focused, _)| focused == conversation));
        let mut due: Vec<_> =
            focused.into_iter().filter(|(conversation, _)| is_due(counted.get(conversation), now)).collect();
        due.sort_by_key(|(conversation, _)| counted.get(conversation).map(|counted| counted.at));
        for (conversation, conns) in due.into_iter().take(PER_TURN) {
            let known = counted.remove(&conversation).and_then(|counted| counted.sample);
            if let Ok((online, big, sample)) = app.count(conversation, known, now).await {
                counted.insert(conversation, Counted { at: now, big, sample });
                if let Some(online) = online {
                    app.show_count(conversation, online, &conns).await;
                }
            }
        }
    }
}

fn is_due(counted: Option<&Counted>, now: Instant) -> bool {
    // Half a tick's grace, or every other one would be missed.
    counted.is_none_or(|counted| now.duration_since(counted.at) + EVERY / 2 >= if counted.big { SLOWLY } else { EVERY })
}

type Sample = Option<(Vec<UserId>, u64, Instant)>;

impl App {
    /// How many are there, where that is shown; whether the conversation is one of the biggest.
    async fn count(
        &self,
        of: ConversationId,
        known: Sample,
        now: Instant,
    ) -> Result<(Option<u64>, bool, Sample), Fault> {
        let roster = self.hub.room(of).await?.roster().await?;
        let sample = match known {
            _ if !roster.is_partial() => None,
            Some(sample) if now.duration_since(sample.2) < READ_COUNTS => Some(sample),
            _ => {
                let (members, total) = self.sample(of).await?;
                Some((members, total, now))
            }
        };
        let (members, total) = match &sample {
            Some((members, total, _)) => (members.clone(), *total),
            None => {
                let members: Vec<UserId> = roster.members().map(|member| member.user).collect();
                let total = members.len() as u64;
                (members, total)
            }
        };
        if total <= limits::COUNTS_FROM as u64 {
            return Ok((None, false, sample));
        }
        let heard = self.ask(&members, true).await;
        if heard.covered.is_empty() {
            return Err(BusError::Unavailable.into());
        }
        let counted = (members.len() as u64).max(1);
        let online = heard.online * total / counted;
        Ok((Some(online), total > limits::COUNTS_SLOWER_FROM as u64, sample))
    }

    /// The first members of a broadcast, and how many there are at least: counting more is not worth it.
    async fn sample(&self, of: ConversationId) -> Result<(Vec<UserId>, u64), Fault> {
        let (mut sample, mut total, mut after) = (Vec::new(), 0_u64, None);
        while total < limits::COUNTS_MOST as u64 {
            let page = self.store.members(of, after, PAGE).await?;
            total += page.len() as u64;
            after = page.last().map(|member| member.user);
            if sample.len() < limits::MEMBERS {
                sample.extend(page.iter().map(|member| member.user));
            }
            if page.len() < PAGE {
                break;
            }
        }
        Ok((sample, total))
    }

    async fn show_count(&self, conversation: ConversationId, online: u64, conns: &[Arc<Conn>]) {
        let frame = ServerFrame::Counts(Counts { conversation, online });
        for conn in conns.iter().filter(|conn| conn.wants(Want::Presence)) {
            if self.may_hear(conn, conversation).await {
                conn.show(&delivery::message(conn.codec, &frame), "counts");
            }
        }
    }
}
