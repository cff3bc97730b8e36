//! Passwords: argon2id at OWASP's floor, in a bounded pool, at the same cost for names that do not exist.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use chat_protocol::{ErrorCode, frame::SecretText, limits::PASSWORD_BYTES};
use rand::{CryptoRng, Rng};
use tokio::sync::Semaphore;

/// 19 MiB, two passes, one lane: some 25 ms a try.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Checks and hashes passwords. A few blocking threads work at once, a bounded number of callers waits, and everybody
/// beyond is told [`PasswordError::Overloaded`] at once. Cheap to clone; all clones are one pool.
#[derive(Clone)]
pub struct Passwords {
    argon2: Argon2<'static>,
    working: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password.
    Right {
        /// The stored hash is weaker than what is used now: hash again and store that.
        rehash: bool,
    },
    /// It is not, or there is no such account.
    Wrong,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Not 8–1,024 bytes.
    #[error("a password has 8 to 1,024 bytes")]
    Length,
    /// Too many are being checked.
    #[error("too many passwords are being checked")]
    Overloaded,
    /// The stored hash is damaged, or argon2 failed.
    #[error("password not checked")]
    Internal,
}

impl PasswordError {
    /// What the client is told.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Length => ErrorCode::Invalid,
            Self::Overloaded => ErrorCode::Overloaded,
            Self::Internal => ErrorCode::Internal,
        }
    }
}

impl Passwords {
    /// At most `threads` at work (19 MiB each), at most `waiting` more in line.
    pub fn new(threads: usize, waiting: usize) -> Self {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("OWASP's parameters are valid");
        Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            working: Arc::new(Semaphore::new(threads)),
            admitted: Arc::new(Semaphore::new(threads + waiting)),
        }
    }

    /// A PHC string to store.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(&self, password: SecretText, rng: &mut (impl Rng + CryptoRng)) -> Result<String, PasswordError> {
        if !PASSWORD_BYTES.contains(&password.expose().len()) {
            return Err(PasswordError::Length);
        }
        let salt: [u8; 16] = rng.random();
        self.work(move |argon2| {
            let hash: Result<_, _> = argon2.hash_password_with_salt(password.expose().as_bytes(), &salt);
            hash.map(|hash: argon2::PasswordHash| hash.to_string()).map_err(|_| PasswordError::Internal)
        })
        .await
    }

    /// Whether it is the password behind `stored`. `None` (no such account) takes as long and is always wrong.
    ///
    /// # Errors
    /// [`PasswordError::Overloaded`] or [`PasswordError::Internal`]; a length that no password has is just wrong.
    pub async fn check(&self, password: SecretText, stored: Option<String>) -> Result<Verdict, PasswordError> {
        if !PASSWORD_BYTES.contains(&password.expose().len()) {
            return Ok(Verdict::Wrong);
        }
        self.work(move |argon2| match stored {
            Some(stored) => check(argon2, password.expose().as_bytes(), &stored),
            None => {
                let mut nowhere = [0; 32];
                let spent = argon2.hash_password_into(password.expose().as_bytes(), &[0; 16], &mut nowhere);
                spent.map(|()| Verdict::Wrong).map_err(|_| PasswordError::Internal)
            }
        })
        .await
    }

    /// Runs on a blocking thread when one is free. The permits stay with the work even if the caller goes away.
    async fn work<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Argon2<'_>) -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| PasswordError::Overloaded)?;
        let working = Arc::clone(&self.working).acquire_owned().await.map_err(|_| PasswordError::Internal)?;
        let argon2 = self.argon2.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _permits = (admitted, working);
            job(&argon2)
        });
        done.await.map_err(|_| PasswordError::Internal)?
    }
}

fn check(argon2: &Argon2<'_>, password: &[u8], stored: &str) -> Result<Verdict, PasswordError> {
    let stored = PasswordHash::new(stored).map_err(|_| PasswordError::Internal)?;
    if stored.salt.is_none() || stored.hash.is_none() {
        return Err(PasswordError::Internal);
    }
    match argon2.verify_password(password, &stored) {
        Ok(()) => {
            let used = Params::try_from(&stored).map_err(|_| PasswordError::Internal)?;
            let weaker =
                used.m_cost() < MEMORY_KIB || used.t_cost() < PASSES || stored.algorithm.as_str() != "argon2id";
            Ok(Verdict::Right { rehash: weaker })
        }
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(Verdict::Wrong),
        Err(_) => Err(PasswordError::Internal),
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn secret(text: &str) -> SecretText {
        text.to_owned().into()
    }

    async fn hashed(pool: &Passwords, password: &str) -> String {
        pool.hash(secret(password), &mut StdRng::seed_from_u64(1)).await.unwrap()
    }

    #[tokio::test]
    async fn knows_the_password_and_no_other() {
        let pool = Passwords::new(2, 2);
        let stored = hashed(&pool, "correct horse").await;
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");

        let right = pool.check(secret("correct horse"), Some(stored.clone())).await;
        assert_eq!(right, Ok(Verdict::Right { rehash: false }));
        assert_eq!(pool.check(secret("correct house"), Some(stored)).await, Ok(Verdict::Wrong));
        assert_eq!(pool.check(secret("correct horse"), None).await, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn lengths_are_bounded() {
        let pool = Passwords::new(1, 1);
        let mut rng = StdRng::seed_from_u64(1);
        for wrong in ["short77".to_owned(), "x".repeat(1_025)] {
            assert_eq!(pool.hash(secret(&wrong), &mut rng).await, Err(PasswordError::Length));
            assert_eq!(pool.check(secret(&wrong), None).await, Ok(Verdict::Wrong));
        }
        assert!(pool.hash(secret("eight888"), &mut rng).await.is_ok());
        assert!(pool.hash(secret(&"x".repeat(1_024)), &mut rng).await.is_ok());
    }

    #[tokio::test]
    async fn who_comes_when_the_line_is_full_is_sent_away_at_once() {
        let pool = Passwords::new(1, 1);
        let busy = Arc::clone(&pool.working).acquire_owned().await.unwrap();
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.check(secret("first one"), None).await }
        });
        let also_waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.check(secret("second one"), None).await }
        });
        while pool.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }

        assert_eq!(pool.check(secret("third one"), None).await, Err(PasswordError::Overloaded));
        drop(busy);
        assert_eq!(waiting.await.unwrap(), Ok(Verdict::Wrong));
        assert_eq!(also_waiting.await.unwrap(), Ok(Verdict::Wrong));
        assert_eq!(pool.admitted.available_permits(), 2);
    }

    #[tokio::test]
    async fn a_weaker_hash_asks_to_be_replaced() {
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8 * 1024, 1, 1, None).unwrap());
        let stored: argon2::PasswordHash = weak.hash_password_with_salt(b"correct horse", &[7; 16]).unwrap();
        let pool = Passwords::new(1, 1);
        let verdict = pool.check(secret("correct horse"), Some(stored.to_string())).await;
        assert_eq!(verdict, Ok(Verdict::Right { rehash: true }));
    }

    #[tokio::test]
    async fn a_damaged_hash_is_our_fault() {
        let pool = Passwords::new(1, 1);
        let checked = pool.check(secret("correct horse"), Some("$argon2id$v=19".to_owned())).await;
        assert_eq!(checked, Err(PasswordError::Internal));
    }
}
