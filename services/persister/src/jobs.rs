//! Long work that requests left: what is left of deleted conversations and closed accounts is removed, bit by bit.
//!
//! A job is taken for a minute, worked at in bounded steps, and after each step it is noted where to go on. A worker
//! that dies leaves a claim that ends by itself, and any other goes on; repeating a step is right.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use chat_bus::Nonce;
use chat_protocol::{
    ConversationId, Seq, UserId,
    event::{Body, ConversationRemoved, Event, LeftReason, MemberLeft},
    model::{AccountState, JobKind, JobState, Kind},
    rights::Role,
};
use chat_service::Shutdown;
use chat_store::{JobRow, Membership};
use tokio::time::{MissedTickBehavior, interval};

use crate::{Config, Deps, metrics};

/// Jobs of a kind that are looked at in one round.
const JOBS: usize = 100;
/// How long a claim holds without being renewed.
const LEASE_MS: i64 = 60_000;
/// Between two steps: jobs can wait, messages cannot.
const PAUSE: Duration = Duration::from_millis(20);
/// A conversation that is not deleted by then will not be: its request failed halfway.
const GIVEN_UP_MS: i64 = 3_600_000;
/// Members, or memberships, of one step.
const PAGE: usize = 200;

/// What a step left to do.
enum Step {
    /// Go on from here.
    More(String),
    /// Not yet: others must come first.
    Later,
    /// Over.
    Ended(JobState),
}

/// Looks for work until the drain begins.
pub(crate) async fn run(config: Config, deps: Arc<Deps>, shutdown: Shutdown) {
    let worker = Worker { id: rand::random(), deps, shutdown: shutdown.clone() };
    let mut tick = interval(config.jobs_interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.draining() => return,
            _ = tick.tick() => {}
        }
        for kind in [JobKind::Purge, JobKind::Erase] {
            if let Err(err) = worker.round(kind).await {
                tracing::warn!(error = format!("{err:#}"), "jobs wait");
            }
        }
    }
}

struct Worker {
    /// Of this run of this process.
    id: u128,
    deps: Arc<Deps>,
    shutdown: Shutdown,
}

impl Worker {
    async fn round(&self, kind: JobKind) -> anyhow::Result<()> {
        for row in self.deps.store.open_jobs(kind, JOBS).await.context("look for jobs")? {
            let now = self.deps.clock.now();
            if row.not_before <= now && self.claim(&row).await? {
                // One that fails is tried again in a later round, and stops no other.
                if let Err(err) = self.work(row).await {
                    metrics::job(kind, "interrupted");
                    tracing::warn!(?kind, error = format!("{err:#}"), "job interrupted");
                }
            }
            if self.shutdown.is_draining() {
                break;
            }
        }
        Ok(())
    }

    async fn claim(&self, row: &JobRow) -> anyhow::Result<bool> {
        let now = self.deps.clock.now();
        let claimed = self.deps.store.claim_job(row.job.id, self.id, now, now.plus_ms(LEASE_MS)).await;
        claimed.context("claim a job")
    }

