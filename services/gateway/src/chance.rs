//! Where secrets and ids come from.

use rand::{SeedableRng, rngs::StdRng};

/// A generator seeded by the system: unlike the thread's own it may be held over an await.
pub fn secure() -> StdRng {
    StdRng::from_os_rng()
}
