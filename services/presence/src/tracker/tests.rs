use chat_protocol::model::StatusState;
use proptest::prelude::*;

use super::*;

/// The default ones.
pub const RULES: Rules = Rules {
    lease_ms: 30_000,
    grace_ms: 15_000,
    away_ms: 300_000,
    pause_ms: 5_000,
    seen_ms: 60_000,
    seen_online_ms: 300_000,
};
const ALICE: UserId = UserId::from_u128(1);
const BOB: UserId = UserId::from_u128(2);
const HERE: NodeId = NodeId::from_u128(10);
const THERE: NodeId = NodeId::from_u128(20);

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(1_000_000_000 + ms)
}

fn lease(user: UserId, device: u64) -> Lease {
    Lease { user, device, idle_s: 0, acted: false }
}

/// Alice, whose status is known, has just come.
fn with_alice() -> Tracker {
    let mut tracker = Tracker::new(RULES);
    assert_eq!(tracker.on_lease(HERE, lease(ALICE, 1), at(0)), [Step::Load(ALICE)]);
    let steps = tracker.on_loaded(ALICE, Status::default(), at(0));
    assert_eq!(states(&steps), [PresenceState::Online]);
    tracker
}

fn states(steps: &[Step]) -> Vec<PresenceState> {
    let announced = steps.iter().filter_map(|step| match step {
        Step::Announce(presence) => Some(presence.state),
        _ => None,
    });
    announced.collect()
}

/// Ticks every 100 ms; when what was announced.
fn until(tracker: &mut Tracker, from: i64, to: i64) -> Vec<(i64, PresenceState)> {
    let mut said = Vec::new();
    for ms in (from..=to).step_by(100) {
        said.extend(states(&tracker.on_tick(at(ms), usize::MAX)).into_iter().map(|state| (ms, state)));
    }
    said
}

#[test]
fn who_leaves_is_offline_after_the_grace_and_then_forgotten() {
    let mut tracker = with_alice();
    let steps = tracker.on_end(HERE, End { user: ALICE, device: 1 }, at(10_000));
    assert!(states(&steps).is_empty());
    assert_eq!(until(&mut tracker, 10_000, 120_000), [(25_000, PresenceState::Offline)]);
    assert_eq!(tracker.people.len(), 0);
}

#[test]
fn who_is_heard_no_longer_is_offline_after_lease_and_grace() {
    let mut tracker = with_alice();
    assert_eq!(until(&mut tracker, 0, 60_000), [(45_000, PresenceState::Offline)]);
}

#[test]
fn while_everything_stands_still_nothing_runs_out() {
    let mut tracker = with_alice();
    tracker.on_lease(HERE, lease(BOB, 1), at(0));
    tracker.on_loaded(BOB, Status::default(), at(0));
    tracker.on_end(HERE, End { user: BOB, device: 1 }, at(10_000));
    tracker.stood_still(60_000);
    let said = until(&mut tracker, 70_000, 120_000);
    let (bob, alice) = ((85_000, PresenceState::Offline), (105_000, PresenceState::Offline));
    assert_eq!(said, [bob, alice], "what was left of his grace, and of her lease");
}

#[test]
fn who_comes_back_within_the_grace_was_never_gone() {
    let mut tracker = with_alice();
    tracker.on_end(HERE, End { user: ALICE, device: 1 }, at(1_000));
    assert!(states(&tracker.on_lease(THERE, lease(ALICE, 1), at(15_000))).is_empty());
    assert!(until(&mut tracker, 15_000, 44_000).is_empty());
}

#[test]
fn of_two_devices_one_is_enough_and_the_best_counts() {
    let mut tracker = with_alice();
    let idle = Lease { idle_s: 400, acted: true, ..lease(ALICE, 2) };
    assert!(states(&tracker.on_lease(THERE, idle, at(100))).is_empty(), "the other one is not idle");
    tracker.on_end(HERE, End { user: ALICE, device: 1 }, at(6_000));
    for ms in (10_000..290_000).step_by(10_000) {
        assert!(states(&tracker.on_lease(THERE, idle, at(ms))).is_empty());
        assert!(until(&mut tracker, ms, ms + 9_900).is_empty());
    }
}

#[test]
fn away_after_doing_nothing_and_back_at_the_first_act() {
    let mut tracker = with_alice();
    let mut said = Vec::new();
    for ms in (10_000..=320_000).step_by(10_000) {
        let idle = Lease { idle_s: (ms / 1_000) as u32, ..lease(ALICE, 1) };
        said.extend(states(&tracker.on_lease(HERE, idle, at(ms))));
        said.extend(until(&mut tracker, ms, ms + 9_900).into_iter().map(|(_, state)| state));
    }
    assert_eq!(said, [PresenceState::Away]);
    let moved = lease(ALICE, 1);
    assert!(states(&tracker.on_lease(THERE, moved, at(330_000))).is_empty(), "a resume is no act");
    let acted = Lease { acted: true, ..moved };
    assert_eq!(states(&tracker.on_lease(THERE, acted, at(330_000))), [PresenceState::Online]);
}