    async fn work(&self, mut row: JobRow) -> anyhow::Result<()> {
        while !self.shutdown.is_draining() && self.claim(&row).await? {
            let step = match row.job.kind {
                JobKind::Purge => self.purge(&row).await?,
                JobKind::Erase => self.erase(&row).await?,
            };
            let (state, progress) = match step {
                Step::More(progress) => (JobState::Running, progress),
                Step::Later => return Ok(()),
                Step::Ended(state) => (state, String::new()),
            };
            if !self.deps.store.note_job(row.job.id, self.id, state, &progress).await.context("note a step")? {
                return Ok(());
            }
            metrics::job_step(row.job.kind);
            if state != JobState::Running {
                metrics::job(row.job.kind, if state == JobState::Done { "done" } else { "cancelled" });
                tracing::info!(job = %row.job.id, kind = ?row.job.kind, ?state, "job ended");
                return Ok(());
            }
            row.progress = progress;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// A deleted conversation: its readers are told, then its rows go.
    async fn purge(&self, row: &JobRow) -> anyhow::Result<Step> {
        let of = ConversationId::from_u128(row.subject);
        let conversation = self.deps.store.conversation(of).await?;
        let Some(conversation) = conversation.filter(|conversation| conversation.deleted) else {
            let age_ms = self.deps.clock.now().as_ms() - row.job.created_at.as_ms();
            return Ok(if age_ms > GIVEN_UP_MS { Step::Ended(JobState::Cancelled) } else { Step::Later });
        };
        match Purge::read(&row.progress) {
            Purge::Wait if !self.is_settled(of).await? => Ok(Step::Later),
            Purge::Wait if conversation.kind == Kind::Broadcast => Ok(Purge::Tell(None).step()),
            Purge::Wait => Ok(Purge::Rows(String::new()).step()),
            Purge::Tell(after) => Ok(match self.tell_readers(row, of, after).await? {
                Some(last) => Purge::Tell(Some(last)).step(),
                None => Purge::Rows(String::new()).step(),
            }),
            Purge::Rows(progress) => Ok(match self.deps.store.purge(of, &progress).await.context("purge")? {
                Some(progress) => Purge::Rows(progress).step(),
                None => Step::Ended(JobState::Done),
            }),
        }
    }

    /// Whether everything the log holds of it is in the store: what came later would stay there.
    async fn is_settled(&self, of: ConversationId) -> anyhow::Result<bool> {
        let heads = self.deps.log.heads(&[of], true).await.context("read the head")?;
        let head = heads.first().copied().flatten().unwrap_or(Seq::ZERO);
        let state = self.deps.log.shard_state(self.deps.log.shard_of(of)).await.context("look at the shard")?;
        Ok(head <= state.settled)
    }

    /// Answers the last of them; `None` when there are no more.
    async fn tell_readers(
        &self,
        row: &JobRow,
        of: ConversationId,
        after: Option<UserId>,
    ) -> anyhow::Result<Option<UserId>> {
        let members = self.deps.store.members(of, after, PAGE).await.context("list readers")?;
        let removed = ConversationRemoved { conversation: of, reason: LeftReason::Deleted };
        for reader in members.iter().filter(|member| member.role == Role::Reader) {
            let feed = ConversationId::feed(reader.user);
            self.append(row, feed, row.job.started_by, Body::ConversationRemoved(removed)).await?;
        }
        Ok(members.last().map(|last| last.user))
    }

    /// A closed account: its memberships end, then what is left of it goes.
    async fn erase(&self, row: &JobRow) -> anyhow::Result<Step> {
        let user = UserId::from_u128(row.subject);
        match self.deps.store.account(user).await?.map(|account| account.user.state) {
            Some(AccountState::Deactivated) => {}
            Some(AccountState::Active | AccountState::Suspended) => return Ok(Step::Ended(JobState::Cancelled)),
            // An earlier try got to the end of it.
            Some(AccountState::Erased) | None => return Ok(Step::Ended(JobState::Done)),
        }
        let after = row.progress.parse().ok();
        let places = self.deps.store.memberships(user, after, PAGE).await.context("list memberships")?;
        for place in &places {
            self.leave(row, user, place).await?;
        }
        if let Some(last) = places.last() {
            return Ok(Step::More(last.conversation.to_string()));
        }
        self.deps.store.erase_user(user).await.context("erase")?;
        Ok(Step::Ended(JobState::Done))
    }

    async fn leave(&self, row: &JobRow, user: UserId, place: &Membership) -> anyhow::Result<()> {
        let of = place.conversation;
        let conversation = self.deps.store.conversation(of).await?;
        match conversation.filter(|conversation| !conversation.deleted).map(|conversation| conversation.kind) {
            // The two of a direct conversation are its members for ever.
            Some(Kind::Direct) | None => Ok(()),
            Some(Kind::Broadcast) if place.member.role == Role::Reader => {
                let at = self.deps.log.shard_state(self.deps.log.shard_of(of)).await.context("look at the shard")?.last;
                Ok(self.deps.store.set_reader(of, user, None, at).await?)
            }
            Some(Kind::Broadcast | Kind::Group) => {
                let left = MemberLeft { user, role: Some(place.member.role), reason: LeftReason::Left, ban: None };
                self.append(row, of, user, Body::MemberLeft(left)).await
            }
        }
    }

    /// Once per job, as far as the log remembers; twice does no harm.
    async fn append(&self, row: &JobRow, to: ConversationId, by: UserId, body: Body) -> anyhow::Result<()> {
        let (job, place) = (row.job.id.as_u128().to_be_bytes(), to.as_u128().to_be_bytes());
        let event = Event { at: self.deps.clock.now(), by, body }.encode();
        self.deps.log.append(to, Nonce::hash(&[b"job", &job, &place]), event, None).await.context("append")?;
        Ok(())
    }
}

/// Where a purge is, as its job notes it.
#[derive(Debug, PartialEq, Eq)]
enum Purge {
    /// For what the log holds of it to be in the store.
    Wait,
    /// Readers after this one are told.
    Tell(Option<UserId>),
    /// Rows go; where the store goes on.
    Rows(String),
}

impl Purge {
    fn read(progress: &str) -> Self {
        match progress.split_once(' ') {
            Some(("tell", after)) => Self::Tell(after.parse().ok()),
            Some(("rows", progress)) => Self::Rows(progress.to_owned()),
            _ => Self::Wait,
        }
    }

    fn step(self) -> Step {
        Step::More(match self {
            Self::Wait => String::new(),
            Self::Tell(after) => format!("tell {}", after.map(|user| user.to_string()).unwrap_or_default()),
            Self::Rows(progress) => format!("rows {progress}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_back() {
        let user = UserId::from_u128(7);
        for (noted, place) in [
            ("", Purge::Wait),
            ("tell ", Purge::Tell(None)),
            (&format!("tell {user}"), Purge::Tell(Some(user))),
            ("rows ", Purge::Rows(String::new())),
            ("rows 3 of 4", Purge::Rows("3 of 4".into())),
        ] {
            assert_eq!(Purge::read(noted), place);
            let Step::More(again) = place.step() else { panic!("it goes on") };
            assert_eq!(again, noted);
        }
    }
}
