use chat_protocol::{
    ClientId, MessageId, UserId,
    event::{ConversationCreated, MessageCreated, MessageDeleted, MessageUpdated, PinChanged, ReactionChanged},
    model::{Content, HistoryAccess, Kind, Message, MessageKind, Settings, Visibility},
};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{delivery::Delivery, history::additions::add, hub::Tail};

const SHARD: Shard = Shard::new(0).unwrap();
const PLACE: (ConversationId, Shard) = (ConversationId::from_u128(1), SHARD);
const VIEWER: UserId = UserId::from_u128(1);

/// One thing that somebody does, as chance says it; `of` names one of the messages so far.
#[derive(Debug, Clone, Copy)]
struct Act {
    kind: u8,
    of: usize,
    user: u128,
    emoji: char,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = (0..10_u8, any::<usize>(), 1..4_u128, prop_oneof![Just('a'), Just('b')]);
    prop::collection::vec(act.prop_map(|(kind, of, user, emoji)| Act { kind, of, user, emoji }), 0..50)
}

/// Positions have gaps, as those of one conversation have.
fn position(place: usize) -> Seq {
    Seq::new(3 * place as u64 + 3).unwrap()
}

/// A conversation from its first event on.
fn events(acts: &[Act]) -> Vec<EventFrame> {
    let begun = Body::ConversationCreated(Box::new(ConversationCreated {
        kind: Kind::Group,
        visibility: Visibility::Private,
        history: HistoryAccess::All,
        settings: Settings::default(),
        members: Vec::new(),
    }));
    let mut messages: Vec<Seq> = Vec::new();
    let bodies = acts.iter().enumerate().map(|(place, act)| {
        let seq = position(place + 1);
        let of = act.of.checked_rem(messages.len()).and_then(|at| messages.get(at)).copied();
        let Some(of) = of.filter(|_| act.kind >= 4) else {
            messages.push(seq);
            return created(seq, "first");
        };
        let message = MessageId::new(SHARD, of);
        match act.kind {
            4 => Body::MessageUpdated(Box::new(MessageUpdated {
                message,
                content: text("second"),
                mentions: vec!["all".into()],
            })),
            5 => Body::MessageDeleted(MessageDeleted { messages: vec![message], reason: "author".into() }),
            6 | 7 => {
                let op = if act.kind == 6 { ReactionOp::Add } else { ReactionOp::Remove };
                let user = UserId::from_u128(act.user);
                let change = ReactionChange { user, emoji: act.emoji.into(), op };
                Body::ReactionChanged(ReactionChanged { message, changes: vec![change] })
            }
            8 => Body::PinAdded(PinChanged { message }),
            _ => Body::PinRemoved(PinChanged { message }),
        }
    });
    let bodies: Vec<Body> = std::iter::once(begun).chain(bodies).collect();
    bodies.into_iter().enumerate().map(|(place, body)| frame(position(place), body)).collect()
}

fn frame(seq: Seq, body: Body) -> EventFrame {
    // Several things happen in one millisecond.
    let at = Timestamp::from_ms(i64::try_from(seq.get() / 8).unwrap());
    EventFrame::new(PLACE.0, SHARD, seq, Seq::ZERO, Event { at, by: UserId::from_u128(9), body })
}

fn text(text: &str) -> Content {
    Content { text: Some(text.into()), ..Content::default() }
}

fn created(seq: Seq, words: &str) -> Body {
    Body::MessageCreated(Box::new(MessageCreated {
        client_id: ClientId::from_u128(seq.get().into()),
        kind: MessageKind::Text,
        content: text(words),
        mentions: Vec::new(),
        deleted: false,
    }))
}

fn overlay<'a>(events: impl IntoIterator<Item = &'a EventFrame>) -> Overlay {
    let mut overlay = Overlay::new(PLACE.0, PLACE.1);
    for EventFrame { seq, at, by, body, .. } in events {
        overlay.add(*seq, Event { at: *at, by: *by, body: body.clone() });
    }
    overlay
}

/// What the store would answer that has applied these events.
fn stored(events: &[&EventFrame], size: usize) -> (MessagePage, Vec<Reacted>, Vec<Pin>) {
    let all = overlay(events.iter().copied());
    let mut messages: Vec<Message> = all.messages().collect();
    messages.reverse();
    let more = messages.len() > size;
    messages.truncate(size);
    let reactions = |message: &Message| {
        let reactions = all.reactions(message.seq, Vec::new());
        (!reactions.is_empty() && !message.deleted).then_some(Reacted { message: message.seq, reactions })
    };
    let reactions = messages.iter().filter_map(reactions).collect();
    (MessagePage { messages, more }, reactions, all.pins(Vec::new()))
}

