//! What a message may hold: every bound of [`crate::limits`] in one check, for REST and WebSocket alike.

use crate::{
    error::{ErrorCode, FieldError},
    limits,
    model::{Content, Span},
    time::Timestamp,
};

/// Why content is refused: `too_large`, or `invalid` with every field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// [`ErrorCode::TooLarge`] or [`ErrorCode::Invalid`].
    pub code: ErrorCode,
    /// At least one.
    pub fields: Vec<FieldError>,
}

/// Checks what somebody wants to send at `now`.
pub fn check(content: &Content, now: Timestamp) -> Result<(), Refused> {
    let too_large = oversized(content);
    if !too_large.is_empty() {
        return Err(Refused { code: ErrorCode::TooLarge, fields: too_large });
    }
    let mut fields = Vec::new();
    if is_empty(content) {
        fields.push(FieldError::new("text", "empty", "a message needs text, a payload, an attachment or a forward"));
    }
    if content.text.as_deref().is_some_and(|text| text.contains('\0')) {
        fields.push(FieldError::new("text", "format", "U+0000 is not allowed"));
    }
    let chars = content.text.as_deref().map_or(0, |text| text.chars().count());
    if content.spans.len() > limits::SPANS {
        fields.push(FieldError::new("spans", "too_many", format!("at most {}", limits::SPANS)));
    }
    for (place, span) in content.spans.iter().enumerate() {
        fields.extend(wrong_span(place, span, chars));
    }
    if content.attachments.len() > limits::ATTACHMENTS {
        fields.push(FieldError::new("attachments", "too_many", format!("at most {}", limits::ATTACHMENTS)));
    }
    if let Some(at) = content.expires_at {
        let last = now.plus_ms(i64::try_from(limits::EXPIRES_IN.as_millis()).unwrap_or(i64::MAX));
        if at <= now || at > last {
            fields.push(FieldError::new("expires_at", "range", "between now and 365 days ahead"));
        }
    }
    if fields.is_empty() { Ok(()) } else { Err(Refused { code: ErrorCode::Invalid, fields }) }
}

fn oversized(content: &Content) -> Vec<FieldError> {
    let mut fields = Vec::new();
    if content.text.as_deref().is_some_and(|text| text.chars().count() > limits::TEXT_CHARS) {
        fields.push(FieldError::new("text", "too_long", format!("at most {} characters", limits::TEXT_CHARS)));
    }
    if content.payload.as_ref().is_some_and(|payload| json_len(payload) > limits::PAYLOAD_BYTES) {
        fields.push(FieldError::new(
            "payload",
            "too_large",
            format!("at most {} bytes as JSON", limits::PAYLOAD_BYTES),
        ));
    }
    if fields.is_empty() && json_len(content) > limits::CONTENT_BYTES {
        fields.push(FieldError::new("", "too_large", format!("at most {} bytes as JSON", limits::CONTENT_BYTES)));
    }
    fields
}

fn wrong_span(place: usize, span: &Span, chars: usize) -> Vec<FieldError> {
    let mut fields = Vec::new();
    if span.len == 0 || u64::from(span.start) + u64::from(span.len) > chars as u64 {
        fields.push(FieldError::new(format!("spans.{place}.len"), "range", "within the text, at least one character"));
    }
    if span.style.is_empty() || span.style.len() > limits::STYLE_BYTES {
        let detail = format!("1 to {} bytes", limits::STYLE_BYTES);
        fields.push(FieldError::new(format!("spans.{place}.style"), "range", detail));
    }
    fields
}

fn is_empty(content: &Content) -> bool {
    content.text.as_deref().is_none_or(str::is_empty)
        && content.payload.is_none()
        && content.attachments.is_empty()
        && content.forward_of.is_none()
}

fn json_len<T: serde::Serialize>(value: &T) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |bytes| bytes.len())
}
