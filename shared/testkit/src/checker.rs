//! The judge of a recorded history: was any acknowledged message lost, doubled, reordered?
//!
//! Clients [record](Recorder) what they asked and what they saw; when all is quiet every conversation is read once
//! more from beginning to end; then [`judge`] compares. It knows nothing of the system, so it judges one process, a
//! cluster and a soak run alike.
//!
//! | finding | the invariant that is broken |
//! |---|---|
//! | `lost` | I1: acknowledged ⇒ in history, and delivered to everybody who follows · I14: a store opens with all it acknowledged |
//! | `phantom` | I2: nothing is seen that was not sent and stored |
//! | `doubled` | I3: one message per (conversation, sender, client id), seen once |
//! | `reordered` | I4: one total order · I5: a sender's order is kept |
//! | `gaps` | I6: what a client sees is contiguous, or says `resync` |
//! | `reused` | I13: a position never names two events |
//! | `mishandled` | I15: malformed input gets its documented error |
//! | `unproved` | none, but the history cannot show that the others hold |

mod history; // what is recorded

mod verdict; // what is found

mod facts; // the history, sorted by message and place

mod messages; // what must be true of each message

mod views; // what must be true of each client's view

pub use history::{Client, Event, Key, Mark, Outcome, Recorder, Row};
pub use verdict::{Counts, Verdict};

use facts::Facts;

/// Compares everything that was recorded. Events stand in the order in which they happened, as [`Recorder`] keeps them.
pub fn judge(history: &[Event]) -> Verdict {
    let facts = Facts::of(history);
    let mut verdict = Verdict { counts: facts.counts, ..Verdict::default() };
    messages::judge(&facts, &mut verdict);
    views::judge(history, &facts, &mut verdict);
    for event in history {
        match event {
            Event::Opened { what, error: Some(error) } => verdict.lost.push(format!("{what} does not open: {error}")),
            Event::Malformed { input, outcome: Outcome::Broken(how) } => {
                verdict.mishandled.push(format!("{input}: {how}"));
            }
            _ => {}
        }
    }
    verdict
}
