//! What is measured, from the descriptions themselves: for the page about it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// One metric, as it is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// What it means.
    pub description: String,
    /// What it is counted in, if not in things.
    pub unit: Option<&'static str>,
}

/// Everything that `describe` describes, by name.
pub fn of(describe: impl FnOnce()) -> BTreeMap<String, Described> {
    let listener = Listener::default();
    metrics::with_local_recorder(&listener, describe);
    listener.heard.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Default)]
struct Listener {
    heard: Mutex<BTreeMap<String, Described>>,
}

impl Listener {
    fn hear(&self, kind: &'static str, key: &KeyName, unit: Option<Unit>, description: &SharedString) {
        let described = Described { kind, description: description.to_string(), unit: unit.map(|unit| unit.as_str()) };
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).insert(key.as_str().to_owned(), described);
    }
}

impl Recorder for Listener {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.hear("counter", &key, unit, &description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.hear("gauge", &key, unit, &description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.hear("histogram", &key, unit, &description);
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