#[test]
fn a_status_counts_until_it_ends_and_two_changes_are_a_pause_apart() {
    let mut tracker = with_alice();
    let state = |state, until| Status { state, text: Some("busy".into()), until };
    let stated = |status, ms| Stated { user: ALICE, status, at: at(ms) };
    let dnd = state(StatusState::Dnd, Some(at(20_000)));
    assert!(states(&tracker.on_stated(stated(dnd, 100), at(100))).is_empty(), "she came a moment ago");
    assert_eq!(until(&mut tracker, 100, 10_000), [(5_000, PresenceState::Dnd)]);
    assert_eq!(tracker.presence(ALICE).unwrap().text.as_deref(), Some("busy"));
    let old = Stated { at: at(99), ..stated(Status::default(), 0) };
    assert!(tracker.on_stated(old, at(11_000)).is_empty(), "an older one was on its way for longer");
    assert_eq!(until(&mut tracker, 11_000, 25_000), [(20_000, PresenceState::Online)]);
    let hidden = state(StatusState::Invisible, None);
    let steps = tracker.on_stated(stated(hidden, 26_000), at(26_000));
    assert_eq!(states(&steps), [PresenceState::Offline]);
    let seen = tracker.presence(ALICE).unwrap();
    assert_eq!((seen.text, seen.last_seen), (None, Some(at(26_000))), "as if she had left");
    tracker.on_lease(HERE, lease(ALICE, 1), at(29_000));
    assert_eq!(tracker.presence(ALICE).unwrap().last_seen, Some(at(26_000)), "nobody is told that she is there");
}

#[test]
fn nothing_is_said_before_the_status_is_known() {
    let mut tracker = Tracker::new(RULES);
    tracker.on_lease(HERE, lease(ALICE, 1), at(0));
    assert_eq!(tracker.presence(ALICE), None);
    assert_eq!(tracker.on_tick(at(5_000), 1), [Step::Load(ALICE)], "no answer came");
    let invisible = Status { state: StatusState::Invisible, ..Status::default() };
    assert!(states(&tracker.on_loaded(ALICE, invisible, at(6_000))).is_empty());
}

#[test]
fn a_gateway_that_stops_ends_its_own_sessions_only() {
    let mut tracker = with_alice();
    let bob = UserId::from_u128(2);
    tracker.on_lease(THERE, lease(bob, 1), at(0));
    tracker.on_loaded(bob, Status::default(), at(0));
    tracker.on_leaving(HERE, at(1_000));
    assert_eq!(until(&mut tracker, 1_000, 20_000), [(16_000, PresenceState::Offline)]);
    assert_eq!((tracker.is_there(ALICE), tracker.is_there(bob)), (false, true));
}

#[test]
fn last_seen_is_written_once_a_minute_at_most_and_in_the_end_exactly() {
    let mut tracker = with_alice();
    let mut written = Vec::new();
    for ms in (0..400_000).step_by(10_000) {
        let mut steps = tracker.on_lease(HERE, lease(ALICE, 1), at(ms));
        steps.extend(tracker.on_tick(at(ms), usize::MAX));
        written.extend(steps.into_iter().filter(|step| matches!(step, Step::Seen(..))));
    }
    assert_eq!(written.len(), 1, "while she is there it is enough now and then: {written:?}");
    tracker.on_end(HERE, End { user: ALICE, device: 1 }, at(400_000));
    let mut last = Vec::new();
    for ms in (400_000..500_000).step_by(100) {
        last.extend(tracker.on_tick(at(ms), usize::MAX).into_iter().filter(|step| matches!(step, Step::Seen(..))));
    }
    assert_eq!(last, [Step::Seen(ALICE, at(400_000))]);
}

/// What happens to one of three users on one of two gateways.
#[derive(Debug, Clone)]
enum Op {
    Lease(u128, u64, bool, bool),
    End(u128, u64, bool),
    Leave(bool),
    State(u128, StatusState),
    Forget,
}

fn op() -> impl Strategy<Value = Op> {
    let user = 1_u128..4;
    prop_oneof![
        8 => (user.clone(), 0_u64..2, any::<bool>(), any::<bool>()).prop_map(|(u, d, g, a)| Op::Lease(u, d, g, a)),
        4 => (user.clone(), 0_u64..2, any::<bool>()).prop_map(|(u, d, g)| Op::End(u, d, g)),
        1 => any::<bool>().prop_map(Op::Leave),
        2 => (user, prop_oneof![Just(StatusState::Auto), Just(StatusState::Dnd), Just(StatusState::Invisible)])
            .prop_map(|(u, s)| Op::State(u, s)),
        1 => Just(Op::Forget),
    ]
}

