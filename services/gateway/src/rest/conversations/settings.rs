//! What settings of a conversation may be, at its creation and later.

use chat_protocol::{error::FieldError, limits, model::Settings, rights::Role};

use crate::{
    fault::Fault,
    rest::users::{json_field, too_long},
};

const SLOW_MODE_S_MAX: u32 = 21_600;
const RETENTION_DAYS_MAX: u32 = 36_500;

/// Every field that is wrong.
pub(super) fn wrong(settings: &Settings) -> Vec<FieldError> {
    let mut wrong = too_long("title", settings.title.as_deref(), limits::TITLE_CHARS);
    wrong.extend(too_long("topic", settings.topic.as_deref(), limits::TOPIC_CHARS));
    if settings.avatar_url.as_deref().is_some_and(|url| url.len() > limits::URL_BYTES) {
        wrong.push(FieldError::new("avatar_url", "too_long", format!("at most {} bytes", limits::URL_BYTES)));
    }
    if settings.slow_mode_s > SLOW_MODE_S_MAX {
        wrong.push(FieldError::new("slow_mode_s", "range", format!("at most {SLOW_MODE_S_MAX}")));
    }
    if settings.retention_days > RETENTION_DAYS_MAX {
        wrong.push(FieldError::new("retention_days", "range", format!("at most {RETENTION_DAYS_MAX}")));
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
