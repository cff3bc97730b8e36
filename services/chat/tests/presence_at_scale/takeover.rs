//! Three workers, one killed and one added, while 2,000 users a second come or go: nobody is said to be otherwise than
//! they have been for 15 seconds, and who never moved is never announced as gone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use chat_bus::{Log, Nats, NatsOptions, SignalStream, Topic};
use chat_protocol::model::PresenceState;
use chat_protocol::presence::{self, Answer, Ask, News, Partitions, pack_users};
use chat_protocol::{NodeId, UserId, time::SystemClock};
use chat_testkit::play::Cluster;
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout_at};

use super::town::{self, Person, Town};

/// The defaults divided by five; a lease is still three beats.
pub const TIMES: [&str; 8] =
    ["--presence-lease", "6s", "--presence-beat", "2s", "--presence-grace", "3s", "--presence-pause", "1s"];
pub const WORKER: [&str; 2] = ["--presence-sign-interval", "1s"];
const BEAT: Duration = Duration::from_secs(2);

const CHANGES_PER_S: u64 = 2_000;
const STAYING: usize = 2_000;
const MOVING: usize = 6_000;
/// After so long everybody is right.
const RIGHT_AFTER: Duration = Duration::from_secs(15);
/// A lost worker's part is taken over.
const TAKEN_OVER_AFTER: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_secs(60);
/// Changes go on for so long before a worker is killed, and after the new one has its part.
const UNDISTURBED: Duration = Duration::from_secs(4);
const LOOK: Duration = Duration::from_millis(100);
/// Users in one question, and how long its answers are waited for, as at a gateway.
const ASKED: usize = 500;
const ANSWERED: Duration = Duration::from_secs(1);

/// What the gateways of a town hear.
struct Hall {
    log: Arc<dyn Log>,
    town: Arc<Mutex<Town>>,
    heard: Arc<Mutex<Heard>>,
    inbox: NodeId,
    answers: SignalStream,
    asked: u64,
}

#[derive(Default)]
struct Heard {
    /// Workers, when they were last heard, and what they know everybody of and answer for.
    workers: HashMap<NodeId, (Instant, Partitions)>,
    announced: u64,
    /// Who was announced as gone and never left.
    slandered: Vec<UserId>,
}

/// What was found out about everybody.
#[derive(Debug, Default)]
struct Found {
    wrong: Vec<Person>,
    unanswered: usize,
    stable: usize,
}

pub async fn nobody_is_wrong(cluster: &mut Cluster) -> anyhow::Result<()> {
    let seed: u64 = rand::random();
    println!("take-over: seed {seed}");
    let town = Arc::new(Mutex::new(Town::new(STAYING, MOVING, seed)));
    let options = NatsOptions { shards: 4, max_bytes: 64 << 20, ..NatsOptions::new([cluster.nats.url()]) };
    let log: Arc<dyn Log> = Arc::new(Nats::connect(options, Arc::new(SystemClock)).await?);
    let rate = Arc::new(Mutex::new(0));
    let mut hall = Hall::open(Arc::clone(&log), Arc::clone(&town)).await?;
    let life = tokio::spawn(town::live(Arc::clone(&town), Arc::clone(&rate), log, BEAT));
    hall.until_owned_by(3).await.context("the first workers")?;
    hall.until_all_are_known().await?;

    *rate.lock() = CHANGES_PER_S;
    let began = Instant::now();
    hall.stays_right_for(UNDISTURBED).await?;
    cluster.presence[0].kill9();
    let lost = hall.until_owned_by(2).await.context("the survivors")?;
    ensure!(lost < TAKEN_OVER_AFTER, "the part of a lost worker was taken over after {lost:?}");
    let mut another = cluster.another_worker()?;
    another.launch()?;
    let added = hall.until_owned_by(3).await.context("the new worker")?;
    hall.stays_right_for(UNDISTURBED).await?;

    *rate.lock() = 0;
    let (quiet, changes) = (Instant::now(), town.lock().changes);
    let rate = changes as f64 / began.elapsed().as_secs_f64();
    loop {
        let found = hall.look().await?;
        if found.unanswered == 0 && hall.all_are_right().await? {
            break;
        }
        ensure!(quiet.elapsed() < RIGHT_AFTER, "not right after {RIGHT_AFTER:?}: {found:?}");
        sleep(LOOK).await;
    }
    life.abort();
    let heard = hall.heard.lock();
    ensure!(heard.slandered.is_empty(), "announced as gone, and never left: {:?}", heard.slandered);
    println!(
        "take-over: {changes} changes at {rate:.0}/s, {} announced; lost part taken over after {lost:.1?}, added worker \
         has its part after {added:.1?}, all {} right {:.1?} after the last change",
        heard.announced,
        STAYING + MOVING,
        quiet.elapsed(),
    );
    Ok(())
}

