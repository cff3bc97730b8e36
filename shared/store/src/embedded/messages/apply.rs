//! One event's row and changes, staged.

use chat_protocol::{ConversationId, MessageId, Seq, Timestamp, UserId, event::Event, limits};

use super::{DEDUPE, Dedupe, EDITS, EVENTS, MESSAGES, State, Stored};
use crate::{
    EventRow, StoreError,
    embedded::{
        conversations::{self, Changeable, Fixed},
        key::ends_with_seq,
        latest::Latest,
        members, reactions, relations,
        stage::Stage,
    },
    fold::{self, Change, Folded},
};

/// Stages what an event says. Nothing here depends on what came before it, so any order and any repetition converge.
pub(super) fn event(stage: &mut Stage<'_>, row: &EventRow) -> Result<(), StoreError> {
    let Folded { event, changes } = fold::fold(row)?;
    stage.put(&EVENTS, (row.conversation, row.seq), &Stored { shard: row.shard.get(), event: row.event.clone() })?;
    changes.into_iter().try_for_each(|change| apply(stage, row, &event, change))
}

fn apply(stage: &mut Stage<'_>, row: &EventRow, event: &Event, change: Change) -> Result<(), StoreError> {
    let (of, seq) = (row.conversation, row.seq);
    match change {
        Change::MessageCreated { by, client_id } => {
            let state = change_state(stage, of, seq, |state| state.created = true)?;
            if state.deleted.is_some() {
                remove_content(stage, of, seq)?;
            }
            first_with(stage, (of, by, client_id), MessageId::new(row.shard, seq), event.at)
        }
        Change::MessageUpdated { message } => {
            stage.put(&EDITS, (of, message, seq), &())?;
            let state = change_state(stage, of, message, |state| state.edit = state.edit.max(Some(seq)))?;
            if state.deleted.is_some() {
                remove_content(stage, of, seq)?;
            }
            Ok(())
        }
        Change::MessageDeleted { message } => {
            change_state(stage, of, message, |state| state.deleted = state.deleted.max(Some(seq)))?;
            remove_content(stage, of, message)?;
            for edit in stage.keys(&EDITS, (of, message))? {
                remove_content(stage, of, ends_with_seq(&edit)?)?;
            }
            Ok(())
        }
        Change::Reaction { message, user, emoji, present } => {
            let change = reactions::Change { seq, present, at: event.at, by: event.by };
            reactions::react(stage, (of, message, user, emoji.as_str()), change)
        }
        Change::Pin { message, present } => {
            reactions::pin(stage, (of, message), reactions::Change { seq, present, at: event.at, by: event.by })
        }
        Change::ConversationCreated { kind, history, created_by, created_at } => {
            let fixed = Fixed { kind, history, created_by, created_at };
            conversations::change(stage, of, |row| Latest::put(&mut row.fixed, seq, fixed))
        }
        Change::ConversationSettings { visibility, settings } => {
            let settings = Changeable { visibility, settings };
            conversations::change(stage, of, |row| Latest::put(&mut row.settings, seq, settings))
        }
        Change::ConversationDeleted => conversations::change(stage, of, |row| Latest::put(&mut row.deleted, seq, ())),
        Change::MemberJoined(member) => members::joined(stage, of, seq, member),
        Change::MemberRole { user, role } => members::role(stage, of, seq, user, role),
        Change::MemberLeft { user } => members::left(stage, of, seq, user),
        Change::Ban { user, ban } => relations::ban(stage, seq, (of, user), ban),
        Change::Block { by, user, present } => relations::block(stage, seq, (by, user), present.then_some(event.at)),
        Change::MemberSettings { of, conversation, settings } => {
            relations::settings(stage, seq, (of, conversation), settings)
        }
    }
}

fn change_state(
    stage: &mut Stage<'_>,
    of: ConversationId,
    message: Seq,
    change: impl FnOnce(&mut State),
) -> Result<State, StoreError> {
    let mut state = stage.get(&MESSAGES, (of, message))?.unwrap_or_default();
    change(&mut state);
    stage.put(&MESSAGES, (of, message), &state)?;
    Ok(state)
}

/// Keeps an event's row without what was written in it. If it has not come yet, it is done when it comes.
fn remove_content(stage: &mut Stage<'_>, of: ConversationId, seq: Seq) -> Result<(), StoreError> {
    let Some(stored) = stage.get(&EVENTS, (of, seq))? else { return Ok(()) };
    let event = fold::without_content(fold::decode(&stored.event)?).encode();
    stage.put(&EVENTS, (of, seq), &Stored { event, ..stored })
}

/// The lowest position stays: it was acknowledged first.
fn first_with(
    stage: &mut Stage<'_>,
    key: (ConversationId, UserId, chat_protocol::ClientId),
    message: MessageId,
    sent_at: Timestamp,
) -> Result<(), StoreError> {
    let life_ms = i64::try_from(limits::DEDUPE_ROW_LIFE.as_millis()).expect("days of milliseconds fit");
    let until = sent_at.plus_ms(life_ms);
    let known = stage.get(&DEDUPE, key)?.is_some_and(|held| held.message.seq() <= message.seq());
    if known || until <= stage.now {
        return Ok(());
    }
    stage.put_until(&DEDUPE, key, &Dedupe { message, until }, until)
}
