//! Chance that can be replayed: a failing test shows its seed, and `CHAT_SEED` brings the same chance back.

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::env;

/// A source of chance for one test. Says on standard output (which a failing test shows) how to have it again.
///
/// # Panics
/// If `CHAT_SEED` is set to something that is no number.
pub fn seeded() -> StdRng {
    let seed = env::seed().unwrap_or_else(rand::random);
    println!("chance: CHAT_SEED={seed}");
    StdRng::seed_from_u64(seed)
}
