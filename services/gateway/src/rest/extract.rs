//! Who asks and what they say, parsed at the door: whatever is wrong becomes a problem document with the field's path.

use std::{error::Error, str::FromStr, sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, FromRequestParts, Path, RawQuery},
    http::{HeaderMap, Request, header, request::Parts},
};
use chat_auth::Access;
use chat_protocol::{ErrorCode, MessageId, Seq, codec::json_deeper_than, error::FieldError, limits};
use http_body_util::LengthLimitError;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use tokio::time::timeout;

use super::{Problem, limit::Verified};
use crate::{app::App, fault::Fault};

/// For a body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A caller with a valid access token.
pub struct Caller(pub Access);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        if let Some(Verified(access)) = parts.extensions.get() {
            return Ok(Self(*access));
        }
        let needed = || Fault::new(ErrorCode::Unauthenticated, "an access token is needed");
        Ok(Self(app.verify(bearer(&parts.headers).ok_or_else(needed)?)?))
    }
}

/// The token that a request carries.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A JSON document of at most [`limits::BODY_BYTES`].
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, _: &Arc<App>) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let kind = kind.split(';').next().unwrap_or("").trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Fault::new(ErrorCode::UnsupportedMediaType, "application/json is expected").into());
        }
        let body = timeout(BODY_TIMEOUT, to_bytes(request.into_body(), limits::BODY_BYTES)).await;
        let bytes = match body {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(err)) if err.source().is_some_and(|cause| cause.is::<LengthLimitError>()) => {
                return Err(Fault::new(ErrorCode::TooLarge, "a body has at most 1 MiB").into());
            }
            Ok(Err(_)) => return Err(Fault::new(ErrorCode::Malformed, "the body broke off").into()),
            Err(_) => return Err(Fault::new(ErrorCode::Malformed, "the body did not arrive in time").into()),
        };
        parse(&bytes).map(Self).map_err(Problem)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    let malformed = || Fault::new(ErrorCode::Malformed, "not a JSON document of at most 32 levels");
    // Looked at as a whole: serde passes over what it ignores without asking whether it is UTF-8.
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    if json_deeper_than(bytes, limits::DEPTH) {
        return Err(malformed());
    }
    let mut input = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize(&mut input) {
        Ok(_) if input.end().is_err() => Err(malformed()),
        // serde would take the fields as a list too; a body stands in braces.
        Ok(_) if text.trim_start().starts_with('[') => Err(Fault::field("", "type", "an object is expected")),
        Ok(value) => Ok(value),
        Err(err) => {
            // A document that is no JSON further down is malformed, whatever was wrong before that.
            let whole: Result<serde::de::IgnoredAny, _> = serde_json::from_str(text);
            if whole.is_err() {
                return Err(malformed());
            }
            let path = err.path().to_string().replace(['[', ']'], ".").replace("..", ".");
            let field = path.trim_matches('.').to_owned();
            let reason = reason(&err.into_inner().to_string());
            Err(Fault::invalid(vec![field_error(field, reason)]))
        }
    }
}

/// serde's sentence without the place, which means nothing to who wrote the document by program.
fn reason(text: &str) -> String {
    text.split(" at line ").next().unwrap_or(text).to_owned()
}

fn field_error(field: String, reason: String) -> FieldError {
    let named = reason.split('`').nth(1).unwrap_or_default().to_owned();
    let within = |name: String| if field.is_empty() { name } else { format!("{field}.{name}") };
    if reason.starts_with("missing field") {
        FieldError::new(within(named), "missing", "this field is needed")
    } else if reason.starts_with("unknown field") {
        // The path already ends with the unknown field's name.
        let field = if field.ends_with(&named) { field } else { within(named) };
        FieldError::new(field, "unknown", "there is no such field")
    } else {
        FieldError::new(field, "type", reason)
    }
}

/// Tells `null` from absent.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// One identifier from the path; another spelling is something that does not exist.
pub struct Id<T>(pub T);

