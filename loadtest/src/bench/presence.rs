//! G5: what presence costs, and that its overload costs messages nothing. On the embedded log, where messages to the bus
//! are counted by the server itself.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::ensure;
use serde_json::json;

use super::{
    Goal, Options, Ratio, Ratios,
    servers::{Chat, Log, metric},
};
use crate::{
    connect::Opening,
    crowd::{Crowd, Id},
    drive::open_loop,
    heard::Heard,
    layout::Layout,
    process::{Cores, check_files},
    service::{Account, Service},
    stamp::Clock,
    stats::Runs,
    wire::{Opcode, masked},
};

/// Users in one group: below what is shown as a number.
const USERS: usize = 100;
/// Changes of one user, a frame's pause apart.
const CHANGES: usize = 10;
const APART: Duration = Duration::from_millis(2_600);
/// For all watches to be answered.
const PATIENCE: Duration = Duration::from_secs(60);
/// Sockets that do nothing, and for how long.
const IDLE: usize = 2_000;
const IDLE_FOR: Duration = Duration::from_secs(60);
/// What a gateway may do for presence in a second, by default, and how much more is asked of it.
const BUDGET_PER_S: f64 = 1_000.0;
const OVER: f64 = 10.0;
/// Half of the frames name as many users as a screen shows, which counts three times; a status counts once.
const SCREEN: usize = 20;
const PER_FRAME: f64 = 2.0;
/// Sockets that flood.
const FLOODERS: usize = 100;
/// Messages meanwhile.
const TALK: Layout = Layout { rooms: 50, members: 4, rate: 300.0 };

pub(super) fn measure(options: &Options, cores: Cores, ratios: &mut Ratios) {
    if let Err(err) = check_files(IDLE + TALK.sockets() + FLOODERS) {
        return ratios.note("G5 presence", Err(err));
    }
    let frames = frames_per_change(options, cores, ratios);
    ratios.note("G5 frames per change ÷ watchers", frames);
    let messages = messages_when_idle(options, cores, ratios);
    ratios.note("G5 bus messages per idle socket and minute", messages);
    let flooded = flood(options, cores, ratios);
    ratios.note("G5 ack p99 with presence at 10 × its budget ÷ without", flooded);
}

/// One user changes; everybody else watches everybody.
fn frames_per_change(options: &Options, cores: Cores, ratios: &mut Ratios) -> anyhow::Result<()> {
    let options = options.with_args(&["--presence-pause=1s"]);
    let chat = Chat::start(&options, &Log::Embedded, cores)?;
    let mut service = Service::new(chat.public, 0);
    let accounts = service.register(USERS)?;
    service.create_group(&accounts)?;
    let mut crowd = Crowd::new()?;
    let ids =
        accounts.iter().map(|account| crowd.join(service.enter(account)?)).collect::<anyhow::Result<Vec<Id>>>()?;
    let everybody: Vec<String> = accounts.iter().map(|account| account.id.to_string()).collect();
    for &id in &ids {
        say(&mut crowd, id, &json!({ "type": "watch", "ref": 1, "add": everybody }));
    }
    let watchers = ids.len() as u64;
    let (begun, mut answers) = (Instant::now(), 0);
    while answers < watchers {
        ensure!(begun.elapsed() < PATIENCE, "{answers} of {watchers} watches were answered");
        answers += presence_frames(&mut crowd, Duration::from_millis(500))?;
    }
    // Whoever was seen to come.
    crowd.serve(Duration::from_secs(6))?;
    let (mut frames, mut least) = (0_u64, u64::MAX);
    for change in 0..CHANGES {
        let status = json!({ "type": "status", "state": "auto", "text": format!("change {change}") });
        say(&mut crowd, ids[change % ids.len()], &status);
        let heard = presence_frames(&mut crowd, APART)?;
        least = least.min(heard);
        frames += heard;
    }
    let per_change = frames as f64 / CHANGES as f64;
    ratios.add(Ratio {
        metric: format!("G5 frames per change ÷ watchers, {USERS} who watch each other"),
        unit: "frames",
        baseline: watchers as f64,
        ours: per_change,
        ratio: per_change / watchers as f64,
        spread: format!("least {least}"),
        goal: Goal::AtMost { must: 1.1, target: 1.0 },
        void: if least == watchers { String::new() } else { format!("{least} of {watchers} heard a change") },
    });
    Ok(())
}

