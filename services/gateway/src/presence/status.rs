//! What users say of their own presence: kept in the store, and told to the workers.

use std::sync::Arc;

use chat_protocol::{
    Timestamp, UserId,
    error::FieldError,
    limits,
    model::{Presence, PresenceState, Status, StatusState},
};

use crate::{app::App, fault::Fault};

/// What is wrong with a status before anybody is asked.
pub fn check(status: &Status, now: Timestamp) -> Vec<FieldError> {
    let mut wrong = Vec::new();
    if let Some(text) = &status.text {
        if text.chars().count() > limits::STATUS_CHARS {
            wrong.push(FieldError::new("text", "too_long", format!("at most {} characters", limits::STATUS_CHARS)));
        }
        if text.contains('\0') {
            wrong.push(FieldError::new("text", "format", "U+0000 is not allowed"));
        }
    }
    if status.until.is_some_and(|until| until <= now) {
        wrong.push(FieldError::new("until", "range", "this time has passed"));
    }
    wrong
}

/// A status as others see it at a time: what it is to end at has ended, and who hides says nothing.
pub fn seen_text(status: Status, now: Timestamp) -> Option<String> {
    let counts = status.until.is_none_or(|until| until > now) && status.state != StatusState::Invisible;
    status.text.filter(|_| counts)
}

impl App {
    /// Sets a user's status, for good once this returns.
    pub async fn set_status(&self, user: UserId, status: Status) -> Result<Status, Fault> {
        let now = self.now();
        self.rates.presence(user, 0, now)?;
        let wrong = check(&status, now);
        if !wrong.is_empty() {
            return Err(Fault::invalid(wrong));
        }
        let status = Status { text: status.text.filter(|text| !text.is_empty()), ..status };
        self.store.set_status(user, &status, now).await?;
        self.say_status(user, status.clone(), now);
        Ok(status)
    }

    /// Fills in what only the store knows: text and last-seen times of those who are not there. Without the store they
    /// are simply offline.
    pub(super) async fn complete_offline(self: &Arc<Self>, states: &mut [Presence]) {
        let lacks = |state: &Presence| state.state == PresenceState::Offline && state.last_seen.is_none();
        let users: Vec<UserId> = states.iter().filter(|state| lacks(state)).map(|state| state.user).collect();
        if users.is_empty() {
            return;
        }
        let now = self.now();
        for some in users.chunks(limits::WATCHES) {
            let (seen, statuses) = tokio::join!(self.store.last_seen(some), self.store.statuses(some));
            let (Ok(seen), Ok(statuses)) = (seen, statuses) else { return };
            let known = some.iter().zip(seen.into_iter().zip(statuses));
            let known: std::collections::HashMap<_, _> = known.collect();
            for state in states.iter_mut().filter(|state| lacks(state)) {
                if let Some((seen, status)) = known.get(&state.user) {
                    state.last_seen = *seen;
                    state.text = seen_text(status.clone(), now);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_short_and_not_over_yet() {
        let at = Timestamp::from_ms;
        let status = |text: &str, until| Status { text: Some(text.into()), until, ..Status::default() };
        assert!(check(&status(&"é".repeat(128), Some(at(11))), at(10)).is_empty());
        let wrong = check(&status(&"x".repeat(129), Some(at(10))), at(10));
        assert_eq!(wrong.iter().map(|wrong| &*wrong.field).collect::<Vec<_>>(), ["text", "until"]);
        assert_eq!(check(&status("a\0b", None), at(10)).len(), 1);
    }

    #[test]
    fn who_hides_says_nothing() {
        let at = Timestamp::from_ms;
        let status = |state, until| Status { state, text: Some("hi".into()), until };
        assert_eq!(seen_text(status(StatusState::Auto, Some(at(11))), at(10)).as_deref(), Some("hi"));
        assert_eq!(seen_text(status(StatusState::Auto, Some(at(10))), at(10)), None);
        assert_eq!(seen_text(status(StatusState::Invisible, None), at(10)), None);
    }
}
