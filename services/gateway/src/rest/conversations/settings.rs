//! What settings of a conversation may be, at its creation and later.

use chat_protocol::{error::FieldError, limits, model::Settings, rights::Role};

use crate::{
    fault::Fault,
    rest::users::{json_field, too_long},
};

/// Every field that is wrong.
pub(super) fn wrong(settings: &Settings) -> Vec<FieldError> {
    let mut wrong = too_long("title", settings.title.as_deref(), limits::TITLE_CHARS);
    wrong.extend(too_long("topic", settings.topic.as_deref(), limits::TOPIC_CHARS));
    if settings.avatar_url.as_deref().is_some_and(|url| url.len() > limits::URL_BYTES) {
        wrong.push(FieldError::new("avatar_url", "too_long", format!("at most {} bytes", limits::URL_BYTES)));
    }
    if u64::from(settings.slow_mode_s) > limits::SLOW_MODE_S {
        wrong.push(FieldError::new("slow_mode_s", "range", format!("at most {}", limits::SLOW_MODE_S)));
    }
    if u64::from(settings.retention_days) > limits::RETENTION_DAYS {
        wrong.push(FieldError::new("retention_days", "range", format!("at most {}", limits::RETENTION_DAYS)));
    }
    if settings.overrides.contains_key(&Role::Owner) {
        wrong.push(FieldError::new("overrides.owner", "range", "owners have all rights"));
    }
    wrong
}

/// The opaque part has a size.
pub(super) fn not_too_large(settings: &Settings) -> Result<(), Fault> {
    json_field("data", settings.data.as_ref())
}