/// The plain way: all events laid over nothing.
fn plain(events: &[EventFrame], viewer: UserId, cursor: Cursor, size: usize) -> (Value, bool) {
    let all = overlay(events);
    let mut messages: Vec<Message> = all.messages().collect();
    add(&all, (Vec::new(), Vec::new()), viewer, &mut messages);
    match cursor {
        Cursor::After(start) => messages.retain(|message| message.seq > start),
        Cursor::Before(end) => messages.retain(|message| message.seq < end),
        _ => {}
    }
    if !matches!(cursor, Cursor::After(_)) {
        messages.reverse();
    }
    let more = messages.len() > size;
    messages.truncate(size);
    (serde_json::to_value(messages).unwrap(), more)
}

fn kept(cache: &PageCache, viewer: UserId, cursor: Cursor, size: usize) -> Option<(Value, bool)> {
    let (found, more) = cache.page(cursor, size)?;
    let shown: Vec<Shown> = found.into_iter().map(|kept| Shown::of(kept, viewer)).collect();
    // As text: a document that was encoded before is only put in there.
    let text = serde_json::to_string(&shown).unwrap();
    Some((serde_json::from_str(&text).unwrap(), more))
}

fn cursors(events: &[EventFrame]) -> Vec<Cursor> {
    let positions = events.iter().map(|event| event.seq).chain([Seq::ZERO, Seq::MAX]);
    let both = positions.flat_map(|seq| [Cursor::Before(seq), Cursor::After(seq)]);
    both.chain([Cursor::Newest]).collect()
}

/// Every page that the cache answers is the plain one.
fn check(
    cache: &PageCache,
    events: &[EventFrame],
    sizes: std::ops::RangeInclusive<usize>,
) -> Result<(), TestCaseError> {
    for cursor in cursors(events) {
        for size in sizes.clone() {
            for viewer in [VIEWER, UserId::from_u128(8)] {
                if let Some(page) = kept(cache, viewer, cursor, size) {
                    prop_assert_eq!(page, plain(events, viewer, cursor, size), "{:?} {}", cursor, size);
                }
            }
        }
    }
    let mut pins: Vec<Seq> = cache.pins().unwrap_or_default().iter().map(|pin| pin.message).collect();
    let mut plain: Vec<Seq> = overlay(events).pins(Vec::new()).iter().map(|pin| pin.message).collect();
    pins.sort();
    plain.sort();
    prop_assert!(cache.pins().is_none() || pins == plain, "{:?} {:?}", pins, plain);
    Ok(())
}