impl Hall {
    async fn open(log: Arc<dyn Log>, town: Arc<Mutex<Town>>) -> anyhow::Result<Self> {
        let inbox = NodeId::from_u128(rand::random());
        let answers = log.listen(&Topic::Answers(inbox)).await?;
        let mut news = log.listen(&Topic::PresenceNews).await?;
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (ears, people) = (Arc::clone(&heard), Arc::clone(&town));
        tokio::spawn(async move {
            while let Some(said) = news.next().await {
                if let Some(said) = presence::decode::<News>(&said) {
                    ears.lock().on_news(&said, &people.lock());
                }
            }
        });
        Ok(Self { log, town, heard, inbox, answers, asked: 0 })
    }

    /// Waits until every part has an owner that knows everybody, among so many workers in all; nobody is wrong
    /// meanwhile. How long it took.
    async fn until_owned_by(&mut self, workers: usize) -> anyhow::Result<Duration> {
        let began = Instant::now();
        while !self.heard.lock().are_shared_by(workers) {
            ensure!(began.elapsed() < SOON, "the parts are not shared by {workers} workers");
            self.right_so_far().await?;
            sleep(LOOK).await;
        }
        Ok(began.elapsed())
    }

    async fn until_all_are_known(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while !self.all_are_right().await? {
            ensure!(began.elapsed() < SOON, "the workers do not get to know everybody");
            sleep(LOOK).await;
        }
        Ok(())
    }

    async fn stays_right_for(&mut self, time: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.right_so_far().await?;
            sleep(LOOK).await;
        }
        Ok(())
    }

    async fn right_so_far(&mut self) -> anyhow::Result<()> {
        let found = self.look().await?;
        ensure!(found.wrong.is_empty(), "wrong after {RIGHT_AFTER:?}: {found:?}");
        Ok(())
    }

    /// Whether workers answer for everybody, as it is.
    async fn all_are_right(&mut self) -> anyhow::Result<bool> {
        let before = self.town.lock().people.clone();
        let said = self.ask(&before).await?;
        Ok(before.iter().all(|person| said.get(&person.id) == Some(&person.there)))
    }

    /// Asks about everybody. Whoever had been as they are for long enough, and was so until the answers were there,
    /// counts.
    async fn look(&mut self) -> anyhow::Result<Found> {
        let (before, at) = (self.town.lock().people.clone(), Instant::now());
        let said = self.ask(&before).await?;
        let after = self.town.lock().people.clone();
        let mut found = Found::default();
        for (person, _) in before.iter().zip(&after).filter(|(before, after)| before.since == after.since) {
            match said.get(&person.id) {
                None => found.unanswered += 1,
                Some(_) if at.duration_since(person.since) < RIGHT_AFTER => {}
                Some(there) if *there == person.there => found.stable += 1,
                Some(_) => found.wrong.push(*person),
            }
        }
        Ok(found)
    }

    /// Who is there, as the workers say; those are missing for whom nobody answers.
    async fn ask(&mut self, people: &[Person]) -> anyhow::Result<HashMap<UserId, bool>> {
        let mut said = HashMap::with_capacity(people.len());
        for some in people.chunks(ASKED) {
            self.asked += 1;
            let users: Vec<UserId> = some.iter().map(|person| person.id).collect();
            let ask = Ask { id: self.asked, gateway: self.inbox, users: pack_users(&users), count: false };
            self.log.emit(&Topic::Asks, presence::encode(&ask)).await?;
            let (mut covered, mut there) = (Partitions::NONE, HashMap::new());
            let deadline = Instant::now() + ANSWERED;
            while covered != Partitions::ALL {
                let Ok(answer) = timeout_at(deadline, self.answers.next()).await else { break };
                let answer: Answer = answer.and_then(|answer| presence::decode(&answer)).context("an answer")?;
                // One that is late belongs to nobody.
                if answer.id == self.asked {
                    covered = covered.and(answer.covered);
                    there.extend(answer.states.into_iter().map(|state| (state.user, state.state)));
                }
            }
            said.extend(users.into_iter().filter(|user| covered.has(*user)).map(|user| {
                let state = there.get(&user).copied().unwrap_or(PresenceState::Offline);
                (user, state != PresenceState::Offline)
            }));
        }
        Ok(said)
    }
}

impl Heard {
    fn on_news(&mut self, news: &News, town: &Town) {
        self.announced += news.changes.len() as u64;
        let gone = news.changes.iter().filter(|change| change.state == PresenceState::Offline);
        self.slandered.extend(gone.map(|change| change.user).filter(|user| town.staying.contains(user)));
        self.workers.insert(news.worker, (Instant::now(), news.owned.common(news.warm)));
    }

    /// Whether so many workers, heard within the last two signs, answer for all parts, and each for some.
    fn are_shared_by(&self, workers: usize) -> bool {
        let lately = |heard: &Instant| heard.elapsed() < Duration::from_secs(2);
        let alive: Vec<Partitions> =
            self.workers.values().filter(|(heard, _)| lately(heard)).map(|(_, owned)| *owned).collect();
        alive.len() == workers
            && alive.iter().all(|owned| !owned.is_empty())
            && alive.iter().fold(Partitions::NONE, |all, owned| all.and(*owned)) == Partitions::ALL
    }
}
