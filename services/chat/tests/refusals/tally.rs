//! What the document promises of each route, and what has been provoked of it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use serde_json::Value;

/// Of one operation.
pub struct Promised {
    pub method: String,
    pub codes: BTreeSet<String>,
}

pub struct Tally {
    promised: BTreeMap<String, Promised>,
    provoked: BTreeSet<(String, String)>,
    /// What came instead.
    others: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Tally {
    /// Reads the document.
    pub fn of(document: &str) -> anyhow::Result<Self> {
        let document: Value = serde_json::from_str(document)?;
        let mut promised = BTreeMap::new();
        let paths = document["paths"].as_object().context("paths")?;
        for (method, operation) in paths.values().filter_map(Value::as_object).flatten() {
            let id = operation["operationId"].as_str().context("an id")?;
            let mut codes = BTreeSet::new();
            for response in operation["responses"].as_object().context("responses")?.values() {
                let pointer = response["$ref"].as_str().map(|target| target.trim_start_matches('#'));
                let response = pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(response);
                let examples = &response["content"]["application/problem+json"]["examples"];
                codes.extend(examples.as_object().into_iter().flat_map(|examples| examples.keys().cloned()));
            }
            ensure!(!codes.is_empty(), "{id} never fails");
            promised.insert(id.to_owned(), Promised { method: method.clone(), codes });
        }
        Ok(Self { promised, provoked: BTreeSet::new(), others: BTreeMap::new() })
    }

    pub fn promised(&self, operation: &str) -> &Promised {
        self.promised.get(operation).unwrap_or_else(|| panic!("{operation} is not in the document"))
    }

    /// Whether it is promised and was not provoked yet.
    pub fn waits_for(&self, operation: &str, code: &str) -> bool {
        let pair = (operation.to_owned(), code.to_owned());
        self.promised(operation).codes.contains(code) && !self.provoked.contains(&pair)
    }

    pub fn note(&mut self, operation: &str, code: &str, answer: &str) {
        let pair = (operation.to_owned(), code.to_owned());
        if answer == code {
            self.provoked.insert(pair);
        } else {
            self.others.entry(pair).or_default().insert(answer.to_owned());
        }
    }

    /// Everything promised was provoked, or is in the list; and the list holds nothing else.
    pub fn is_complete(&self, elsewhere: &[(&str, &str, &str)]) -> anyhow::Result<()> {
        let excused = |operation: &str, code: &str| {
            elsewhere.iter().any(|(of, which, _)| (*of == operation || *of == "*") && *which == code)
        };
        let mut missing = Vec::new();
        for (operation, Promised { codes, .. }) in &self.promised {
            for code in codes {
                let pair = (operation.clone(), code.clone());
                if !self.provoked.contains(&pair) && !excused(operation, code) {
                    missing.push(format!("{operation} {code}: {:?}", self.others.get(&pair)));
                }
            }
        }
        ensure!(missing.is_empty(), "{} are promised and not provoked:\n{}", missing.len(), missing.join("\n"));
        let undocumented: Vec<_> =
            self.provoked.iter().filter(|(operation, code)| !self.promised(operation).codes.contains(code)).collect();
        ensure!(undocumented.is_empty(), "provoked and not promised: {undocumented:?}");
        for (operation, code, why) in elsewhere.iter().filter(|(operation, ..)| *operation != "*") {
            let pair = ((*operation).to_owned(), (*code).to_owned());
            ensure!(!self.provoked.contains(&pair), "{operation} {code} is provoked here and excused: {why}");
            ensure!(self.promised(operation).codes.contains(*code), "{operation} {code} is excused and not promised");
        }
        Ok(())
    }
}
