//! What can fail.

/// Why the store did not do what it was asked. Absence is never an error.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Out of reach, overloaded or too slow; nothing is known about a write's outcome. All writes are idempotent.
    #[error("the store is away")]
    Unavailable,
    /// The disk is full or refused a write; reads go on.
    #[error("the store is full")]
    Full,
    /// This one row is at fault, not the store: too large, or undecodable.
    #[error("refused: {0}")]
    Refused(String),
    /// A fault of ours; the text holds no secrets and no content.
    #[error("store: {0}")]
    Other(String),
}