impl<T: FromStr + Send> FromRequestParts<Arc<App>> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, app).await.map_err(|_| ErrorCode::NotFound)?;
        text.parse().map(Self).map_err(|_| ErrorCode::NotFound.into())
    }
}

/// Two identifiers from the path.
pub struct Ids<A, B>(pub A, pub B);

impl<A: FromStr + Send, B: FromStr + Send> FromRequestParts<Arc<App>> for Ids<A, B> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let texts = Path::<(String, String)>::from_request_parts(parts, app).await;
        let Path((a, b)) = texts.map_err(|_| ErrorCode::NotFound)?;
        match (a.parse(), b.parse()) {
            (Ok(a), Ok(b)) => Ok(Self(a, b)),
            _ => Err(ErrorCode::NotFound.into()),
        }
    }
}

/// The query, looked at by name; unknown names are ignored, of repeated ones the last counts.
#[derive(Default)]
pub struct Query(Vec<(String, String)>);

impl FromRequestParts<Arc<App>> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let RawQuery(query) = RawQuery::from_request_parts(parts, app).await.unwrap_or_else(|never| match never {});
        Ok(Self(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()))
    }
}

impl Query {
    /// One value as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// One value of a type with a canonical text.
    pub fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, Fault> {
        let parse = |text: &str| text.parse().map_err(|_| Fault::field(name, "format", "not understood"));
        self.text(name).map(parse).transpose()
    }

    /// One of the words of a closed set.
    pub fn word<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Fault> {
        let parse = |text: &str| {
            let word = serde_json::from_value(serde_json::Value::String(text.to_owned()));
            word.map_err(|_| Fault::field(name, "format", "no such word"))
        };
        self.text(name).map(parse).transpose()
    }

    /// `limit`, 1 to 200.
    pub fn limit(&self) -> Result<usize, Fault> {
        match self.parsed("limit")? {
            None => Ok(limits::PAGE),
            Some(limit) if (1..=limits::PAGE_MAX).contains(&limit) => Ok(limit),
            Some(_) => Err(Fault::field("limit", "range", format!("1 to {}", limits::PAGE_MAX))),
        }
    }

    /// A position, given as a number or as the id of an event.
    pub fn position(&self, name: &str) -> Result<Option<Seq>, Fault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let by_number = text.parse().ok().and_then(Seq::new);
        let by_id = || text.parse().ok().map(MessageId::seq);
        let position = by_number.or_else(by_id);
        position.map(Some).ok_or_else(|| Fault::field(name, "format", "a position or the id of a message"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "parsed only")]
        items: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "parsed only")]
        len: u32,
    }

    fn refused(json: &str) -> (ErrorCode, String, String) {
        let fault = parse::<Outer>(json.as_bytes()).unwrap_err();
        let first = fault.fields.first().map(|field| (field.field.clone(), field.code.clone())).unwrap_or_default();
        (fault.code, first.0, first.1)
    }

    #[test]
    fn wrong_fields_are_named_with_their_path() {
        let invalid = |field: &str, code: &str| (ErrorCode::Invalid, field.to_owned(), code.to_owned());
        assert_eq!(refused(r#"{"items":[{"len":1},{"len":"x"}]}"#), invalid("items.1.len", "type"));
        assert_eq!(refused(r#"{"items":[{}]}"#), invalid("items.0.len", "missing"));
        assert_eq!(refused(r#"{"items":[],"x":1}"#), invalid("x", "unknown"));
        for list in ["[]", "[[]]", " [[{\"len\":1}]]"] {
            assert_eq!(refused(list).0, ErrorCode::Invalid, "{list}");
        }
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        for text in ["", "{", "{\"items\":[]} x", "{\"items\":7,]", &"[".repeat(33)] {
            assert_eq!(refused(text).0, ErrorCode::Malformed, "{text}");
        }
        let not_utf8 = parse::<Outer>(b"{\"items\":\"\xff\"}").unwrap_err();
        assert_eq!(not_utf8.code, ErrorCode::Malformed);
    }
}
