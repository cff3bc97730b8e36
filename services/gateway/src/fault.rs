//! A failure on its way to a client, by REST or WebSocket: a code of the one table and what goes with it.

use chat_bus::{BusError, Full};
use chat_protocol::{
    ErrorCode, Timestamp, content,
    error::{FieldError, Retry},
    frame::Failure,
};
use chat_store::StoreError;

/// What a client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Of the table.
    pub code: ErrorCode,
    /// For people; never a secret, never content.
    pub detail: String,
    /// When to try again, where the code says "after".
    pub retry_after_ms: Option<u64>,
    /// The server's time, for `clock_skew`.
    pub time: Option<Timestamp>,
    /// For `invalid`.
    pub fields: Vec<FieldError>,
}

impl Fault {
    /// A failure with its words.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        // Jittered, so that those who were refused together do not come back together.
        let retry_after_ms = (code.retry() == Retry::After).then(|| rand::random_range(1_000..2_000));
        Self { code, detail: detail.into(), retry_after_ms, time: None, fields: Vec::new() }
    }

    /// `invalid`, with every field that is wrong.
    pub fn invalid(fields: Vec<FieldError>) -> Self {
        let detail = fields.first().map_or_else(
            || "wrong request".into(),
            |first| {
                if first.field.is_empty() { first.detail.clone() } else { format!("{}: {}", first.field, first.detail) }
            },
        );
        Self { fields, ..Self::new(ErrorCode::Invalid, detail) }
    }

    /// One wrong field.
    pub fn field(field: &str, code: &str, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(field, code, detail)])
    }

    /// The frame that tells it on a socket; the caller says what it answers.
    pub fn frame(self) -> Failure {
        let mut failure = Failure::new(self.code, self.detail);
        failure.retry_after_ms = self.retry_after_ms;
        failure.time = self.time;
        failure
    }
}

impl From<ErrorCode> for Fault {
    fn from(code: ErrorCode) -> Self {
        Self::new(code, code.title().to_lowercase())
    }
}

impl From<content::Refused> for Fault {
    fn from(refused: content::Refused) -> Self {
        Self { code: refused.code, ..Self::invalid(refused.fields) }
    }
}

impl From<StoreError> for Fault {
    fn from(err: StoreError) -> Self {
        match err {
            StoreError::Unavailable => Self::new(ErrorCode::StoreUnavailable, "the store is away, try again"),
            StoreError::Full => Self::new(ErrorCode::StorageFull, "no space left"),
            StoreError::Refused(_) | StoreError::Other(_) => {
                tracing::error!(error = %err, "store failed");
                Self::new(ErrorCode::Internal, "the store failed")
            }
        }
    }
}

impl From<BusError> for Fault {
    fn from(err: BusError) -> Self {
        match err {
            BusError::Unavailable | BusError::WentBack { .. } => {
                Self::new(ErrorCode::LogUnavailable, "the log is away, try again")
            }
            BusError::Unknown => {
                Self::new(ErrorCode::OutcomeUnknown, "it may be stored: try again with the same client_id")
            }
            BusError::Full(Full::Window) => Self::new(ErrorCode::Overloaded, "too much in flight, try again"),
            BusError::Full(Full::Storage) => Self::new(ErrorCode::StorageFull, "no space left"),
            BusError::WrongHead(_) => Self::new(ErrorCode::Conflict, "the conversation has changed, read it again"),
            BusError::TooLarge => Self::new(ErrorCode::TooLarge, "too large for one event"),
            BusError::Other(_) => {
                tracing::error!(error = %err, "log failed");
                Self::new(ErrorCode::Internal, "the log failed")
            }
        }
    }
}
