//! The judge finds nothing in good histories, and finds each kind of damage that is done to one.

mod damage; // what is done to a good history

mod model; // good histories, by chance

use chat_testkit::checker::{Event, Verdict, judge};
use chat_testkit::seed::seeded;
use rand::rngs::StdRng;

const HISTORIES: usize = 200;

#[test]
fn good_histories_are_good() {
    let mut chance = seeded();
    for _ in 0..HISTORIES {
        let verdict = judge(&model::good_history(&mut chance));

        verdict.assert_good();
        let counts = verdict.counts;
        assert!(counts.acked > 50 && counts.duplicates > 0 && counts.seen > 100, "little was judged: {verdict}");
    }
}

/// Every kind of damage, and where the judge must find it: the negative controls.
#[test]
fn each_kind_of_damage_is_found() {
    type Damage = fn(&mut Vec<Event>, &mut StdRng) -> bool;
    type Finding = fn(&Verdict) -> &Vec<String>;
    let kinds: [(&str, Damage, Finding); 20] = [
        ("an acknowledged message is gone", damage::forget_message, |v| &v.lost),
        ("it was missing when it was read at once", damage::forget_in_early_read, |v| &v.lost),
        ("the last message did not arrive", damage::lose_tail, |v| &v.lost),
        ("a store does not open", damage::close_store, |v| &v.lost),
        ("a message in the middle did not arrive", damage::lose_middle, |v| &v.gaps),
        ("an event that is no message did not arrive", damage::lose_control_event, |v| &v.gaps),
        ("a resync was kept silent", damage::silence_resync, |v| &v.gaps),
        ("a resync begins too late", damage::shorten_resync, |v| &v.gaps),
        ("a message arrived twice", damage::deliver_twice, |v| &v.doubled),
        ("a message is stored twice", damage::store_twice, |v| &v.doubled),
        ("a retry got another position", damage::move_ack, |v| &v.doubled),
        ("a retry was acknowledged as new", damage::renew_ack, |v| &v.doubled),
        ("two messages arrived in the wrong order", damage::swap_deliveries, |v| &v.reordered),
        ("history is in the wrong order", damage::swap_rows, |v| &v.reordered),
        ("a sender's messages changed places", damage::swap_places, |v| &v.reordered),
        ("a message was seen that nobody sent", damage::unsend, |v| &v.phantom),
        ("a message was seen that is not stored", damage::unstore, |v| &v.phantom),
        ("a refused message was seen", damage::refuse, |v| &v.phantom),
        ("one position has two messages", damage::reuse_position, |v| &v.reused),
        ("malformed input hung", damage::hang, |v| &v.mishandled),
    ];
    let mut chance = seeded();
    for (kind, damage, finding) in kinds {
        let mut done = 0;
        for _ in 0..20 {
            let mut history = model::good_history(&mut chance);
            if damage(&mut history, &mut chance) {
                done += 1;
                let verdict = judge(&history);
                assert!(!finding(&verdict).is_empty(), "{kind} was not found: {verdict}");
            }
        }
        assert!(done >= 10, "{kind} could be done to {done} of 20 histories");
    }
}

#[test]
fn a_history_that_proves_nothing_is_not_good() {
    let mut chance = seeded();
    let mut unread = model::good_history(&mut chance);
    unread.retain(|event| !matches!(event, Event::Read { .. }));
    let verdict = judge(&unread);
    assert!(!verdict.unproved.is_empty() && !verdict.is_good(), "{verdict}");

    let mut early = model::good_history(&mut chance);
    let last_reads = early.iter().rposition(|event| matches!(event, Event::Acked { .. })).expect("something was acked");
    let late = early.remove(last_reads);
    early.push(late);
    assert!(!judge(&early).unproved.is_empty(), "an acknowledgement after the last reading went unnoticed");
}

#[test]
fn a_verdict_reads_well() {
    let mut chance = seeded();
    let mut history = model::good_history(&mut chance);
    assert!(damage::close_store(&mut history, &mut chance));

    let text = judge(&history).to_string();

    assert!(text.contains(", 1 lost, 0 phantom,"), "{text}");
    assert!(text.ends_with("\nlost: the store does not open: a block is damaged"), "{text}");
}