fn presence_frames(crowd: &mut Crowd, time: Duration) -> anyhow::Result<u64> {
    let (end, mut frames) = (Instant::now() + time, 0);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        crowd.turn(left, |_, heard| frames += u64::from(matches!(heard, Heard::Other(b"presence"))))?;
        if left.is_zero() {
            return Ok(frames);
        }
    }
}

/// Sockets that only answer pings; what is put on the bus for them.
fn messages_when_idle(options: &Options, cores: Cores, ratios: &mut Ratios) -> anyhow::Result<()> {
    let chat = Chat::start(options, &Log::Embedded, cores)?;
    let mut service = Service::new(chat.public, 0);
    let accounts = service.register(IDLE.div_ceil(options.sockets_per_user))?;
    let mut crowd = Crowd::new()?;
    for number in 0..IDLE {
        crowd.join(service.enter(&accounts[number / options.sockets_per_user])?)?;
        crowd.serve(Duration::ZERO)?;
    }
    crowd.serve(Duration::from_secs(2))?;
    let before = signals(chat.ops)?;
    crowd.serve(IDLE_FOR)?;
    let messages = signals(chat.ops)? - before;
    let per_socket = messages / IDLE as f64 / (IDLE_FOR.as_secs_f64() / 60.0);
    ratios.add(Ratio {
        metric: format!("G5 bus messages per idle socket and minute, {IDLE} sockets"),
        unit: "messages",
        baseline: IDLE as f64,
        ours: messages,
        ratio: per_socket,
        spread: String::new(),
        goal: Goal::AtMost { must: 0.1, target: 0.0 },
        void: if messages > 0.0 { String::new() } else { "nothing was counted".to_owned() },
    });
    Ok(())
}

/// Every presence message that the server put on the bus.
fn signals(ops: SocketAddr) -> anyhow::Result<f64> {
    metric(ops, "chat_presence_signals_total")
}

/// Messages with and without ten times as much presence as a gateway takes, in turns.
fn flood(options: &Options, cores: Cores, ratios: &mut Ratios) -> anyhow::Result<()> {
    let open = "1000000/1s";
    let mut args = vec!["--gateway-limits=enforce".to_owned(), "--gateway-sockets-per-address=100000".to_owned()];
    args.extend(LIMITS.map(|limit| format!("--gateway-limit-{limit}={open}")));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let options = options.with_args(&args);
    let chat = Chat::start(&options, &Log::Embedded, cores)?;
    let mut service = Service::new(chat.public, 0);
    let mut crowd = Crowd::new()?;
    let rooms = service.populate(&mut crowd, TALK, options.sockets_per_user)?;
    let accounts = service.register(FLOODERS)?;
    service.create_group(&accounts)?;
    let clock = Clock::start();
    let offer = options.timing.offer(TALK.rate, true);
    let (mut calm, mut flooded, mut quotients) = (Runs::default(), Runs::default(), Runs::default());
    let (mut said, mut void) = (0.0, String::new());
    let shed_before = metric(chat.ops, "chat_presence_shed_total")?;
    for _ in 0..options.timing.runs.max(3) {
        let without = open_loop(&mut crowd, &rooms, offer, &chat.watched, &clock)?;
        let flood = Flood::begin(&mut service, &accounts)?;
        let with = open_loop(&mut crowd, &rooms, offer, &chat.watched, &clock)?;
        said = flood.end()?;
        for outcome in [&without, &with] {
            if outcome.lost() > 0 || outcome.errors > 0 {
                void = format!("{} lost, {:?}", outcome.lost(), outcome.first_error);
            }
        }
        calm.push(without.ack.ms(0.99));
        flooded.push(with.ack.ms(0.99));
        quotients.push(with.ack.ms(0.99) / without.ack.ms(0.99));
    }
    ensure!(metric(chat.ops, "chat_presence_shed_total")? > shed_before, "the flood was below the budget");
    ratios.add(Ratio {
        metric: format!("G5 ack p99 with presence at {:.1} × its budget ÷ without, {TALK}", said / BUDGET_PER_S),
        unit: "ms",
        baseline: calm.median(),
        ours: flooded.median(),
        ratio: quotients.median(),
        spread: quotients.text(2),
        goal: Goal::AtMost { must: 1.2, target: 1.0 },
        void: if said < BUDGET_PER_S * OVER / 2.0 { format!("only {said:.0}/s were asked for") } else { void },
    });
    Ok(())
}

