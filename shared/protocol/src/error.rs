//! The one error table: code → title, HTTP status, close code, may-retry. A new failure is one row.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Whether, and when, the same request may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It will fail again.
    No,
    /// With the same `client_id` if there is one.
    Yes,
    /// Not before the time the answer names.
    After,
    /// Once the client did something else first (a new token, a fresh read, `hello`, a corrected clock).
    WithChange,
}

macro_rules! table {
    ($($name:ident $code:literal $title:literal http $http:literal close $close:literal $retry:ident;)+) => {
        /// What can go wrong, as clients see it. Stable: codes are never renamed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "the table says it")]
        pub enum ErrorCode { $(#[serde(rename = $code)] $name),+ }

        impl ErrorCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The stable word, as in JSON.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// A few words for people.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }

            /// The HTTP status, where it can end a request.
            pub const fn http(self) -> Option<u16> {
                let status = match self { $(Self::$name => $http),+ };
                if status == 0 { None } else { Some(status) }
            }

            /// The WebSocket close code, where it ends a socket.
            pub const fn close(self) -> Option<u16> {
                let close = match self { $(Self::$name => $close),+ };
                if close == 0 { None } else { Some(close) }
            }

            /// Whether trying again makes sense.
            pub const fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry),+ }
            }
        }
    };
}

// 0 = it does not occur there.
table! {
    Malformed            "malformed"              "Malformed"                 http 400 close 4500 No;
    UnsupportedProtocol  "unsupported_protocol"   "Unsupported protocol"      http 400 close 4504 No;
    Unauthenticated      "unauthenticated"        "Not authenticated"         http 401 close 4501 No;
    TokenRevoked         "token_revoked"          "Token revoked"             http 401 close 4503 No;
    TokenExpired         "token_expired"          "Token expired"             http 401 close 4004 WithChange;
    ResumeExpired        "resume_expired"         "Resume token expired"      http 0   close 0    WithChange;
    AccountSuspended     "account_suspended"      "Account suspended"         http 403 close 4502 No;
    Forbidden            "forbidden"              "Forbidden"                 http 403 close 0    No;
    NotAMember           "not_a_member"           "Not a member"              http 403 close 0    No;
    Blocked              "blocked"                "Blocked"                   http 403 close 0    No;
    OriginRefused        "origin_refused"         "Origin refused"            http 403 close 0    No;
    NotFound             "not_found"              "Not found"                 http 404 close 0    No;
    Expired              "expired"                "Expired"                   http 410 close 0    No;
    MethodNotAllowed     "method_not_allowed"     "Method not allowed"        http 405 close 0    No;
    UnsupportedMediaType "unsupported_media_type" "Unsupported media type"    http 415 close 0    No;
    UpgradeRequired      "upgrade_required"       "Upgrade required"          http 426 close 0    No;
    FirstFrameTimeout    "first_frame_timeout"    "First frame timeout"       http 408 close 4007 Yes;
    NameTaken            "name_taken"             "Name taken"                http 409 close 0    No;
    TooLate              "too_late"               "Too late"                  http 409 close 0    No;
    LimitReached         "limit_reached"          "Limit reached"             http 409 close 0    No;
    Conflict             "conflict"               "Conflict"                  http 409 close 0    WithChange;
    PreconditionFailed   "precondition_failed"    "Precondition failed"       http 412 close 0    WithChange;
    TooLarge             "too_large"              "Too large"                 http 413 close 1009 No;
    Invalid              "invalid"                "Invalid"                   http 422 close 0    No;
    ContentRejected      "content_rejected"       "Content rejected"          http 422 close 0    No;
    ClockSkew            "clock_skew"             "Clock skew"                http 422 close 0    WithChange;
    RateLimited          "rate_limited"           "Rate limited"              http 429 close 4005 After;
    SlowMode             "slow_mode"              "Slow mode"                 http 429 close 0    After;
    Internal             "internal"               "Internal error"            http 500 close 4000 Yes;
    LogUnavailable       "log_unavailable"        "Log unavailable"           http 503 close 0    After;
    StoreUnavailable     "store_unavailable"      "Store unavailable"         http 503 close 0    After;
    HookUnavailable      "hook_unavailable"       "Hook unavailable"          http 503 close 0    After;
    Overloaded           "overloaded"             "Overloaded"                http 503 close 4006 After;
    Draining             "draining"               "Draining"                  http 503 close 4001 Yes;
    OutcomeUnknown       "outcome_unknown"        "Outcome unknown"           http 504 close 0    Yes;
    StorageFull          "storage_full"           "Storage full"              http 507 close 0    After;
    Slow                 "slow"                   "Too slow"                  http 0   close 4002 Yes;
    NoPong               "no_pong"                "No pong"                   http 0   close 4003 Yes;
    UnknownType          "unknown_type"           "Unknown frame type"        http 0   close 0    No;
    BadState             "bad_state"              "Bad state"                 http 0   close 4505 No;
    TooManySockets       "too_many_sockets"       "Too many sockets"          http 0   close 4506 No;
    Forced               "forced"                 "Closed by an operator"     http 0   close 4507 No;
    Abuse                "abuse"                  "Abuse"                     http 0   close 4508 No;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// One field that is wrong, with its path (`spans.3.len`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// Empty for the document as a whole.
    pub field: String,
    /// `missing`, `unknown`, `type`, `too_long`, `too_many`, `too_large`, `range`, `format`, `empty`.
    pub code: String,
    /// For people.
    pub detail: String,
}

impl FieldError {
    /// One wrong field.
    pub fn new(field: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        Self { field: field.into(), code: code.into(), detail: detail.into() }
    }
}

/// An RFC 9457 problem document: what every failed request answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `/errors/<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: ErrorCode,
    /// What happened here, for people; never a secret.
    pub detail: String,
    /// The request's id, also in `X-Request-Id`.
    pub instance: String,
    /// When to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The server's time, for `clock_skew`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// For `invalid`: every field that is wrong.
    #[serde(default)]
    pub errors: Vec<FieldError>,
}
