//! What is found.

use std::fmt;

/// As many findings of a kind as a human reads.
const SHOWN: usize = 10;

/// Every finding is one sentence. All empty = nothing was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged, but missing.
    pub lost: Vec<String>,
    /// Visible, but never sent, refused, or not stored.
    pub phantom: Vec<String>,
    /// One message twice.
    pub doubled: Vec<String>,
    /// Not in the one order, or not in its sender's.
    pub reordered: Vec<String>,
    /// Passed over in silence.
    pub gaps: Vec<String>,
    /// One position, two events.
    pub reused: Vec<String>,
    /// Malformed input without its documented error.
    pub mishandled: Vec<String>,
    /// What the history does not show, so that nothing could be found.
    pub unproved: Vec<String>,
    /// How much was judged: a test says how much it expects.
    pub counts: Counts,
}

/// How much a history holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Different messages.
    pub sent: usize,
    /// Of these, acknowledged.
    pub acked: usize,
    /// Acknowledgements that said `duplicate`.
    pub duplicates: usize,
    /// Messages that arrived at clients.
    pub seen: usize,
    /// Conversations that were read to their end.
    pub read: usize,
}

impl Verdict {
    /// Nothing was found.
    pub fn is_good(&self) -> bool {
        self.findings().iter().all(|(_, found)| found.is_empty())
    }

    /// # Panics
    /// If anything was found, with the findings.
    pub fn assert_good(&self) {
        assert!(self.is_good(), "{self}");
    }

    fn findings(&self) -> [(&'static str, &[String]); 8] {
        [
            ("lost", &self.lost),
            ("phantom", &self.phantom),
            ("doubled", &self.doubled),
            ("reordered", &self.reordered),
            ("gaps", &self.gaps),
            ("reused", &self.reused),
            ("mishandled", &self.mishandled),
            ("unproved", &self.unproved),
        ]
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { sent, acked, duplicates, seen, read } = self.counts;
        write!(
            f,
            "{sent} sent, {acked} acknowledged ({duplicates} as duplicates), {seen} seen, {read} histories read"
        )?;
        for (kind, found) in self.findings() {
            write!(f, ", {} {kind}", found.len())?;
        }
        for (kind, found) in self.findings() {
            for finding in found.iter().take(SHOWN) {
                write!(f, "\n{kind}: {finding}")?;
            }
            if found.len() > SHOWN {
                write!(f, "\n{kind}: … and {} more", found.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}