/// Limits that are not under test, and each user's own share of presence.
const LIMITS: [&str; 13] = [
    "requests",
    "anonymous",
    "logins-name",
    "logins-address",
    "registrations",
    "sends",
    "sends-user",
    "conversation",
    "broadcast",
    "connects",
    "hellos",
    "resumes",
    "presence",
];

/// Sockets of their own, on a thread of their own, that say statuses and ask for others without a pause.
struct Flood {
    over: Arc<AtomicBool>,
    said: Arc<AtomicU64>,
    began: Instant,
    thread: std::thread::JoinHandle<anyhow::Result<()>>,
}

impl Flood {
    fn begin(service: &mut Service, accounts: &[Account]) -> anyhow::Result<Self> {
        let openings =
            accounts.iter().map(|account| service.enter(account)).collect::<anyhow::Result<Vec<Opening>>>()?;
        let screen: Vec<String> = accounts.iter().take(SCREEN).map(|account| account.id.to_string()).collect();
        let watch = json!({ "type": "watch", "ref": 1, "add": screen, "remove": screen });
        let frames: Vec<Vec<u8>> = (0..8)
            .map(|number| match number % 2 {
                0 => json!({ "type": "status", "ref": 2, "state": "auto", "text": format!("flood {number}") }),
                _ => watch.clone(),
            })
            .map(|frame| masked(Opcode::Text, frame.to_string().as_bytes()))
            .collect();
        let (over, said) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (is_over, count) = (Arc::clone(&over), Arc::clone(&said));
        let thread = std::thread::spawn(move || {
            let mut crowd = Crowd::new()?;
            let ids = openings.into_iter().map(|opening| crowd.join(opening)).collect::<anyhow::Result<Vec<Id>>>()?;
            let began = Instant::now();
            let mut sent = 0_u64;
            while !is_over.load(Ordering::Relaxed) {
                let due = (began.elapsed().as_secs_f64() * BUDGET_PER_S * OVER / PER_FRAME) as u64;
                while sent < due {
                    let place = sent as usize;
                    crowd.write(ids[place % ids.len()], &frames[(place / ids.len()) % frames.len()]);
                    sent += 1;
                }
                count.store(sent, Ordering::Relaxed);
                crowd.turn(Duration::from_millis(2), |_, _| {})?;
            }
            ensure!(crowd.closed().is_empty(), "flooding sockets were closed: {:?}", crowd.closed().first());
            Ok(())
        });
        Ok(Self { over, said, began: Instant::now(), thread })
    }

    /// How much was asked of the budget in a second.
    fn end(self) -> anyhow::Result<f64> {
        self.over.store(true, Ordering::Relaxed);
        let rate = PER_FRAME * self.said.load(Ordering::Relaxed) as f64 / self.began.elapsed().as_secs_f64();
        self.thread.join().map_err(|_| anyhow::anyhow!("the flood panicked"))??;
        Ok(rate)
    }
}

fn say(crowd: &mut Crowd, id: Id, frame: &serde_json::Value) {
    crowd.write(id, &masked(Opcode::Text, frame.to_string().as_bytes()));
}
