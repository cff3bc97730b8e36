//! The worker's loop: hears beats, questions and other workers, does what [`Tracker`] and [`Share`] say.
//!
//! It counts in a time of its own that no clock can step. A worker that was stopped, or that does not hear itself on the
//! bus, has missed what happened: others have taken its parts, and it starts anew, knowing nobody. Where it and the only
//! gateway are one process, both stood still: nothing was missed, nobody else has taken anything, and it goes on.

use std::time::Duration;

use chat_bus::{SignalStream, Topic};
use chat_protocol::{
    NodeId, Timestamp,
    model::PresenceState,
    presence::{self, Answer, Ask, Beat, News, Partitions, unpack_ends, unpack_leases, unpack_users},
};
use chat_service::{Shutdown, health::Check};
use futures_util::StreamExt;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::{
    Config, Deps, metrics,
    out::{Budget, Out},
    share::Share,
    stored::{Seen, Statuses},
    tracker::{Rules, Step, Tracker},
};

/// Between two looks at what is due, and two messages of changes.
const TICK: Duration = Duration::from_millis(100);
/// Users looked at in one tick, so that a lost gateway's do not hold up the rest.
const USERS_PER_TICK: usize = 20_000;
/// Changes in one message: some 40 KB.
const CHANGES_PER_MESSAGE: usize = 500;
/// Signs of life that may be missing before a worker counts as lost.
pub const SIGNS_MISSED: u32 = 3;
/// After a failure to listen.
const RETRY: Duration = Duration::from_secs(1);
/// Between two counts of all leases.
const COUNT_MS: i64 = 5_000;
/// For the last writes.
const FLUSH_DEADLINE: Duration = Duration::from_secs(5);

pub struct Worker {
    config: Config,
    deps: Deps,
    started: Instant,
    started_at: Timestamp,
    node: NodeId,
    tracker: Tracker,
    share: Share,
    out: Out,
    asks: Budget,
    statuses: Statuses,
    seen: Seen,
    /// Of the last message with changes.
    seq: u64,
    said_at: Timestamp,
    heard_itself_at: Timestamp,
    ticked_at: Timestamp,
    counted_at: Timestamp,
}

/// What a worker hears.
struct Ears {
    beats: SignalStream,
    asks: SignalStream,
    news: SignalStream,
}

impl Worker {
    pub fn new(config: Config, deps: Deps) -> Self {
        let now = deps.clock.now();
        let node = new_node(now);
        let (lease_ms, lost_ms) = (ms(config.lease), ms(config.sign_interval * SIGNS_MISSED));
        Self {
            started: Instant::now(),
            started_at: now,
            node,
            tracker: Tracker::new(rules(&config)),
            share: Share::new(node, lease_ms, lost_ms, deps.alone, now),
            out: Out::new(config.changes_per_s, now),
            asks: Budget::new(config.asks_per_s, now),
            statuses: Statuses::default(),
            seen: Seen::default(),
            seq: 0,
            said_at: Timestamp::EPOCH,
            heard_itself_at: now,
            ticked_at: now,
            counted_at: Timestamp::EPOCH,
            config,
            deps,
        }
    }

    /// Works until the drain begins.
    pub async fn run(mut self, check: Check, shutdown: &Shutdown) {
        while !shutdown.is_draining() {
            match self.listen().await {
                Ok(ears) => {
                    check.ok();
                    tokio::select! {
                        () = shutdown.draining() => {}
                        () = self.work(ears) => check.fail("nothing is heard"),
                    }
                }
                Err(err) => {
                    check.fail("nothing is heard");
                    tracing::warn!(error = %err, "not listening");
                }
            }
            if !shutdown.is_draining() {
                tokio::time::sleep(RETRY).await;
            }
        }
        self.say(Vec::new(), true).await;
        let _ = timeout(FLUSH_DEADLINE, self.seen.flush(&self.deps.store)).await;
    }

    async fn listen(&self) -> Result<Ears, chat_bus::BusError> {
        let log = &self.deps.log;
        let news = log.listen(&Topic::PresenceNews).await?;
        let asks = log.listen(&Topic::Asks).await?;
        let beats = log.listen(&Topic::Beats).await?;
        Ok(Ears { beats, asks, news })
    }