/// The plainest way to say the same: looks at everything at every moment.
#[derive(Debug, Default, Clone)]
struct Model {
    leases: HashMap<(NodeId, u64), Timestamp>,
    last_there: Option<Timestamp>,
    acted: Option<Timestamp>,
    status: StatusState,
}

impl Model {
    fn pass(&mut self, now: Timestamp) {
        if let Some(last) = self.leases.values().copied().max() {
            self.last_there = self.last_there.max(Some(last.min(now)));
        }
        self.leases.retain(|_, until| *until > now);
    }

    fn is_there(&self, now: Timestamp) -> bool {
        !self.leases.is_empty() || self.last_there.is_some_and(|at| now < at.plus_ms(RULES.grace_ms))
    }

    fn state(&self, now: Timestamp) -> PresenceState {
        match self.status {
            StatusState::Invisible => PresenceState::Offline,
            _ if !self.is_there(now) => PresenceState::Offline,
            StatusState::Dnd => PresenceState::Dnd,
            StatusState::Auto if self.acted.is_some_and(|at| now >= at.plus_ms(RULES.away_ms)) => PresenceState::Away,
            StatusState::Auto => PresenceState::Online,
        }
    }
}

proptest! {
    /// Whatever comes in whatever order: nobody changes twice within the pause, nobody is announced as they already
    /// are, and whoever has been left alone for the pause is exactly as the plain model says. In the end all are gone.
    #[test]
    fn it_says_what_is_so(ops in prop::collection::vec((op(), prop_oneof![0_i64..3_000, 3_000_i64..40_000, Just(150_000_i64)]), 1..80)) {
        let mut tracker = Tracker::new(RULES);
        let mut models: HashMap<UserId, Model> = HashMap::new();
        let mut told: HashMap<UserId, (PresenceState, i64)> = HashMap::new();
        let gateway = |first: bool| if first { HERE } else { THERE };
        let (mut now, mut states) = (0, HashMap::new());
        for (op, pass) in ops {
            let mut queue = Vec::new();
            for model in models.values_mut() { model.pass(at(now)); }
            match op {
                Op::Lease(user, device, first, acted) => {
                    let user = UserId::from_u128(user);
                    let model = models.entry(user).or_default();
                    if acted || !model.is_there(at(now)) { model.acted = Some(at(now)); }
                    model.leases.insert((gateway(first), device), at(now + RULES.lease_ms));
                    queue.extend(tracker.on_lease(gateway(first), Lease { user, device, idle_s: 0, acted }, at(now)));
                }
                Op::End(user, device, first) => {
                    let user = UserId::from_u128(user);
                    let model = models.entry(user).or_default();
                    if model.leases.remove(&(gateway(first), device)).is_some() { model.last_there = Some(at(now)); }
                    queue.extend(tracker.on_end(gateway(first), End { user, device }, at(now)));
                }
                Op::Leave(first) => {
                    for model in models.values_mut() {
                        let before = model.leases.len();
                        model.leases.retain(|(at_gateway, _), _| *at_gateway != gateway(first));
                        if model.leases.len() < before { model.last_there = Some(at(now)); }
                    }
                    queue.extend(tracker.on_leaving(gateway(first), at(now)));
                }
                Op::State(user, state) => {
                    let user = UserId::from_u128(user);
                    states.insert(user, state);
                    models.entry(user).or_default().status = state;
                    let status = Status { state, ..Status::default() };
                    queue.extend(tracker.on_stated(Stated { user, status, at: at(now) }, at(now)));
                }
                Op::Forget => tracker.forget(Partitions::NONE),
            }
            let end = now + pass;
            loop {
                while let Some(step) = queue.pop() {
                    match step {
                        Step::Load(user) => {
                            let state = states.get(&user).copied().unwrap_or_default();
                            queue.extend(tracker.on_loaded(user, Status { state, ..Status::default() }, at(now)));
                        }
                        Step::Announce(presence) => {
                            if let Some((before, when)) = told.insert(presence.user, (presence.state, now)) {
                                prop_assert_ne!(before, presence.state);
                                prop_assert!(now - when >= RULES.pause_ms);
                            }
                        }
                        Step::Seen(..) => {}
                    }
                }
                if now >= end { break; }
                now = end.min(now + 500);
                queue.extend(tracker.on_tick(at(now), usize::MAX));
                for (user, model) in &mut models {
                    model.pass(at(now));
                    let (shown, when) = told.get(user).copied().unwrap_or((PresenceState::Offline, i64::MIN / 2));
                    let announced = queue.iter().any(|step| matches!(step, Step::Announce(said) if said.user == *user));
                    if !announced && now - when > RULES.pause_ms {
                        prop_assert_eq!(shown, model.state(at(now)), "{:?} at {}", user, now);
                    }
                }
            }
        }
        let over = now + 10 * RULES.away_ms;
        while now < over {
            now += 1_000;
            tracker.on_tick(at(now), usize::MAX);
        }
        prop_assert_eq!((tracker.people.len(), tracker.due.len()), (0, 0));
    }
}
