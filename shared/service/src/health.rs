//! What a process knows about its own fitness: roles set named checks, the operations listener reads them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;

/// The shared board of checks and facts. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Health {
    board: Arc<Board>,
}

#[derive(Debug, Default)]
struct Board {
    started: AtomicBool,
    checks: Mutex<BTreeMap<&'static str, Result<(), String>>>,
    facts: Mutex<BTreeMap<&'static str, Value>>,
}

/// One named condition for readiness. Whoever holds it says whether it is met.
#[derive(Clone, Debug)]
pub struct Check {
    name: &'static str,
    board: Arc<Board>,
}

/// What `/readyz` answers.
#[derive(Debug, PartialEq, Serialize)]
pub struct Readiness {
    pub ready: bool,
    /// Why not, each as `check: reason`.
    pub reasons: Vec<String>,
    /// Every check: `ok` or its reason.
    pub checks: BTreeMap<&'static str, String>,
    /// What else an operator wants to see: version, durability profile.
    pub facts: BTreeMap<&'static str, Value>,
}

impl Health {
    pub fn new() -> Self {
        Self::default()
    }

    /// A named condition. New ones are unmet ("starting") until set; asking again gives the same one.
    pub fn check(&self, name: &'static str) -> Check {
        self.board.checks.lock().entry(name).or_insert_with(|| Err("starting".to_owned()));
        Check { name, board: Arc::clone(&self.board) }
    }

    /// Shows a fact in `/readyz`. It never decides readiness.
    pub fn fact(&self, name: &'static str, value: impl Into<Value>) {
        self.board.facts.lock().insert(name, value.into());
    }

    /// Configuration is valid, the schema known, log and store were reached: `/startupz` is 200 from now on.
    pub fn started(&self) {
        self.board.started.store(true, Ordering::Release);
    }

    pub fn is_started(&self) -> bool {
        self.board.started.load(Ordering::Acquire)
    }

    /// Ready = started, not draining, every check met.
    pub fn readiness(&self, draining: bool) -> Readiness {
        let checks = self.board.checks.lock().clone();
        let mut reasons = Vec::new();
        if !self.is_started() {
            reasons.push("starting".to_owned());
        }
        if draining {
            reasons.push("draining".to_owned());
        }
        for (name, state) in &checks {
            if let Err(reason) = state {
                reasons.push(format!("{name}: {reason}"));
            }
        }
        Readiness {
            ready: reasons.is_empty(),
            reasons,
            checks: checks
                .into_iter()
                .map(|(name, state)| (name, state.err().unwrap_or_else(|| "ok".into())))
                .collect(),
            facts: self.board.facts.lock().clone(),
        }
    }
}

impl Check {
    /// Met, or the reason why not. A change is logged once.
    pub fn set(&self, state: Result<(), String>) {
        let before = self.board.checks.lock().insert(self.name, state.clone());
        if before.as_ref() == Some(&state) {
            return;
        }
        match state {
            Ok(()) => tracing::info!(check = self.name, "check passes"),
            Err(reason) => tracing::warn!(check = self.name, %reason, "check fails"),
        }
    }

    pub fn ok(&self) {
        self.set(Ok(()));
    }

    pub fn fail(&self, reason: impl Into<String>) {
        self.set(Err(reason.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_only_when_started_and_every_check_is_met() {
        let health = Health::new();
        let log = health.check("log");
        assert_eq!(health.readiness(false).reasons, ["starting", "log: starting"]);

        health.started();
        log.ok();
        assert!(health.readiness(false).ready);

        log.fail("away for 30 s");
        let readiness = health.readiness(false);
        assert!(!readiness.ready);
        assert_eq!(readiness.reasons, ["log: away for 30 s"]);
        assert_eq!(readiness.checks["log"], "away for 30 s");
    }

    #[test]
    fn draining_is_not_ready() {
        let health = Health::new();
        health.started();
        assert_eq!(health.readiness(true).reasons, ["draining"]);
    }

    #[test]
    fn asking_for_a_check_again_keeps_its_state() {
        let health = Health::new();
        health.started();
        health.check("store").ok();
        health.check("store");
        assert!(health.readiness(false).ready);
    }

    #[test]
    fn facts_are_shown_and_decide_nothing() {
        let health = Health::new();
        health.started();
        health.fact("durability", "durable");
        let readiness = health.readiness(false);
        assert!(readiness.ready);
        assert_eq!(readiness.facts["durability"], "durable");
    }
}