fn delivery(event: &EventFrame) -> Arc<Delivery> {
    let EventFrame { seq, at, by, body, .. } = event;
    let event = Event { at: *at, by: *by, body: body.clone() }.encode();
    let logged = chat_bus::Logged { seq: *seq, prev: chat_bus::Prev::AskTheLog, at: *at, event, trace: None };
    Arc::new(Delivery::new(PLACE.0, PLACE.1, &logged, Seq::ZERO).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Read once at any moment, from a store that may be behind the log or ahead of what was read of it, then told each
    /// event: every page that is answered is what a merge of everything would give.
    #[test]
    fn what_is_kept_equals_what_is_merged(
        acts in acts(),
        settled in any::<prop::sample::Index>(),
        read in any::<prop::sample::Index>(),
        eager in prop::collection::vec(any::<bool>(), 60),
        size in 1_usize..12,
        most in 1_usize..15,
        step in 1_usize..6,
    ) {
        let events = events(&acts);
        let settled = settled.index(events.len() + 1);
        let read = settled + read.index(events.len() + 1 - settled);
        // Of what is not settled the store has some: persisted, or written at once by who changed something.
        let has = |place: usize| place < settled || eager[place % eager.len()];
        let ahead: Vec<usize> = (0..events.len()).filter(|place| has(*place)).collect();
        let in_store: Vec<&EventFrame> = ahead.iter().map(|place| &events[*place]).collect();
        let (page, reactions, pins) = stored(&in_store, size);
        let head = events[..read].last().map_or(Seq::ZERO, |event| event.seq);
        let bounds = Bounds { messages: most, bytes: usize::MAX };
        let begin = Read { overlay: overlay(&events[settled..read]), head, stored: page, size, reactions, pins };
        let mut cache = PageCache::of_read(PLACE, bounds, begin);
        // Once all that the store had seen has come, nothing of it shows too early.
        let level = ahead.last().map_or(0, |last| last + 1);
        if read >= level {
            check(&cache, &events[..read], 1..=4)?;
            let some = size.min(most);
            prop_assert!(cache.page(Cursor::Newest, some).is_some(), "what was read is not kept");
        }
        // Some of what was read comes again.
        for (place, event) in events.iter().enumerate().skip(read.saturating_sub(step)) {
            cache.apply(event);
            prop_assert!(cache.messages.len() <= most);
            if place + 1 >= level.max(read) && place % step == 0 {
                check(&cache, &events[..=place], step..=step)?;
            }
        }
        if events.len() >= level {
            check(&cache, &events, 1..=4)?;
        }
    }

    /// The same for what is known of the last events alone, which hold nothing of what was deleted.
    #[test]
    fn what_the_tail_knows_equals_what_is_merged(
        acts in acts(),
        from in any::<prop::sample::Index>(),
        until in any::<prop::sample::Index>(),
    ) {
        let events = events(&acts);
        let from = from.index(events.len());
        let until = from + until.index(events.len() + 1 - from);
        let mut tail = Tail::at(events[..from].last().map_or(Seq::ZERO, |event| event.seq));
        events[from..until].iter().for_each(|event| tail.push(delivery(event)));
        let in_tail = tail.events().map(|event| &event.frame);
        let mut cache = PageCache::of_events(PLACE, tail.from(), tail.head(), in_tail);
        check(&cache, &events[..until], 1..=3)?;
        events[until..].iter().for_each(|event| cache.apply(event));
        check(&cache, &events, 1..=3)?;
        let newest = cache.page(Cursor::Newest, 100).is_some();
        prop_assert_eq!(newest, from == 0, "the whole conversation is known only from its first event on");
    }
}

fn filled(messages: u64) -> PageCache {
    let mut cache = PageCache::of_events(PLACE, Seq::ZERO, Seq::ZERO, []);
    cache.apply(&events(&[])[0]);
    (10..10 + messages).for_each(|n| cache.apply(&frame(Seq::new(n).unwrap(), created(Seq::new(n).unwrap(), "x"))));
    cache
}

fn reacted(message: u64, by: u128, at: u64) -> EventFrame {
    let change = ReactionChange { user: UserId::from_u128(by), emoji: "a".into(), op: ReactionOp::Add };
    let message = MessageId::new(SHARD, Seq::new(message).unwrap());
    frame(Seq::new(at).unwrap(), Body::ReactionChanged(ReactionChanged { message, changes: vec![change] }))
}

#[test]
fn what_is_kept_is_bounded_in_number_and_bytes() {
    let mut cache = filled(limits::CACHED_MESSAGES as u64 + 5);
    assert_eq!(cache.messages.len(), limits::CACHED_MESSAGES);
    assert!(cache.page(Cursor::Newest, limits::CACHED_MESSAGES).is_some_and(|(_, more)| more));
    assert!(cache.page(Cursor::Before(Seq::new(13).unwrap()), 1).is_none(), "it was dropped");
    for n in 1_000..1_100 {
        let seq = Seq::new(n).unwrap();
        cache.apply(&frame(seq, created(seq, &"x".repeat(8_000))));
        assert!(cache.bytes <= limits::CACHED_BYTES);
        assert_eq!(cache.bytes, cache.messages.values().map(|kept| kept.bytes()).sum::<usize>());
    }
    assert!(cache.messages.len() < 100);
}

#[test]
fn of_too_many_reactions_the_store_is_asked() {
    let mut cache = filled(2);
    for n in 0..u64::from(limits::REACTION_COUNT) {
        assert!(cache.page(Cursor::Newest, 2).is_some());
        cache.apply(&reacted(11, u128::from(n) + 1, 100 + n));
    }
    assert!(cache.page(Cursor::Newest, 2).is_none());
    assert!(cache.page(Cursor::Before(Seq::new(11).unwrap()), 1).is_some(), "the other one is whole");
    let gone = MessageDeleted { messages: vec![MessageId::new(SHARD, Seq::new(11).unwrap())], reason: "author".into() };
    cache.apply(&frame(Seq::new(5_000).unwrap(), Body::MessageDeleted(gone)));
    assert!(cache.page(Cursor::Newest, 2).is_some(), "a tombstone has none");
}

#[test]
fn a_document_is_encoded_once_and_anew_after_each_change() {
    let mut cache = filled(1);
    let of = |cache: &PageCache, viewer| kept(cache, viewer, Cursor::Newest, 1).unwrap().0[0]["reactions"].clone();
    assert_eq!(of(&cache, VIEWER), Value::Null);
    cache.apply(&reacted(10, 1, 100));
    assert_eq!(of(&cache, UserId::from_u128(2))[0]["mine"], Value::Bool(false));
    assert_eq!(of(&cache, VIEWER)[0]["mine"], Value::Bool(true));
}

#[test]
fn a_log_that_let_go_of_everything_says_nothing_of_what_was_before() {
    let mut cache = PageCache::of_events(PLACE, Seq::ZERO, Seq::ZERO, []);
    let is_known = |cache: &PageCache, after: Seq| cache.page(Cursor::After(after), 10).is_some();
    assert!(!is_known(&cache, Seq::ZERO));
    let seq = Seq::new(50).unwrap();
    cache.apply(&frame(seq, created(seq, "after a long silence")));
    assert!(!is_known(&cache, Seq::ZERO) && is_known(&cache, seq.before()));
    assert!(cache.page(Cursor::Newest, 10).is_none());
}