    /// Ends when the bus does.
    async fn work(&mut self, mut ears: Ears) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                beat = ears.beats.next() => match beat {
                    Some(beat) => self.on_beat(&beat),
                    None => return,
                },
                ask = ears.asks.next() => match ask {
                    Some(ask) => self.on_ask(&ask).await,
                    None => return,
                },
                news = ears.news.next() => match news {
                    Some(news) => self.on_news(&news),
                    None => return,
                },
                read = self.statuses.read() => {
                    let now = self.now();
                    for (user, status) in read {
                        let steps = self.tracker.on_loaded(user, status, now);
                        self.perform(steps);
                    }
                }
                () = self.seen.written() => {}
                _ = tick.tick() => self.on_tick().await,
            }
        }
    }

    fn on_beat(&mut self, bytes: &[u8]) {
        let Some(Beat { gateway, leases, ends, stated, leaving }) = presence::decode(bytes) else { return };
        let (now, followed) = (self.now(), self.share.claims().followed);
        if self.has_to_begin_anew(now) {
            // What waited in the meantime is old, and those who came for it meanwhile are not known here.
            return;
        }
        let mut steps = Vec::new();
        for lease in unpack_leases(&leases).filter(|lease| followed.has(lease.user)) {
            steps.extend(self.tracker.on_lease(gateway, lease, now));
        }
        for end in unpack_ends(&ends).filter(|end| followed.has(end.user)) {
            steps.extend(self.tracker.on_end(gateway, end, now));
        }
        for stated in stated.into_iter().filter(|stated| followed.has(stated.user)) {
            steps.extend(self.tracker.on_stated(stated, now));
        }
        if leaving {
            steps.extend(self.tracker.on_leaving(gateway, now));
        }
        self.perform(steps);
    }

    async fn on_ask(&mut self, bytes: &[u8]) {
        let Some(Ask { id, gateway, users, count }) = presence::decode(bytes) else { return };
        let now = self.now();
        if self.has_to_begin_anew(now) || self.is_cut_off(now) {
            return;
        }
        if self.asks.take(1, now) == 0 {
            return metrics::shed("ask");
        }
        let claims = self.share.claims();
        let mut answer = Answer { id, covered: claims.owned.common(claims.warm), ..Answer::default() };
        let mut asked = false;
        for user in unpack_users(&users).filter(|user| claims.owned.has(*user)) {
            asked = true;
            if count {
                answer.online += u64::from(self.tracker.is_there(user));
            } else if let Some(state) = self.tracker.presence(user)
                // That somebody is not there is known only of parts that are warm.
                && (state.state != PresenceState::Offline || claims.warm.has(user))
            {
                answer.states.push(state);
            }
        }
        if asked {
            metrics::signal("answer");
            if self.deps.log.emit(&Topic::Answers(gateway), presence::encode(&answer)).await.is_err() {
                metrics::shed("answer");
            }
        }
    }

    fn on_news(&mut self, bytes: &[u8]) {
        let Some(news) = presence::decode::<News>(bytes) else { return };
        let now = self.now();
        if news.worker == self.node {
            if self.is_cut_off(now) {
                self.reset(now);
            }
            self.heard_itself_at = now;
        } else {
            self.share.on_news(&news, now);
        }
    }

    async fn on_tick(&mut self) {
        let now = self.now();
        if self.has_to_begin_anew(now) {
            self.reset(now);
        }
        self.ticked_at = now;
        let moved = self.share.on_tick(now);
        if moved {
            let claims = self.share.claims();
            metrics::partitions(claims.owned.len(), claims.warm.len(), claims.followed.len());
            self.tracker.forget(Partitions::ALL.without(claims.followed));
        }
        // Who hears nothing hears no beats either: nobody's lease ends by that.
        if !self.is_cut_off(now) {
            let steps = self.tracker.on_tick(now, USERS_PER_TICK);
            self.perform(steps);
            loop {
                let changes = self.out.take(CHANGES_PER_MESSAGE, now);
                if changes.is_empty() {
                    break;
                }
                self.say(changes, false).await;
            }
        }
        if moved || now.as_ms() - self.said_at.as_ms() >= ms(self.config.sign_interval) {
            self.say(Vec::new(), false).await;
        }
        if now.as_ms() - self.counted_at.as_ms() >= COUNT_MS {
            self.counted_at = now;
            metrics::leases(self.tracker.leases(self.share.claims().owned));
        }
        self.statuses.start(&self.deps.store);
        self.seen.start(&self.deps.store);
    }

    fn perform(&mut self, steps: Vec<Step>) {
        let claims = self.share.claims();
        for step in steps {
            match step {
                Step::Announce(presence) if !claims.owned.has(presence.user) => metrics::suppressed("follows"),
                Step::Announce(presence) if !claims.warm.has(presence.user) => metrics::suppressed("new"),
                Step::Announce(presence) => {
                    metrics::transition(presence.state);
                    if !self.out.push(presence) {
                        metrics::shed("change");
                        // The gap tells gateways to ask.
                        self.seq += 1;
                    }
                }
                Step::Load(user) => self.statuses.want(user),
                // The other one that follows the user would write the same.
                Step::Seen(user, at) if claims.owned.has(user) => self.seen.push(user, at),
                Step::Seen(..) => {}
            }
        }
    }

    /// Tells gateways and workers; what is lost here is seen by the gap.
    async fn say(&mut self, changes: Vec<chat_protocol::model::Presence>, leaving: bool) {
        let claims = self.share.claims();
        let (owned, warm) = (claims.owned, claims.warm);
        let count = changes.len();
        self.seq += u64::from(count > 0);
        self.said_at = self.now();
        let news = News { worker: self.node, seq: self.seq, owned, warm, changes, leaving };
        metrics::signal(if count > 0 { "changes" } else { "sign" });
        match self.deps.log.emit(&Topic::PresenceNews, presence::encode(&news)).await {
            Ok(()) => metrics::announced(count),
            Err(_) => (0..count).for_each(|_| metrics::shed("change")),
        }
    }

    /// Whether it stood still for so long that others have taken its parts. In one process there are no others, and the
    /// gateway stood still too: nothing can have been missed, and it goes on from here.
    fn has_to_begin_anew(&mut self, now: Timestamp) -> bool {
        let slept_ms = now.as_ms() - self.ticked_at.as_ms();
        if slept_ms <= self.lost_ms() {
            return false;
        }
        if self.deps.alone {
            tracing::warn!(slept_ms, "this process stood still: no lease and no grace ran meanwhile");
            self.tracker.stood_still(slept_ms);
            self.ticked_at = now;
            self.heard_itself_at = now;
        }
        !self.deps.alone
    }

    fn is_cut_off(&self, now: Timestamp) -> bool {
        now.as_ms() - self.heard_itself_at.as_ms() > self.lost_ms()
    }

    fn lost_ms(&self) -> i64 {
        ms(self.config.sign_interval * SIGNS_MISSED)
    }

    /// Another worker from now on, which knows nobody.
    fn reset(&mut self, now: Timestamp) {
        tracing::warn!("slept or cut off: everybody is forgotten, nothing is announced for one lease time");
        metrics::reset();
        self.node = new_node(now);
        self.tracker = Tracker::new(rules(&self.config));
        self.share = Share::new(self.node, ms(self.config.lease), self.lost_ms(), false, now);
        self.out = Out::new(self.config.changes_per_s, now);
        self.seq = 0;
        self.ticked_at = now;
        self.heard_itself_at = now;
        self.said_at = Timestamp::EPOCH;
    }

    fn now(&self) -> Timestamp {
        self.started_at.plus_ms(ms(self.started.elapsed()))
    }
}

pub fn rules(config: &Config) -> Rules {
    let seen_ms = ms(config.seen_interval);
    Rules {
        lease_ms: ms(config.lease),
        grace_ms: ms(config.grace),
        away_ms: ms(config.away),
        pause_ms: ms(config.pause),
        seen_ms,
        seen_online_ms: seen_ms.saturating_mul(5),
    }
}

fn new_node(now: Timestamp) -> NodeId {
    NodeId::ulid(u64::try_from(now.as_ms()).unwrap_or(0), rand::random())
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
